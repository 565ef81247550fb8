"""Rows that lie far from all others."""

from __future__ import annotations

import numpy as np

from headstart.heads.dense_stack import flat
from headstart.heads.evaluation.near_duplicates import nearest
from headstart.heads.origins import origin_of
from headstart.heads.rows import Rows, less

AROUND = 10
"""The neighbour whose distance says how far a row is off: with fewer, a few odd rows that are near
each other hide one another; Ramaswamy, Rastogi, Shim: Efficient algorithms for mining outliers from
large data sets, 2000; Sun et al.: Out-of-distribution detection with deep nearest neighbors, 2022,
take the angle, as here."""


def distance_to_others(features: Rows, around: int = AROUND) -> np.ndarray:
    """How far each row is from its `around`th nearest other, 1 - cosine, (n,) float32; of fewer
    rows the furthest there is. Columns that lie far from zero are moved there first: from zero, all
    rows would lie in one direction.

    Args:
        features: (n, width), two rows or more; of more than `near_duplicates.EXACT`, neighbours are
            those of `nearest_by_cells`.
        around: which neighbour.
    """
    if isinstance(features, np.ndarray):
        features = flat(features).astype(np.float32, copy=False)
    if (origin := origin_of(features)) is not None:
        features = less(features, origin)
    distances, _ = nearest(features, min(around, len(features) - 1))
    return distances[:, -1]
