"""How new a sample is: how far it lies from those that a head was trained on, beside held-out ones.

The distance is that of deep nearest neighbours (Sun et al.: Out-of-distribution detection with deep
nearest neighbors, ICML 2022): the angle to the tenth nearest of some rows that were trained on.
It becomes a share by samples that nothing was fitted to: 1 less the conformal p-value (Bates et
al.: Testing for outliers with conformal p-values, 2023), so that of samples like those one in
twenty is as new as 0.95 or newer, whatever the backbone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.heads.exploration.similarity import most_similar
from headstart.heads.origins import origin_of

AROUND = 10
"""The neighbour whose distance counts; see `exploration.outliers`."""
MOST = 20_000
"""Rows that samples are compared with: of a hundredth of ImageNet Sun et al. lose nothing."""


@dataclass(frozen=True)
class NoveltyScale:
    """Distances to rows that were trained on, and what they are of samples like those.

    Attributes:
        rows: that samples are compared with, (n, width), less the origin.
        origin: what is taken from each first, (width,), as columns lie far from zero; None where
            none does.
        lengths: of the rows, (n,).
        known: distances of samples that nothing was fitted to, ascending, (m,).
    """

    rows: np.ndarray
    origin: np.ndarray | None
    lengths: np.ndarray
    known: np.ndarray

    @staticmethod
    def of(rows: np.ndarray, held_out: np.ndarray) -> NoveltyScale:
        """Of rows that were trained on, (n, …), and of others, (m, …)."""
        flat = vectors_of(rows)
        origin = origin_of(flat)
        flat = flat if origin is None else flat - origin
        lengths = np.full(len(flat), np.nan, np.float32)
        made = NoveltyScale(flat, origin, lengths, np.empty(0, np.float32))
        known = np.sort(made.distances(held_out))
        return NoveltyScale(flat, origin, lengths, known)

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Of rows (n, …), 1 - cosine to the tenth nearest that was trained on, (n,). Rows of zeros
        are as near each other as equal ones, though they have no angle."""
        flat = vectors_of(rows)
        flat = flat if self.origin is None else flat - self.origin
        cosines, _ = most_similar(flat, self.rows, AROUND, self.lengths)
        found = 1 - cosines[:, -1]
        if np.count_nonzero(self.lengths == 0) >= cosines.shape[1]:
            found[~flat.any(axis=1)] = 0
        return found

    def novelty(self, rows: np.ndarray) -> np.ndarray:
        """Of rows (n, …), 1 less the conformal p-value, (n,), from 0 to below 1."""
        nearer = np.searchsorted(self.known, self.distances(rows), side="left")
        return nearer / (len(self.known) + 1)


def vectors_of(rows: np.ndarray) -> np.ndarray:
    """Features as vectors, (n, width) float32: of maps and sequences the mean of their places."""
    if rows.ndim > 2:
        rows = rows.mean(axis=tuple(range(1, rows.ndim - 1)), dtype=np.float32)
    return rows.reshape(len(rows), -1).astype(np.float32, copy=False)
