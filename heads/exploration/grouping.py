"""Rows in groups that lie together, without any label."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.heads.origins import origin_of
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows, less, spans_of_rows

PASSES = 20
"""Over all rows, at most."""
BATCH = 4096
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
    centres = of_length_one(_centres(features, count, seed))
    group, away = np.empty(len(features), np.int64), np.empty(len(features), np.float32)
    for span in spans_of_rows(features):
        alike = of_length_one(features[span]) @ centres.T
        group[span] = alike.argmax(axis=1)
        away[span] = 1 - alike.max(axis=1)
    sizes = np.bincount(group, minlength=count)
    place = np.empty(count, np.int64)
    place[np.argsort(-sizes, kind="stable")] = np.arange(count)
    return place[group], np.maximum(away, 0)


def _centres(features: Rows, count: int, seed: int) -> np.ndarray:
    """By all rows where they are in memory, else by blocks of them in turn."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if isinstance(features, np.ndarray):
        model = KMeans(count, n_init=STARTS, max_iter=PASSES, random_state=seed)
        return np.asarray(model.fit(of_length_one(features)).cluster_centers_)
    model = MiniBatchKMeans(count, n_init=STARTS, batch_size=BATCH, random_state=seed)
    for span in spans_of_rows(features, 4 * features.shape[1] * max(BATCH, 2 * count)):
        block = of_length_one(features[span])
        if len(block) >= count:
            model.partial_fit(block)
    return np.asarray(model.cluster_centers_)
