"""Numbers that are probably wrong labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAR = 3.5
"""Robust standard deviations: Iglewicz and Hoaglin (How to detect and handle outliers, 1993)."""
AGREED = 1.0
"""Robust standard deviations that neighbours, whose means are rougher, are to be off as well."""
NORMAL = 1.4826
"""The median absolute deviation times this is the standard deviation of normal numbers."""
NEAREST = 10
"""Neighbours that are asked."""


@dataclass(frozen=True)
class WrongNumber:
    """A row whose number is far from what it looks like.

    Attributes:
        row: which.
        off: by how many robust standard deviations.
    """

    row: int
    off: float


def find_wrong_numbers(
    said: np.ndarray, near: np.ndarray, targets: np.ndarray
) -> list[WrongNumber]:
    """Rows whose number is far from what is predicted, the farthest first.

    A row's residual is its number less the prediction of a head that was not trained on it; how far
    it is off counts from the median of all residuals, in median absolute deviations times `NORMAL`.
    A row is named if that is above `FAR`, and what its nearest neighbours have on average is off on
    the same side, by the same rule more than `AGREED`: so where the head alone cannot follow the
    numbers, its own errors are no suspects. Of several numbers each is judged by itself,
    and the farthest of a row counts.

    Args:
        said: predictions of a head, (n, outputs).
        near: means of the nearest neighbours, (n, outputs).
        targets: the numbers, (n, outputs).
    """
    by_head, by_others = _off(targets - said), _off(targets - near)
    agree = (np.sign(by_head) == np.sign(by_others)) & (np.abs(by_others) > AGREED)
    off = np.where(agree, np.abs(by_head), 0.0).max(axis=1)
    rows = np.flatnonzero(off > FAR)
    return [WrongNumber(int(row), float(off[row])) for row in rows[np.argsort(-off[rows])]]


def _off(residuals: np.ndarray) -> np.ndarray:
    """Robust standard deviations from the median, (n, outputs); 0 where most have the same."""
    apart = residuals - np.median(residuals, axis=0)
    spread = NORMAL * np.median(np.abs(apart), axis=0)
    return np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 0)
