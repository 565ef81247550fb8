"""Rows of shards where they lie: files are mapped, so that many rows cost one call of the system.

The process itself never touches what is mapped: a file that is cut short, or a disk that fails,
would end it. See `storage.shards.own_memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from headstart.storage.index import IndexedShard, Places
from headstart.storage.memory import free_memory
from headstart.storage.shard_store import ShardStore, Stat, mapped, watch
from headstart.storage.shards.own_memory import can_copy, is_copied

if TYPE_CHECKING:
    import pyarrow as pa

AROUND = 64 << 10
"""With a row, so much around it comes into memory: `fault_around_bytes` of Linux."""
MOST = 1 << 30
"""Bytes of shards that are mapped into memory, about, before all are let go: what is mapped counts
as memory of the process, though the system takes it back where it needs it."""


class Mapped:
    """Shards that are mapped, by their numbers; they stay so as long as somebody has this.

    Args:
        first_chunk: of each shard, and behind the last: the number of its first chunk among all.
        base: of each chunk, where row 0 of its shard would lie in the file if the rows before it
            lay as its own do.
    """

    def __init__(self, first_chunk: np.ndarray, base: np.ndarray) -> None:
        self.buffers: dict[int, pa.Buffer] = {}
        self.looks: dict[int, Callable[[], Stat]] = {}
        """Give what the store says of each shard now."""
        self._first_chunk, self._base = first_chunk, base
        self._adding = Lock()
        # HDF5 puts the chunks of a shard one behind the other: then one number a shard says it all.
        self.is_by_shard = not np.diff(base)[_within(first_chunk)].any()
        self.start = np.zeros(len(first_chunk) - 1 if self.is_by_shard else len(base), np.int64)
        """As `base`, in memory, of each chunk or each shard; 0 where that is not mapped."""

    def add(self, number: int, buffer: pa.Buffer, look: Callable[[], Stat]) -> None:
        """Whoever sees a buffer may read by its addresses, so they are there before it."""
        chunks = slice(*self._first_chunk[number : number + 2])
        here = slice(number, number + 1) if self.is_by_shard else chunks
        with self._adding:
            if number not in self.buffers:  # of two threads' the first: it may be read by now
                self.start[here] = self._base[chunks][: len(self.start[here])] + buffer.address
                self.looks[number], self.buffers[number] = look, buffer

    def emptied(self) -> Mapped:
        return Mapped(self._first_chunk, self._base)


def _within(first_chunk: np.ndarray) -> np.ndarray:
    """Of each chunk but the last, whether the next one is of the same shard."""
    found = np.ones(max(0, int(first_chunk[-1]) - 1), bool)
    ends = first_chunk[1:-1]
    found[ends[(ends > 0) & (ends <= len(found))] - 1] = False
    return found


class MappedRows:
    """The rows of the shards of an index; may be used by several threads.

    Args:
        store: where the shards are.
        shards: of the index.
        row_bytes: of one row.
        nothing: of them, yet.
    """

    def __init__(
        self,
        store: ShardStore,
        shards: Sequence[IndexedShard],
        row_bytes: int,
        nothing: Mapped,
    ) -> None:
        self._store = store
        self._shards = shards
        self._kind = np.dtype((np.void, row_bytes))
        self._known = nothing
        self._looked_at = 0
        self._size = sum(shard.file.size for shard in shards)

    @property
    def are_there(self) -> bool:
        """Whether the store can map shards, and the system can copy rows of them."""
        return hasattr(self._store, "mapped") and can_copy()

    @property
    def stay(self) -> bool:
        """Whether what was read of all shards is likely to lie in memory still."""
        return self._size <= free_memory() // 2

    def take(
        self,
        places: Places,
        chunk_of: Callable[[Places], np.ndarray],
        around: int = AROUND,
    ) -> np.ndarray | None:
        """Rows of some chunks of shards, of a void type, shape (n,).

        Args:
            places: of the rows, one or more.
            chunk_of: gives the chunks that they lie in, by number.
            around: bytes that come into memory with each: none of note where all of it are taken.

        Returns:
            None where a shard cannot be mapped, has lost a row, or is another than the one that was
            checked. That is looked at when its rows are copied: whoever wrote to it, or put another
            in its place before it was mapped, has changed it for good.
        """
        shard, known, size = places.shard, self._known, self._kind.itemsize
        numbers = [int(shard[0])] if len(shard) == 1 else np.bincount(shard).nonzero()[0].tolist()
        for number in numbers:
            if number not in known.buffers and not self._map(known, number):
                return None
        rows = np.empty(len(shard), self._kind)
        addresses = np.multiply(places.row, size, dtype=np.int64)
        addresses += known.start[shard if known.is_by_shard else chunk_of(places)]
        if not is_copied(addresses.view(np.uint64), size, rows):
            return None
        for number in numbers:
            if known.looks[number]() != self._shards[number].stat:
                return None
        self._note(len(rows) * (around + size))
        return rows

    def _map(self, known: Mapped, number: int) -> bool:
        """Map a shard, if it can be, and all of it is there."""
        file = self._shards[number].file
        found = mapped(self._store, file.name)
        if found is None or found.size < file.size:  # not yet: a copy of it may come
            return False
        known.add(number, found, watch(self._store, file.name))
        return True

    def _note(self, size: int) -> None:
        """That so many bytes came into memory; all are let go where that is too much."""
        self._looked_at += size
        if self._looked_at > MOST and self._size > MOST:
            self._looked_at, self._known = 0, self._known.emptied()
