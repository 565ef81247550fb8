"""Rows in groups that lie together, without any label."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from headstart.heads.origins import origin_of
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows, less, spans_of_rows

PASSES = 20
"""Over all rows, at most."""
SETTLED = 1e-3
"""Of the rows; groups stay as they are when fewer have changed theirs in a pass."""
DRAWN, DRAWN_OF_EACH = 16_384, 64
"""Rows of which the first centres are found, and of each group, if those are more."""
STARTS: Any = 3
"""Beginnings of which the best is taken; scikit-learn 1.9 declares a string."""


def grouped(features: Rows, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Put rows into groups by their direction: k-means of rows of length one (spherical k-means;
    Dhillon and Modha: Concept decompositions for large sparse text data using clustering, 2001).

    Args:
        features: (n, width).
        count: how many groups, n at most.
        seed: of the centres.

    Returns:
        The group of each row, (n,) int64, the largest group first; and how far each is from the
        centre of its group, 1 - cosine, (n,) float32.
    """
    if (origin := origin_of(features)) is not None:
        features = less(features, origin)
    centres = _first_centres(features, count, seed)
    group, before = np.full(len(features), -1), np.full(len(features), -1)
    away = np.empty(len(features), np.float32)
    for number in range(PASSES + 1):
        sums = _put(features, centres, group, away)
        changed = np.count_nonzero(group != before)
        if number == PASSES or changed <= SETTLED * len(features):
            break
        before[:] = group
        holds_some = sums.any(axis=1, keepdims=True)
        centres = of_length_one(np.where(holds_some, sums, centres)).astype(np.float32)
    sizes = np.bincount(group, minlength=count)
    place = np.empty(count, np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return place[group], np.maximum(away, 0)


def _first_centres(features: Rows, count: int, seed: int) -> np.ndarray:
    """Directions, (count, width) float32, by k-means of some rows, drawn from all: those that lie
    together on the disk are often of one class."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    wanted = min(len(features), max(DRAWN, DRAWN_OF_EACH * count))
    chosen = np.random.default_rng(seed).choice(len(features), wanted, replace=False)
    model = KMeans(count, n_init=STARTS, max_iter=PASSES, random_state=seed)
    with warnings.catch_warnings():
        # of fewer different rows than groups: some groups stay empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(of_length_one(features[np.sort(chosen)]))
    return of_length_one(np.asarray(model.cluster_centers_, np.float32))


def _put(features: Rows, centres: np.ndarray, group: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Put each row into the group of the nearest centre, and say how far that is; the sums of the
    rows of each, (count, width) float64."""
    sums = np.zeros(centres.shape, np.float64)
    for span in spans_of_rows(features):
        unit = of_length_one(features[span])
        alike = unit @ centres.T
        group[span] = own = alike.argmax(axis=1)
        away[span] = 1 - alike.max(axis=1)
        order = np.argsort(own, kind="stable")
        which, starts = np.unique(own[order], return_index=True)
        sums[which] += np.add.reduceat(unit[order], starts, axis=0, dtype=np.float64)
    return sums
