"""Rows of several labels dealt out to parts, each with its share of each label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.storage.columns.stratification import dealt


def dealt_labels(
    targets: np.ndarray, shares: Sequence[float], units: np.ndarray | None, seed: int
) -> np.ndarray:
    """In which part each row of several labels is, (n,) int64.

    Args:
        targets: 0 and 1, (n, labels).
        shares: of each part; 1 together.
        units: numbers from 0 up, (n,); rows of one stay together. None where each is on its own.
        seed: of the mixing.
    """
    having, sizes = targets > 0, np.ones(len(targets), np.int32)
    if units is not None:
        sizes = np.bincount(units).astype(np.int32)
        counts = np.zeros((len(sizes), targets.shape[1]), np.int32)
        np.add.at(counts, units, having)
        having = counts
    parts = dealt(having, sizes, shares, np.random.default_rng(seed).permutation(len(sizes)))
    return parts if units is None else parts[units]


def have_all_of_a_side(targets: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Rows that would take with them all that have some label, or all that lack it, (n,) bool.

    Args:
        targets: 0 and 1, (n, labels).
        inside: which rows are looked at, together, (n,) bool.
    """
    found, is_on = np.zeros(len(targets), bool), targets > 0
    for own in (is_on, ~is_on):
        lost = own.any(axis=0) & ~own[~inside].any(axis=0)
        found |= inside & own[:, lost].any(axis=1)
    return found
