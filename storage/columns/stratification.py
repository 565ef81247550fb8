"""Units dealt out to parts so that each part has its share of each label.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label data,
ECML PKDD 2011): the rarest label is dealt first, each unit of it to the part that lacks it most.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OPEN = -1
"""In place of a part: the unit is to be dealt."""
SAME = 1e-6
"""Samples within which two parts lack as much: shares are fractions, and sums of them are not
exact."""


def dealt(
    counts: np.ndarray,
    shares: Sequence[float],
    order: np.ndarray,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """The part of each unit, (units,) int64.

    Args:
        counts: samples of each label in each unit, (units, labels); give samples with a label and
            those without it as two, and parts have their share of samples as well.
        shares: of each part; 1 together.
        order: in which units of one label are dealt; large ones go first all the same.
        known: parts of units that have one, and `OPEN`, (units,).
    """
    parts = np.full(len(counts), OPEN) if known is None else known.copy()
    lacking = np.outer(shares, counts.sum(axis=0, dtype=np.float64))
    for part in range(len(shares)):
        lacking[part] -= counts[parts == part].sum(axis=0)
    sizes = counts.sum(axis=1, dtype=np.int64)
    order = order[np.argsort(-sizes[order], kind="stable")]
    left = (counts[parts == OPEN] > 0).sum(axis=0)
    while left.any():
        rarest = int(np.where(left > 0, left, len(counts) + 1).argmin())
        for unit in order[(parts[order] == OPEN) & (counts[order, rarest] > 0)].tolist():
            own = counts[unit]
            best = _most(lacking[:, rarest], lacking @ own)
            parts[unit] = best
            lacking[best] -= own
            left -= own > 0
    rest = np.flatnonzero(parts == OPEN)  # of no label
    parts[rest] = np.asarray(shares).argmax()
    return parts


def _most(of_rarest: np.ndarray, of_all: np.ndarray) -> int:
    """The part that lacks most of a label; of several such, that lacks most of all labels."""
    alike = np.flatnonzero(of_rarest >= of_rarest.max() - SAME)
    return int(alike[0] if len(alike) == 1 else alike[_first_most(of_all[alike])])


def _first_most(values: np.ndarray) -> int:
    return int((values >= values.max() - SAME).argmax())
