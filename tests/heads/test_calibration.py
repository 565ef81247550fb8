"""Heads are as sure as they may be, with and without a validation split."""

import numpy as np
import pytest

import headstart as hs
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kinds import Part
from headstart.heads.losses import loss_of

SMALL = [(2, 2), (2, 5), (20, 2), (20, 5), (300, 2), (300, 5)]
"""Width and classes."""
SLACK = 0.02
"""Log loss; what twice hardly anything may be exceeded by."""


def clouds(width, classes, rows, apart, seed=0):
    """Classes around centres; the wider, the surer can the training rows be told apart, whatever
    the others do."""
    rng = np.random.default_rng([width, classes, seed])
    centres = rng.normal(size=(classes, width))
    centres *= 1.5 * apart / np.linalg.norm(centres, axis=1, keepdims=True)
    y = np.arange(rows) % classes
    x = centres[y] + rng.normal(size=(rows, width)) / width**0.25
    return x.astype(np.float32), y


def split(x, y, *sizes):
    bounds = np.cumsum([0, *sizes, len(y) - sum(sizes)])
    return [Part(x[a:b], y[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def said(fitted, part, classes):
    return DenseStack(fitted.layers, tuple(range(classes))).predict_proba(part.features)


def held_out(kind, train, validation, test, classes):
    fitted = kind.fit(train, validation, classes, 0)
    return loss_of("softmax", said(fitted, test, classes), test.targets)


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.SVM(), hs.Prototype()], ids=lambda k: k.kind)
@pytest.mark.parametrize(("width", "classes"), SMALL)
def test_no_kind_is_twice_as_wrong_as_linear_where_train_rows_can_be_told_apart(
    width, classes, kind
):
    for rows in (4 * classes, 12 * classes):
        for apart in (0.7, 1.5, 4.0):
            x, y = clouds(width, classes, rows + 2 * classes + 60 * classes, apart)
            train, validation, test = split(x, y, rows, 2 * classes)
            for aside in (validation, Part(x[:0], y[:0])):
                linear = held_out(hs.Linear(), train, aside, test, classes)
                own = held_out(kind, train, aside, test, classes)
                assert own <= 2 * linear + SLACK, (rows, apart, len(aside))
