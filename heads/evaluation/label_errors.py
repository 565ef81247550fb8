"""Data looked at through features: labels worth a look, and samples that are nearly the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR = 0.13
"""Samples are near duplicates if their distance is below this share of the median distance to the
nearest sample; Cleanlab's Datalab has the same default."""
TOLERANCE = 1e-6
"""Of probabilities that are the same."""
PAIRS_OF_ONE = 5
"""Nearest samples that are looked at of each."""


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


@dataclass(frozen=True)
class NearPair:
    """Two samples that are nearly the same; `distance` is 1 - cosine of their features."""

    first: int
    second: int
    distance: float


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


def find_near_duplicates(features: np.ndarray, near: float = NEAR) -> list[NearPair]:
    """Pairs of rows that are nearly the same, the nearest first.

    Args:
        features: (n, width).
        near: share of the median distance to the nearest row; see `NEAR`.
    """
    from sklearn.neighbors import NearestNeighbors

    if len(features) < 2:
        return []
    flat = features.reshape(len(features), -1).astype(np.float32)
    count = min(PAIRS_OF_ONE + 1, len(flat))
    index = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(flat)
    distances, rows = index.kneighbors(flat)
    others = rows != np.arange(len(flat))[:, None]
    nearest = np.where(others, distances, np.inf).min(axis=1)
    limit = near * float(np.median(nearest))
    found: dict[tuple[int, int], float] = {}
    for row, place in np.argwhere(others & (distances <= limit)):
        pair = (int(min(row, rows[row, place])), int(max(row, rows[row, place])))
        found[pair] = float(max(distances[row, place], 0.0))
    return [
        NearPair(first, second, distance)
        for (first, second), distance in sorted(found.items(), key=lambda item: (item[1], item[0]))
    ]
