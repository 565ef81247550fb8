"""Rows of shards where they lie: files are mapped, so that many rows cost one call of the system.

The process itself never touches what is mapped: a file that is cut short, or a disk that fails,
would end it. See `storage.shards.own_memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.storage.index import IndexedShard
from headstart.storage.shard_store import ShardStore, mapped
from headstart.storage.shards.own_memory import can_copy, is_copied

if TYPE_CHECKING:
    import pyarrow as pa

AROUND = 64 << 10
"""With a row, so much around it comes into memory: `fault_around_bytes` of Linux."""
MOST = 1 << 30
"""Bytes of shards that are mapped into memory, about, before all are let go: what is mapped counts
as memory of the process, though the system takes it back where it needs it."""


class MappedRows:
    """The rows of the shards of an index; may be used by several threads.

    Args:
        store: where the shards are.
        shards: of the index.
        row_bytes: of one row.
    """

    def __init__(self, store: ShardStore, shards: Sequence[IndexedShard], row_bytes: int) -> None:
        self._store = store
        self._shards = shards
        self._kind = np.dtype((np.void, row_bytes))
        self._known: dict[int, pa.Buffer] = {}
        self._looked_at = 0
        self._are_few = sum(shard.file.size for shard in shards) <= MOST

    @property
    def are_there(self) -> bool:
        """Whether the store can map shards, and the system can copy rows of them."""
        return hasattr(self._store, "mapped") and can_copy()

    def take(
        self,
        shard: np.ndarray,
        offsets: np.ndarray,
        is_written: Callable[[IndexedShard], bool],
    ) -> np.ndarray | None:
        """Rows that begin at some bytes of shards, of a void type, shape (n,).

        None where a shard cannot be mapped, has lost a row, or is another than the one that was
        checked. That is looked at when its rows are copied: whoever wrote to it, or put another in
        its place before it was mapped, has changed it for good.
        """
        numbers = (
            [int(shard[0])] if len(shard) == 1 else np.flatnonzero(np.bincount(shard)).tolist()
        )
        found = [self._find(number) for number in numbers]  # kept while rows are copied from them
        addresses = _addresses(found, numbers, shard, offsets, self._kind.itemsize)
        if addresses is None:
            return None
        rows = np.empty(len(shard), self._kind)
        if not is_copied(addresses, self._kind.itemsize, rows):
            return None
        if any(is_written(self._shards[number]) for number in numbers):
            return None
        self._note(len(rows) * (AROUND + self._kind.itemsize))
        return rows

    def _find(self, number: int) -> pa.Buffer | None:
        """All bytes of a shard, mapped; None where it cannot be."""
        known = self._known
        found = known.get(number)
        if found is None:
            found = mapped(self._store, self._shards[number].file.name)
            if found is not None:  # else not yet: a copy of it may come
                known[number] = found
        return found

    def _note(self, size: int) -> None:
        """That so many bytes came into memory; all are let go where that is too much."""
        self._looked_at += size
        if self._looked_at > MOST and not self._are_few:
            self._looked_at, self._known = 0, {}


def _addresses(
    found: Sequence[pa.Buffer | None],
    numbers: Sequence[int],
    shard: np.ndarray,
    offsets: np.ndarray,
    size: int,
) -> np.ndarray | None:
    """Where rows of so many bytes are in memory, uint64 (n,), by their shards, which are among
    `numbers`, and their places in these; None if one is not."""
    there = [one for one in found if one is not None]
    if len(there) < len(found):
        return None
    if len(there) == 1:
        start, end = there[0].address, there[0].size
    else:
        starts, ends = np.zeros((2, numbers[-1] + 1), np.int64)
        starts[numbers] = [one.address for one in there]
        ends[numbers] = [one.size for one in there]
        start, end = starts[shard], ends[shard]
    return None if (offsets + size > end).any() else (offsets + start).view(np.uint64)
