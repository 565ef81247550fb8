"""Rows of shards where they lie: files are mapped, so that a row costs no call of the system."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from headstart.storage.index import IndexedShard
from headstart.storage.shard_store import ShardStore, mapped

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
        self._known: dict[int, np.ndarray] = {}
        self._looked_at = 0
        self._are_few = sum(shard.file.size for shard in shards) <= MOST

    @property
    def are_there(self) -> bool:
        """Whether the store can map shards."""
        return hasattr(self._store, "mapped")

    def take(
        self,
        shard: np.ndarray,
        offsets: np.ndarray,
        is_written: Callable[[IndexedShard], bool],
    ) -> np.ndarray | None:
        """Rows that begin at some bytes of shards, of a void type, shape (n,).

        None where a shard cannot be mapped, or is another than the one that was checked. That is
        looked at after it was mapped, as another may have come to its place a moment before, and
        again when its rows are copied.
        """
        number = int(shard[0])
        if (shard == number).all():
            rows = self._copied(number, offsets, is_written)
        else:
            rows = self._scattered(shard, offsets, is_written)
        if rows is not None:
            self._note(len(rows) * (AROUND + self._kind.itemsize))
        return rows

    def _scattered(
        self,
        shard: np.ndarray,
        offsets: np.ndarray,
        is_written: Callable[[IndexedShard], bool],
    ) -> np.ndarray | None:
        rows = np.empty(len(shard), self._kind)
        for number in np.unique(shard).tolist():
            here = np.flatnonzero(shard == number)
            some = self._copied(number, offsets[here], is_written)
            if some is None:
                return None
            rows[here] = some
        return rows

    def _copied(
        self, number: int, offsets: np.ndarray, is_written: Callable[[IndexedShard], bool]
    ) -> np.ndarray | None:
        own, mapped = self._shards[number], self._find(number)
        if mapped is None or is_written(own):
            return None
        rows = mapped[offsets]
        return None if is_written(own) else rows

    def _find(self, number: int) -> np.ndarray | None:
        """What would be a row at each byte of a shard, of a void type, shape (bytes,); None where
        it cannot be mapped."""
        known = self._known
        if number not in known:
            content = mapped(self._store, self._shards[number].file.name)
            if content is None:  # yet: a copy of it may come
                return None
            count = max(0, content.size - self._kind.itemsize + 1)
            known[number] = np.ndarray(count, self._kind, content, strides=(1,))
        return known[number]

    def _note(self, size: int) -> None:
        """That so many bytes came into memory; all are let go where that is too much."""
        self._looked_at += size
        if self._looked_at > MOST and not self._are_few:
            self._looked_at, self._known = 0, {}
