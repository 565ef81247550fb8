"""What stands on one side of every split: samples of one group, and copies of one content.

Both are joined: a copy of a picture of one patient belongs to the pictures of the other patient
that the copy is filed under.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.storage.columns.block import Block
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.keys import unpack_digests


def unit_of(digest: str, group: str | None) -> str:
    """What a sample belongs to by itself: its group, else all copies of its content."""
    return digest if group is None else f"group {group}"


def units_in(block: Block) -> Iterator[str]:
    """The unit of each sample."""
    return map(unit_of, unpack_digests(block.digests), block.groups)


def units_of(columns: SampleColumns, *more: SampleColumns) -> list[str] | None:
    """The unit of each sample, those that share a content as one; None where each is on its own.

    Args:
        columns: the samples.
        more: the same ones again, which come behind them.
    """
    if not more and not columns.has_groups and columns.unique == len(columns):
        return None
    same = joined_units(columns)
    blocks = [block for one in (columns, *more) for block in one.blocks()]
    found = [same.get(unit, unit) for block in blocks for unit in units_in(block)]
    return found if len(set(found)) < len(found) else None


def joined_units(columns: SampleColumns) -> dict[str, str]:
    """Of units that share a content with another, what all of them together are called: as the
    first of their groups, by name; the others are missing."""
    if not columns.has_groups:
        return {}
    some = columns.take(columns.rows_of_like_heads)
    units = [unit for block in some.blocks() for unit in units_in(block)]
    known, numbers = np.unique(np.array(units, object), return_inverse=True)
    contents = np.unique(np.array(unpack_digests(some.digests), object), return_inverse=True)[1]
    of_unit = np.empty(len(known), np.int64)
    of_unit[numbers] = joined(numbers, contents)
    parts: dict[int, list[str]] = {}
    for unit, part in zip(known.tolist(), of_unit.tolist(), strict=True):
        parts.setdefault(part, []).append(unit)
    return {
        unit: min(one for one in part if one.startswith("group "))
        for part in parts.values()
        if len(part) > 1
        for unit in part
    }


def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The parts that rows fall into which are connected by either of two numberings, (n,) int64:
    rows of one number are of one part, and so on from row to row."""
    if not len(one):
        return np.empty(0, np.int64)
    first, second = (np.unique(numbers, return_inverse=True)[1] for numbers in (one, other))
    if int(second.max()) + 1 == len(second):  # no two rows, as a rule: the other joins nothing
        return first.astype(np.int64)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = int(first.max()) + 1
    shape = (size + int(second.max()) + 1,) * 2
    edges = coo_array((np.ones(len(first)), (first, second + size)), shape=shape)
    return connected_components(edges, directed=False)[1][first].astype(np.int64)
