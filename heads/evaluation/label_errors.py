"""Labels that are worth a look, by what heads say that were not trained on the sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-6
"""Of probabilities that are the same."""


@dataclass(frozen=True)
class WrongLabel:
    """A sample whose label is worth a look.

    Attributes:
        row: which sample.
        given: class number of its label.
        guess: class number of what it looks like.
        margin: probability of the label less that of the guess; the lower, the surer.
    """

    row: int
    given: int
    guess: int
    margin: float


def find_wrong_labels(probabilities: np.ndarray, targets: np.ndarray) -> list[WrongLabel]:
    """Confident learning: the surest first.

    A sample counts for a class if its probability reaches the mean probability of that class among
    the samples labelled so; of several such classes for the most probable one of all. Where that is
    not the label, the label is worth a look, unless it is the most probable one after all: a rare
    class is reached with little, by many samples that are surely of the common one. (Northcutt,
    Jiang, Chuang: Confident learning, JAIR 2021, https://arxiv.org/abs/1911.00068, equations 1 and
    2; with the rules of `cleanlab.filter.find_label_issues(filter_by="confident_learning")`, whose
    labels these are; the order is by normalised margin.)

    Args:
        probabilities: of heads that were not trained on the row, (n, classes).
        targets: class numbers of the labels, (n,).
    """
    classes, rows = probabilities.shape[1], np.arange(len(targets))
    probabilities = probabilities.astype(np.float64)
    own = probabilities[rows, targets]
    counts = np.bincount(targets, minlength=classes)
    sums = np.bincount(targets, weights=own, minlength=classes)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reached = probabilities >= thresholds - TOLERANCE
    likely = probabilities.argmax(axis=1)
    counted = np.where(reached.sum(axis=1) > 1, likely, reached.argmax(axis=1))
    best = probabilities[rows, likely]
    is_odd = reached.any(axis=1) & (counted != targets) & (best > own + TOLERANCE)
    found, margins = np.flatnonzero(is_odd), own - best
    return [
        WrongLabel(int(row), int(targets[row]), int(likely[row]), float(margins[row]))
        for row in found[np.argsort(margins[found], kind="stable")]
    ]
