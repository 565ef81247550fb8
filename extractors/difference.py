"""How different two arrays are that should be the same: the one place for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def largest(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest absolute difference of two numbers; NaN where one is."""
    return float(np.abs(found - expected).max())


def share_of_largest(found: np.ndarray, expected: np.ndarray, least: float = 1.0) -> float:
    """The largest difference as a share of the largest number expected, or of `least` if that is
    larger: of probabilities the difference itself."""
    wide = np.asarray(found, np.float64)
    return largest(wide, expected) / max(least, float(np.abs(expected).max()))


def relative_error(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest relative L2 error of a row, over all cuts; infinite where shapes differ.

    Rows that are not finite in the reference say nothing. A row is compared on the scale of the
    average row, where it is smaller than that: an image of nothing gives features near zero.

    Args:
        found: one array (n, *feature shape) a cut.
        expected: the reference's.
    """
    return max(map(_error, found, expected), default=0.0)


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    wide = expected.astype(np.float64).reshape(len(expected), -1)
    counts = np.isfinite(wide).all(axis=1)
    wide, given = wide[counts], found.reshape(wide.shape)[counts].astype(np.float64)
    if not len(wide) or not np.isfinite(given).all():
        return float("inf")
    off, sizes = np.linalg.norm(given - wide, axis=1), np.linalg.norm(wide, axis=1)
    return float((off / np.maximum(sizes, max(float(sizes.mean()), 1e-30))).max())
