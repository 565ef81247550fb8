"""Mean and standard deviation of features, and weights that have them folded in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.algebra import cholesky
from headstart.heads.kind import Part
from headstart.heads.shared_rows import SharedRows, Span

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread_a_core() -> Iterator[ThreadPoolExecutor]:
    """Threads for blocks of rows; the matrix products in them have one thread each.

    The products' own threads wait for each other at these sizes: a matrix of ten columns is not
    worth sharing.
    """
    cholesky.routines()  # have a BLAS of their own, and only what is loaded can be limited
    with ThreadPoolExecutor(cores()) as pool, _libraries(len(sys.modules)).limit(limits=1):
        yield pool


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """Those that are loaded and have threads. To look for them takes some ms, as long as a fit of
    few rows: so that is done again only where modules were imported since, which load them."""
    from threadpoolctl import ThreadpoolController

    del modules
    return ThreadpoolController()


@dataclass(frozen=True)
class Standardisation:
    """Mean and standard deviation of each feature, float64; constant features have std 1."""

    mean: np.ndarray
    std: np.ndarray

    @staticmethod
    def of(parts: Sequence[Part], pool: ThreadPoolExecutor) -> Standardisation:
        """Of all rows of some parts, by their weights, read twice."""
        return Standardisation.of_each(SharedRows(parts), pool)[0]

    @staticmethod
    def of_each(rows: SharedRows, pool: ThreadPoolExecutor) -> list[Standardisation]:
        """Of the rows of each fit, all of which are read twice."""
        # Of a row of its own, as what is constant in a fit is 0 then, whatever others hold.
        first = rows.firsts()
        means = first + _means(rows, first, pool, lambda x: x)
        deviations = np.sqrt(_variances(rows, means, pool))
        deviations[deviations < 1e-12] = 1.0
        return [Standardisation(mean, std) for mean, std in zip(means, deviations, strict=True)]

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


def _variances(rows: SharedRows, means: np.ndarray, pool: ThreadPoolExecutor) -> np.ndarray:
    """Of each fit, (fits, width). From a mean, as the squares of what lies far from zero cancel;
    from that of the first fit for all, unless that is far from another's."""
    from_one = np.broadcast_to(means[0], means.shape).astype(np.float32)
    apart = (means - from_one) ** 2
    found = _means(rows, from_one, pool, np.square) - apart
    if (apart > found).any():
        found = _means(rows, means.astype(np.float32), pool, np.square)
    return found


def _means(
    rows: SharedRows,
    shifts: np.ndarray,
    pool: ThreadPoolExecutor,
    changed: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Of each fit the mean of shifted rows that are changed, (fits, width): block by block, added
    up in float64."""
    different, which = np.unique(shifts, axis=0, return_inverse=True)
    fits = [np.flatnonzero(which == number) for number in range(len(different))]

    def add_up(span: Span) -> np.ndarray:
        features, weights = span.features, rows.weights(span)
        sums = np.empty(shifts.shape, np.float32)
        for shift, own in zip(different, fits, strict=True):
            block = changed(features - shift)
            sums[own] = block.sum(axis=0) if weights is None else weights[:, own].T @ block
        return sums

    total = np.zeros(shifts.shape)
    for sums in pool.map(add_up, rows.spans()):
        total += sums
    return total / rows.masses()[:, None]
