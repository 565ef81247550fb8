"""Directions of rows in fewer dimensions, in which those that are near each other stay near.

An orthogonal projection makes no distance longer: what is much nearer than all else is so there as
well. On the leading principal components it keeps as much of all distances as so many dimensions
can (Jolliffe: Principal component analysis, 2002, section 2.1).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from headstart.heads.rows import Rows, spans_of_rows

DIMENSIONS = 64
"""As many as products with all others can afford: of 768, a twelfth."""
DRAWN = 16_384
"""Rows of which the components are found."""
BLOCK_BYTES = 8 << 20


def lengths_of(rows: np.ndarray) -> np.ndarray:
    """The length of each row (n, width), (n,)."""
    return np.sqrt(np.einsum("ij,ij->i", rows, rows))


def of_length_one(rows: np.ndarray) -> np.ndarray:
    """Rows (n, width), each divided by its length; those of length 0 stay."""
    lengths = lengths_of(rows)[:, None]
    return rows / np.where(lengths > 0, lengths, np.float32(1))


@dataclass(frozen=True)
class Projection:
    """Onto leading principal components of rows of length one.

    Attributes:
        mean: of the rows, (width,).
        components: (width, dimensions); all directions where there are no more than `DIMENSIONS`.
    """

    mean: np.ndarray
    components: np.ndarray

    @staticmethod
    def of(rows: Rows, seed: int) -> Projection:
        """Of some of the rows (n, width), chosen by seed."""
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(rows), min(len(rows), DRAWN), replace=False)
        some = of_length_one(rows[np.sort(chosen)])
        mean, width = some.mean(axis=0), some.shape[1]
        if width <= DIMENSIONS:
            return Projection(mean, np.eye(width, dtype=np.float32))
        some -= mean
        _, vectors = np.linalg.eigh((some.T @ some).astype(np.float64))
        return Projection(mean, np.ascontiguousarray(vectors[:, -DIMENSIONS:], np.float32))

    @property
    def dimensions(self) -> int:
        return self.components.shape[1]

    def put(self, rows: Rows, out: np.ndarray, pool: ThreadPoolExecutor) -> None:
        """Fill `out`, (n, dimensions) float32, with the places of rows (n, width), which are read
        once."""

        def project(span: slice) -> None:
            np.matmul(of_length_one(rows[span]) - self.mean, self.components, out=out[span])

        list(pool.map(project, spans_of_rows(rows, BLOCK_BYTES)))
