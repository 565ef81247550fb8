"""The digests of a shard that lies afar, read without its features.

A worker looks behind each of its claims at what others have committed, and wants none of their
numbers: digests are a hundredth of the bytes, and lie at the beginning. They are believed as the
row in SQL says what they hash to (`shard_id`); where in the shard they lie is all that HDF5 is
asked.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable

import numpy as np

from headstart.errors import ShardDamaged
from headstart.storage.keys import DIGEST_BYTES, unpack_digests
from headstart.storage.shard_store import ShardReader, ShardStore, Stat, distrust, is_far
from headstart.storage.shards.format import AGAIN, CHUNK_BYTES, Layout, parse_digests, shard_id
from headstart.storage.shards.shard import CheckedShard, ShardFile, check_shard

HEAD = 16 << 10
"""Bytes that a shard has before its digests, at most, unless its attributes are large."""
BLOCK = 64 << 10
"""Bytes that are read where something else is wanted."""
ROUNDS = 64
"""Times that something else may be wanted: HDF5's tables of many chunks are some blocks."""
TRIES = 3
"""Times that digests are read which are not what was committed, where a store says it may help."""
UNREAD = Layout(1, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
"""Where the features of a shard lie of which nothing but the digests was read."""


def check_digests(store: ShardStore, shard: ShardFile) -> CheckedShard:
    """As `check_shard`, with `UNREAD` as its layout where that saves reading it: whether the
    features are right is not looked at then.

    Raises:
        ShardDamaged: it is missing, or its digests are not what was committed.
        StorageError: the store cannot be reached now.
    """
    if not is_far(store) or not shard.shard_id:
        return check_shard(store, shard)
    stat, place = store.stat_of(shard.name), store.place_of(shard.name)
    _refuse_another_size(shard, stat, place)
    digests = _committed_digests(store, shard, place)
    return CheckedShard(shard, digests, UNREAD, {}, stat, place)


def _refuse_another_size(shard: ShardFile, stat: Stat, place: str) -> None:
    if not stat:
        raise ShardDamaged(f"the shard {place} is missing", hint=AGAIN)
    if stat[0] != shard.size:
        raise ShardDamaged(f"the shard {place} has {stat[0]} bytes, not {shard.size}", hint=AGAIN)


def _committed_digests(store: ShardStore, shard: ShardFile, place: str) -> np.ndarray:
    """Shape (rows, 32), uint8."""
    for _ in range(TRIES):
        digests = _read(store, shard, place)
        if digests is not None and shard_id(shard.feature_key, unpack_digests(digests)) == (
            shard.shard_id
        ):
            return digests
        if not distrust(store, shard.name):
            break
    raise ShardDamaged(f"the shard {place} has other digests than were committed", hint=AGAIN)


def _read(store: ShardStore, shard: ShardFile, place: str) -> np.ndarray | None:
    """The digests as they come; None of what is no shard."""
    known, digests = _Known(shard.size), shard.rows * DIGEST_BYTES
    if digests > CHUNK_BYTES:  # the last chunk is as long as the others
        digests = -(-digests // CHUNK_BYTES) * CHUNK_BYTES
    wanted = [(0, min(shard.size, HEAD + digests))]
    try:
        with store.reader() as reader:
            for _ in range(ROUNDS):
                known.add(reader, shard.name, wanted)
                # Not from within HDF5, which lets one thread at a time do anything.
                found = parse_digests(place, known.opened(), shard.rows)
                wanted = known.missing()
                if not wanted:
                    return found
    except FileNotFoundError:
        raise ShardDamaged(f"the shard {place} is missing", hint=AGAIN) from None
    return None


class _Known:
    """What was read of a file by now."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[tuple[int, bytes]] = []
        self._file = _Parts([], size)

    def add(self, reader: ShardReader, name: str, wanted: Iterable[tuple[int, int]]) -> None:
        """Read ranges: the first byte of each, and how many."""
        for start, count in wanted:
            content = bytearray(count)
            got = reader.read_into(name, start, [memoryview(content)])
            self._parts.append((start, bytes(content[:got]) + bytes(count - got)))

    def opened(self) -> _Parts:
        """A file of it, for one look."""
        self._file = _Parts(self._parts, self._size)
        return self._file

    def missing(self) -> list[tuple[int, int]]:
        """The ranges that the last look wanted besides."""
        blocks = sorted({start // BLOCK for start in self._file.missed})
        return [(at * BLOCK, min(BLOCK, self._size - at * BLOCK)) for at in blocks]


class _Parts(io.RawIOBase):
    """A file of which some parts are known; the rest reads as zeros, and is noted.

    Attributes:
        missed: places at which something was read that is not known.
    """

    def __init__(self, parts: list[tuple[int, bytes]], size: int) -> None:
        self._parts, self._size, self._at = parts, size, 0
        self.missed: list[int] = []

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        target = memoryview(buffer).cast("B")
        stop = min(self._size, self._at + len(target))
        start, place = self._at, self._at
        while place < stop:
            content = self._from(place)[: stop - place]
            if not content:
                self.missed.append(place)
                content = bytes(min(BLOCK - place % BLOCK, stop - place))
            target[place - start : place - start + len(content)] = content
            place += len(content)
        self._at = max(start, stop)
        return self._at - start

    def _from(self, place: int) -> memoryview:
        """What is known from a place on."""
        for start, content in self._parts:
            if start <= place < start + len(content):
                return memoryview(content)[place - start :]
        return memoryview(b"")
