"""A small validation split that a head gets all right makes no head sure of everything."""

import numpy as np
import pytest

import headstart as hs
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import Part
from headstart.heads.kinds.losses import loss_of
from headstart.heads.tasks import Classification, MultiLabel, Ordinal

KINDS = {
    "linear": (hs.Linear(), 6),
    "ridge": (hs.Ridge(), 25),
    "svm": (hs.SVM(), 10),
    "prototype": (hs.Prototype(), 25),
    "neighbours": (hs.Neighbours(), 25),
    "mlp": (hs.MLP(hidden=(16,), epochs=40, learning_rate=0.01), 3),
}
TASKS = {"classification": Classification(), "ordinal": Ordinal(), "multi-label": MultiLabel()}
UNSURE = {"classification": np.log(3), "ordinal": np.log(3), "multi-label": np.log(2)}
"""The log loss of a head that says all classes, or a label and its absence, are as probable."""
QUICK = {("classification", "prototype", 10), ("multi-label", "mlp", 20)}
"""Others are slow."""
CASES = [
    pytest.param(
        task,
        kind,
        split,
        marks=[] if (task, kind, split) in QUICK else pytest.mark.slow,
    )
    for task in TASKS
    for kind, (made, _) in KINDS.items()
    if task in made.tasks
    for split in (10, 20, 50)
]


def drawn(rng, task, count, width):
    if task == "ordinal":
        x = rng.normal(size=(count, width))
        y = np.digitize(x[:, 0] * 2 + rng.normal(size=count) * 0.7, [-0.8, 0.8])
    else:
        y = rng.integers(0, 3, count)
        x = rng.normal(size=(count, width)) + 2 * np.eye(3, width)[y]
    targets = np.eye(3, dtype=np.float32)[y] if task == "multi-label" else y
    return Part(x.astype(np.float32), targets)


def said(layers, part):
    return DenseStack(layers, (0, 1, 2)).predict_proba(part.features)


def all_right(task, layers, part, count):
    """The first rows that a head gets right."""
    given = said(layers, part)
    if task == "multi-label":
        right = ((given > 0.5) == (part.targets > 0)).all(axis=1)
    else:
        right = given.argmax(axis=1) == part.targets
    return part.rows(np.flatnonzero(right)[:count])


@pytest.mark.parametrize(("task", "kind", "split"), CASES)
def test_a_small_split_that_is_all_right_does_not_make_a_head_sure(task, kind, split):
    rng, (made, draws) = np.random.default_rng(split), KINDS[kind]
    activation = "sigmoid" if task == "multi-label" else "softmax"
    losses, accuracies = [], []
    for _ in range(draws):
        width = int(rng.choice([10, 60]))
        train, fresh, pool = (drawn(rng, task, n, width) for n in (100, 500, 1000))
        first = TASKS[task].fit(made, train, train.rows(slice(0)), 3, 0).layers
        validation = all_right(task, first, pool, split)
        given = said(TASKS[task].fit(made, train, validation, 3, 0).layers, fresh)
        losses.append(loss_of(activation, given, fresh.targets))
        right = np.asarray(all_right(task, first, fresh, 500).targets)
        accuracies.append(len(right) / 500)
    assert np.mean(accuracies) < 0.95  # so there is something to be unsure of
    assert max(losses) < UNSURE[task]
