"""Mean and standard deviation of features, and weights that have them folded in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.kind import Part

BLOCK_BYTES = 2 << 20
"""Of rows that are worked on at once. Smaller blocks would stay in a core's own cache, and cost
more in calls than that saves."""


@contextmanager
def one_thread_a_core() -> Iterator[ThreadPoolExecutor]:
    """Threads for blocks of rows; the matrix products in them have one thread each.

    The products' own threads wait for each other at these sizes: a matrix of ten columns is not
    worth sharing.
    """
    import scipy.linalg  # has a BLAS of its own, and only what is loaded can be limited

    assert scipy.linalg
    from threadpoolctl import threadpool_limits

    with ThreadPoolExecutor(cores()) as pool, threadpool_limits(1):
        yield pool


@dataclass(frozen=True)
class Standardisation:
    """Mean and standard deviation of each feature, float64; constant features have std 1."""

    mean: np.ndarray
    std: np.ndarray

    @staticmethod
    def of(parts: Sequence[Part], pool: ThreadPoolExecutor) -> Standardisation:
        """Of all rows of some parts, by their weights, read twice."""
        rows = sum(part.mass for part in parts)
        first = parts[0].features[:1][0]
        mean = first + _mean(parts, rows, first, pool, lambda x: x)
        # From the mean, as the squares of what lies far from zero cancel.
        squares = _mean(parts, rows, mean.astype(np.float32), pool, np.square)
        std = np.sqrt(squares)
        std[std < 1e-12] = 1.0
        return Standardisation(mean, std)

    def apply(self, features: np.ndarray) -> np.ndarray:
        return (features - self.mean.astype(np.float32)) * (1 / self.std).astype(np.float32)

    def fold(self, kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights for raw features from weights for standardised ones.

        With z = (x - mean) / std, z @ K + b = x @ (K / std) + (b - (mean / std) @ K).
        """
        wide = kernel.astype(np.float64) / self.std[:, None]
        return wide.astype(np.float32), (bias - self.mean @ wide).astype(np.float32)

    def moved(
        self, kernel: np.ndarray, bias: np.ndarray, other: Standardisation
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights for another standardisation from those for this one, float64."""
        raw = kernel / self.std[:, None]
        return raw * other.std[:, None], bias + (other.mean - self.mean) @ raw


def _mean(
    parts: Sequence[Part],
    rows: float,
    shift: np.ndarray,
    pool: ThreadPoolExecutor,
    changed: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """The mean of shifted rows that are changed, block by block, added up in float64."""
    spans = [(part, start, stop) for part in parts for start, stop in spans_of(part)]

    def add_up(span: tuple[Part, int, int]) -> np.ndarray:
        part, start, stop = span
        block = changed(part.features[start:stop] - shift)
        return block.sum(axis=0) if part.weights is None else part.weights[start:stop] @ block

    sums = pool.map(add_up, spans)
    total = np.zeros(len(shift))
    for one in sums:
        total += one
    return total / rows


def spans_of(part: Part) -> list[tuple[int, int]]:
    """First and last row of blocks that stay in a core's cache."""
    size = max(1, BLOCK_BYTES // (4 * part.features.shape[1]))
    return [(start, min(start + size, len(part))) for start in range(0, len(part), size)]
