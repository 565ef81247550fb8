"""Which samples of two blocks are as each other, one place after the other, by whole columns."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa

from headstart.storage.columns.arrays import STATS
from headstart.storage.columns.block import Block
from headstart.storage.columns.buffers import are_equal, are_there, numbers_in

LARGEST = (1 << 63) - 1


def same_places(one: Block, other: Block) -> np.ndarray:
    """Which samples lie where that in the same place of the other block does, bool (n,); one may
    be said not to that does, where ids differ, but never the other way round."""
    if one.source != other.source:
        pairs = zip(one.locations, other.locations, strict=True)
        return np.array([mine == theirs for mine, theirs in pairs], bool)
    found, is_said = np.ones(len(one), bool), np.zeros(len(one), bool)
    for name in ("row", "place"):
        mine, theirs = one.column(name), other.column(name)
        if mine is not None:
            is_said |= are_there(mine)
        if mine is not None or theirs is not None:
            found &= are_equal(one.full(name), other.full(name))
    return found & (is_said | are_equal(one.full("id"), other.full("id")))


def same_stats(one: Block, other: Block) -> np.ndarray:
    """Of which samples it is known by what a change is seen, and as it is known of that in the same
    place of the other block, bool (n,)."""
    mine, theirs = _table(one), _table(other)
    if mine is None or theirs is None:
        pairs = zip(one.stats, other.stats, strict=True)
        return np.array([bool(stat) and stat == was for stat, was in pairs], bool)
    if not mine.shape[1] or mine.shape != theirs.shape:
        return np.zeros(len(one), bool)
    return (mine == theirs).all(axis=1)


def _table(block: Block) -> np.ndarray | None:
    """By what changes are seen, int64, a row a sample; None where samples have different counts of
    numbers, or one has more than 64 bits."""
    same = block.same_stat
    if same is not None:
        if any(abs(number) > LARGEST for number in same):
            return None
        return np.broadcast_to(np.array(same, np.int64), (len(block), len(same)))
    array = block.full("stat")
    if array.type != STATS or not len(array):
        return None
    lists = cast(pa.ListArray, array)
    ends = numbers_in(lists.offsets)
    if (np.diff(ends) != ends[1] - ends[0]).any():
        return None
    return numbers_in(lists.values)[ends[0] : ends[-1]].reshape(len(array), -1)
