"""Units dealt out to parts so that each part has its share of each label.

As in iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label
data, ECML PKDD 2011) the rarest label is dealt first, each unit of it to the part to which it is
most due. How due it is, is by Webster's divisors, so that parts of unlike size fill alike, and the
last few units fall to the largest remainders. Of parts to which it is about as due, that which
lacks most of all the unit's labels takes it: with 200 labels on 5,000 samples each part is at most
4 samples off, where it would be 37, and 40 by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

OPEN = -1
"""In place of a part: the unit is to be dealt."""
ABOUT = 0.8
"""How due a unit is to a part, as a share of where it is most due, from which it is about as due:
2 of 3 samples are still told from 1, and 0 from 1."""
SAME = 1e-6
"""Samples within which two parts lack as much: shares are fractions, and their sums not exact."""


def dealt(
    having: np.ndarray,
    sizes: np.ndarray,
    shares: Sequence[float],
    order: np.ndarray,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """The part of each unit, (units,) int64.

    Args:
        having: samples with each label in each unit, (units, labels).
        sizes: samples of each unit, (units,).
        shares: of each part, above 0; 1 together.
        order: in which units of one label are dealt; large ones go first all the same.
        known: parts of units that have one, and `OPEN`, (units,).
    """
    parts = np.full(len(sizes), OPEN) if known is None else known.copy()
    counts, of_each = _rarer_sides(having, sizes), np.array(shares)
    wanted = np.outer(of_each, counts.sum(axis=0, dtype=np.int64))
    got = np.array([counts[parts == part].sum(axis=0) for part in range(len(shares))], np.float64)
    order = order[np.argsort(-sizes[order], kind="stable")]
    left, there = (counts[parts == OPEN] > 0).sum(axis=0), counts.sum(axis=0)
    while left.any():
        # Of those of which as many are left the one with the fewest samples: it has no other place.
        rarest = int(np.lexsort((there, np.where(left > 0, left, len(counts) + 1)))[0])
        for unit in order[(parts[order] == OPEN) & (counts[order, rarest] > 0)].tolist():
            own = counts[unit]
            due = of_each / (2 * got[:, rarest] + own[rarest])
            about = np.flatnonzero(due >= ABOUT * due.max())
            lacking = (wanted[about] - got[about]) @ own / of_each[about]
            best = about[(lacking >= lacking.max() - SAME).argmax()]
            parts[unit] = best
            got[best] += own
            left -= own > 0
    return parts


def _rarer_sides(having: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Samples with each label, or without it where most have it, and last all samples, so that
    parts have their share of these, too; (units, labels + 1)."""
    is_on_most = 2 * having.sum(axis=0, dtype=np.int64) > sizes.sum()
    sides = np.where(is_on_most, sizes[:, None] - having, having)
    return np.concatenate([sides, sizes[:, None]], axis=1).astype(np.int32)
