"""From sample digests to rows: which shard of a feature set holds which sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.storage.keys import DIGEST_BYTES, pack_digests
from headstart.storage.shards import ShardFile

ABSENT = -1


@dataclass(frozen=True)
class Places:
    """Where rows are: `shard` and `row`, both int64 of one length; `ABSENT` where there is none."""

    shard: np.ndarray
    row: np.ndarray

    @property
    def present(self) -> np.ndarray:
        return self.shard != ABSENT


class Index:
    """An index over the digests of some shards of one feature set.

    Where two shards hold the same sample, the one that comes first counts.
    """

    def __init__(self, shards: Sequence[ShardFile], digests: Sequence[np.ndarray]) -> None:
        """
        Args:
            shards: the shards, oldest first.
            digests: the digests of each, shape (rows, 32), dtype uint8.
        """
        self.shards = tuple(shards)
        stacked = np.concatenate([*digests, np.empty((0, DIGEST_BYTES), np.uint8)])
        rows = [len(part) for part in digests]
        words = _as_words(stacked)
        order = np.lexsort((np.arange(len(words)), *(words[:, i] for i in (3, 2, 1, 0))))
        self._words = words[order]
        self._shard = np.repeat(np.arange(len(rows)), rows)[order]
        self._row = np.concatenate([np.arange(n) for n in [*rows, 0]])[order].astype(np.int64)
        self._first = self._words[:, 0].copy()

    def __len__(self) -> int:
        return len(self._words)

    def find(self, digests: list[str]) -> Places:
        """Look up digests (hex); one place each, in their order."""
        wanted = _as_words(pack_digests(digests))
        shard = np.full(len(wanted), ABSENT, np.int64)
        row = np.full(len(wanted), ABSENT, np.int64)
        place = np.searchsorted(self._first, wanted[:, 0], side="left")
        # Rows that share the first 8 bytes lie side by side: step on until none can match.
        open_ = np.arange(len(wanted))
        while len(open_):
            open_ = open_[place[open_] < len(self._words)]
            open_ = open_[self._first[place[open_]] == wanted[open_, 0]]
            equal = (self._words[place[open_]] == wanted[open_]).all(axis=1)
            hit = open_[equal]
            shard[hit], row[hit] = self._shard[place[hit]], self._row[place[hit]]
            open_ = open_[~equal]
            place[open_] += 1
        return Places(shard, row)


def _as_words(digests: np.ndarray) -> np.ndarray:
    """Digests as four big-endian 64-bit words each, shape (n, 4)."""
    return np.ascontiguousarray(digests).view(">u8").astype(np.uint64)
