"""Rows of shards where they lie: files are mapped, so that a row costs no call of the system."""

from __future__ import annotations

from collections.abc import Sequence

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

    Whether a shard still is what was checked is for the caller to see, after it was found.

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

    def find(self, number: int) -> np.ndarray | None:
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

    def note(self, rows: int) -> None:
        """That so many rows were looked at; all are let go where that is too much in memory."""
        self._looked_at += rows * (AROUND + self._kind.itemsize)
        if self._looked_at > MOST and not self._are_few:
            self._looked_at, self._known = 0, {}
