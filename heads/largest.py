"""The largest few of many values in each row, and what stands behind them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GROUP = 16
"""Values of which the largest is looked at first."""

BLOCK = 1 << 22
"""Values of rows that are looked at together: most of what is made of them stays in a cache."""


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Which are the largest of each row, (n, count), in any order.

    They lie in the groups whose largest are the largest; so most values are looked at once, and
    none of them is moved.

    Args:
        values: (n, m).
        count: how many, no more than m.
    """
    rows, width = values.shape
    groups = width // GROUP
    if groups <= count:
        return np.argpartition(values, width - count, axis=1)[:, width - count :]
    whole = groups * GROUP
    most = values[:, :whole].reshape(rows, GROUP, groups).max(axis=1)
    chosen = np.argpartition(most, groups - count, axis=1)[:, groups - count :]
    places = (chosen[:, None, :] + groups * np.arange(GROUP)[:, None]).reshape(rows, GROUP * count)
    if whole < width:
        rest = np.broadcast_to(np.arange(whole, width), (rows, width - whole))
        places = np.concatenate([places, rest], axis=1)
    some = np.take_along_axis(values, places, axis=1)
    best = np.argpartition(some, some.shape[1] - count, axis=1)[:, some.shape[1] - count :]
    return np.take_along_axis(places, best, axis=1)


def ranked(values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each row from the first on: which, and their values, (n, count) each."""
    which = largest(values, count)
    some = np.take_along_axis(values, which, axis=1)
    order = np.argsort(-some, axis=1, kind="stable")
    return np.take_along_axis(which, order, axis=1), np.take_along_axis(some, order, axis=1)


def votes_of(
    values: np.ndarray, counts: Sequence[int], weights: np.ndarray
) -> dict[int, np.ndarray]:
    """For several counts the sum of what stands behind the largest of each row: so many, and those
    that are as large as the last of them; but none that is minus infinity.

    Args:
        values: (n, m).
        counts: each m at most.
        weights: of each column, (m, outputs).

    Returns:
        (n, outputs) by the count.
    """
    most = max(counts)
    which, some = ranked(values, min(most + 1, values.shape[1]))
    total, found = np.zeros((len(values), weights.shape[1]), weights.dtype), {}
    are_all = bool(np.isfinite(some).all())
    for place in range(most):
        own = weights[which[:, place]]
        total += own if are_all else own * np.isfinite(some[:, place, None])
        if place + 1 in counts:
            found[place + 1] = total.copy()
    for count in counts:
        if count == values.shape[1]:
            continue
        least = some[:, count - 1]
        tied = np.flatnonzero((some[:, count] == least) & np.isfinite(least))
        if len(tied):
            voting = values[tied] >= least[tied, None]
            found[count][tied] = voting.astype(weights.dtype) @ weights
    return found
