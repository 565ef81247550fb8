"""Reading rows by their places, straight into the caller's array: a chunk is checked when a row of
it is first asked for, and as a whole; from then on its rows can be read by themselves, from the
mapped shard where the store can map one (`take`)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xxhash

from headstart.errors import ShardDamaged, StorageError
from headstart.storage.encoding import ChunkDecoder, Encoding
from headstart.storage.index import Index, IndexedShard, Places
from headstart.storage.mapped_rows import AROUND, Mapped, MappedRows
from headstart.storage.shard_store import (
    ShardReader,
    ShardStore,
    announce,
    distrust,
    expect,
    is_far,
    read_each,
)
from headstart.storage.shards.format import AGAIN
from headstart.storage.shards.row_groups import Group, Scratch, parts_of, starts_of
from headstart.storage.shards.shard import ShardFile

CACHE_BYTES = 64 << 20
"""Of the chunks read last in part, so many bytes are kept."""
THREADS = 2
LARGE = 32 << 20
"""From so many bytes on, a read is shared among threads."""
CALL_BYTES = 16 << 10
"""So many bytes of a chunk are read and checked in the time that it takes to ask for a row."""
FEW_BYTES = 8 << 20
FEW_ROWS = 8192
"""A read of more is taken for part of a pass through all rows, which is made chunk by chunk."""
WIDE_BYTES = 512
"""Rows from so many bytes on are copied one by one in a pass; of others whole chunks are read."""
TRIES = 3
"""Times that a chunk is read which is not what was committed, where a store says it may help."""
NOT_COMMITTED = "a chunk of it is not what was committed"


class Copier(NamedTuple):
    """Copies rows in any order from where they lie.

    Attributes:
        has: whether the chunks of the rows at some places were found right before.
        copied: those rows; None where they were not, or somebody wrote to a shard since.
    """

    has: Callable[[Places], bool]
    copied: Callable[[Places], np.ndarray | None]


class RowReader:
    """Rows of the shards of an index, by place; may be used by several threads.

    Args:
        store: where the shards are.
        index: the shards.
        encoding: how their numbers lie.
        shape: of one row.
        on_damage: told of a shard in which a chunk is not what was committed.
    """

    def __init__(
        self,
        store: ShardStore,
        index: Index,
        encoding: Encoding,
        shape: tuple[int, ...],
        on_damage: Callable[[ShardFile], None] | None = None,
    ) -> None:
        self._store = store
        self.encoding = encoding
        self.shape = shape
        self.dtype = np.dtype(encoding.dtype)
        self.row_bytes = int(np.prod(shape, dtype=np.int64)) * self.dtype.itemsize
        self._shards = index.shards
        self._chunk_rows = np.array([s.layout.chunk_rows for s in self._shards], np.int64)
        counts = [len(shard.layout.offsets) for shard in self._shards]
        self._first_chunk = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._shard_of = np.repeat(np.arange(len(counts)), counts)
        rows = np.array([shard.file.rows for shard in self._shards], np.int64)
        self._first_row = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        # Of each chunk: its first row, rows in it, and where row 0 of its shard would lie if those
        # before it lay as its own do, so that a row's place is that and its number times its bytes.
        place = np.arange(len(self._shard_of)) - self._first_chunk[self._shard_of]
        self._first = place * self._chunk_rows[self._shard_of]
        left = rows[self._shard_of] - self._first
        self._held = np.minimum(self._chunk_rows[self._shard_of], left)
        offsets = [np.empty(0, np.int64), *(shard.layout.offsets for shard in self._shards)]
        self._most = max(
            (int(shard.layout.sizes.max(initial=0)) for shard in self._shards), default=0
        )
        self._base = np.concatenate(offsets).astype(np.int64) - self._first * self.row_bytes
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, np.ndarray] = OrderedDict()
        self._decoders: dict[int, ChunkDecoder] = {}
        self._is_right = np.zeros(int(self._first_chunk[-1]), bool)
        self._are_all_right = False
        nothing = Mapped(self._first_chunk, self._base)
        self._mapped = MappedRows(store, self._shards, self.row_bytes, nothing)
        self._is_far = is_far(store)

    def chunk_of(self, places: Places) -> np.ndarray:
        """The number of the chunk that holds each row, over all shards; int64."""
        return self._first_chunk[places.shard] + places.row // self._chunk_rows[places.shard]

    def take(self, places: Places) -> np.ndarray:
        """The rows at n places, shape (n, *row shape); see `read`.

        A few whose chunks were found right are copied from where they lie, if the store can map
        them and nobody has written to their shards since.
        """
        found = self._take_mapped(places)
        if found is None:
            found = np.empty((len(places.row), *self.shape), self.dtype)
            self.read(places, found)
        return found

    def _take_mapped(self, places: Places) -> np.ndarray | None:
        count = len(places.row)
        are_few = count <= FEW_ROWS and 0 < count * self.row_bytes <= FEW_BYTES
        if not are_few or not self._mapped.are_there:
            return None
        return self._copied(places)

    def copier(self) -> Copier | None:
        """For a pass through many rows. None where rows are narrow, or shards come from afar or may
        not stay in memory, where they were checked."""
        is_wide = self.row_bytes >= WIDE_BYTES
        is_there = is_wide and not self._is_far and self._mapped.are_there
        if not is_there or not self._is_right.any() or not self._mapped.stay:
            return None
        return Copier(self._has, partial(self._copied, around=0))

    def _has(self, places: Places) -> bool:
        """Whether all chunks of rows were found right."""
        self._are_all_right = self._are_all_right or bool(self._is_right.all())
        return self._are_all_right or bool(self._is_right[self.chunk_of(places)].all())

    def _copied(self, places: Places, around: int = AROUND) -> np.ndarray | None:
        if not self._has(places):
            return None
        rows = self._mapped.take(places, self.chunk_of, around)
        return None if rows is None else rows.view(self.dtype).reshape(len(rows), *self.shape)

    def read(self, places: Places, out: np.ndarray) -> None:
        """Fill `out`, shape (n, *row shape), with the rows at n places.

        Raises:
            ShardDamaged: a chunk is not what was committed; what is in `out` must not be used.
            StorageError: the store cannot be reached now; likewise.
        """
        targets = np.arange(len(places.row))
        chunk, row = self.chunk_of(places), places.row.astype(np.int64, copy=False)
        if (chunk[1:] < chunk[:-1]).any():
            targets = np.argsort(self._first_row[places.shard] + row)
            chunk, row = chunk[targets], row[targets]
        if out.flags.c_contiguous and out.nbytes and self._is_right.any() and not self._is_far:
            left = ~self._read_single(chunk, row, targets, out)
            if not left.any():
                return
            chunk, row, targets = chunk[left], row[left], targets[left]
        groups = self._groups(chunk, row, targets)

        is_plain = self.encoding.is_plain and out.flags.c_contiguous and out.nbytes > 0

        def work(part: list[Group]) -> None:
            scratch = Scratch(self._most)
            with self._store.reader() as reader:
                if self._is_far:
                    announce(reader, self._ranges(part))
                for group in part:
                    here = slice(group.start, group.stop)
                    own = targets[here], row[here], out
                    # What came from afar is kept: the next window may take the rest of a chunk.
                    if is_plain and group.has_most and not (group.is_whole or self._is_far):
                        self._read_most(reader, group, *own, scratch)
                    else:
                        self._read_group(reader, group, *own)

        if out.nbytes < LARGE or not groups:  # all may have been read by themselves
            work(groups)
        else:
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(work, parts_of(groups, THREADS)))

    def expect(self, places: Places) -> None:
        """Say that the rows at some places are going to be read, in a pass of many reads."""
        if self._is_far and len(places.shard):
            rows = np.bincount(places.shard, minlength=len(self._shards))
            chunks = np.bincount(self._shard_of[np.unique(self.chunk_of(places))])
            wanted = [
                (shard.file.name, int(count * shard.layout.sizes.mean()), shard.file.size)
                for shard, count, some in zip(self._shards, chunks, rows, strict=False)
                if some
            ]
            expect(self._store, wanted)

    def _ranges(self, groups: Sequence[Group]) -> list[tuple[str, int, int]]:
        """The chunks that groups are read from: name of the shard, offset, bytes."""
        wanted = []
        for group in groups:
            if group.chunk not in self._cache:
                shard = self._shards[group.shard]
                offset, size = shard.layout.offsets[group.place], shard.layout.sizes[group.place]
                wanted.append((shard.file.name, int(offset), int(size)))
        return wanted

    def _read_single(
        self, chunk: np.ndarray, row: np.ndarray, targets: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """Read rows by themselves whose chunk was found right and is stored as it is served, where
        that costs less than the chunk; gives which they are, bool, (n,).

        A shard that somebody has written to since is left to those who check.
        """
        starts = starts_of(chunk)
        counts = np.diff(np.append(starts, len(chunk)))
        different = chunk[starts]
        is_cheap = counts * (CALL_BYTES + self.row_bytes) < self._held[different] * self.row_bytes
        is_single = np.repeat(self._is_right[different] & is_cheap, counts)
        chosen = np.flatnonzero(is_single)
        shard = self._shard_of[chunk[chosen]]
        offsets = self._base[chunk[chosen]] + row[chosen] * self.row_bytes
        with self._store.reader() as reader:
            for start, stop in pairwise([*starts_of(shard).tolist(), len(shard)]):
                own, here = self._shards[int(shard[start])], chosen[start:stop]
                if not self._is_written(own):
                    self._ask(reader, own, offsets[start:stop], targets[here], out)
                if self._is_written(own):  # or while it was read
                    is_single[here] = False
        return is_single

    def _ask(
        self,
        reader: ShardReader,
        shard: IndexedShard,
        offsets: np.ndarray,
        targets: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Rows at some places of a shard into those of `out`, with a call for each."""
        size, content = self.row_bytes, out.reshape(-1).view(np.uint8).data
        parts = [content[begin : begin + size] for begin in (targets * size).tolist()]
        ask = partial(read_each, reader)
        got = self._asked(shard, ask, shard.file.name, offsets.tolist(), parts)
        if got != size * len(parts):
            raise self._damaged(shard, NOT_COMMITTED)

    def _groups(self, chunk: np.ndarray, row: np.ndarray, targets: np.ndarray) -> list[Group]:
        """Rows that lie in one chunk, as ranges of the arrays given, which are sorted by chunk."""
        if not len(chunk):
            return []
        starts = starts_of(chunk)
        stops = np.concatenate([starts[1:], [len(chunk)]])
        shard = self._shard_of[chunk[starts]]
        place = chunk[starts] - self._first_chunk[shard]
        first, held = self._first[chunk[starts]], self._held[chunk[starts]]
        # A chunk is whole where each row follows the one before, in the file and in the array.
        jumps = np.concatenate([[0], np.cumsum((np.diff(row) != 1) | (np.diff(targets) != 1))])
        is_whole = (stops - starts == held) & (jumps[starts] == jumps[stops - 1])
        columns = (starts, stops, shard, place, first, held, is_whole, chunk[starts])
        return [Group(*values) for values in zip(*(c.tolist() for c in columns), strict=True)]

    def _read_group(
        self,
        reader: ShardReader,
        group: Group,
        targets: np.ndarray,
        row: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Rows of one chunk: `row` of its shard into `targets` of `out`."""
        shard = self._shards[group.shard]
        if group.is_whole and self.encoding.is_plain and out.flags.c_contiguous:
            self._read_into(reader, shard, group.place, out[targets[0] : targets[0] + group.held])
            self._is_right[group.chunk] = True
            return
        content = self._cache.get(group.chunk)
        if content is None:
            content = self._decode(reader, shard, group.place)[: group.held]
        if group.is_whole:
            out[targets[0] : targets[0] + group.held] = content
        else:
            self._is_right[group.chunk] = self.encoding.is_plain
            self._keep(group.chunk, content)
            out[targets] = content[row - group.first]

    def _read_most(
        self,
        reader: ShardReader,
        group: Group,
        targets: np.ndarray,
        row: np.ndarray,
        out: np.ndarray,
        scratch: Scratch,
    ) -> None:
        """Most rows of a chunk into `targets` of `out`, by way of memory that the next one may use
        again."""
        shard, kind = self._shards[group.shard], np.dtype((np.void, self.row_bytes))
        rows = out.reshape(len(out), -1).view(kind)[:, 0]
        offset, size = (
            int(each[group.place]) for each in (shard.layout.offsets, shard.layout.sizes)
        )
        content = scratch.of(offset, size)
        self._fill(reader, shard, group.place, content)
        self._is_right[group.chunk] = True
        held = np.frombuffer(content, kind, group.held)
        has_all = len(row) == group.held and (np.diff(row) == 1).all()
        rows[targets] = held if has_all else held[row - group.first]

    def _is_written(self, shard: IndexedShard) -> bool:
        """Whether somebody has written to a shard since it was checked as a whole."""
        return self._store.stat_of(shard.file.name) != shard.stat

    def _read_into(
        self, reader: ShardReader, shard: IndexedShard, at: int, target: np.ndarray
    ) -> None:
        """A chunk whose bytes are the rows themselves (and HDF5's checksum behind them)."""
        content = target.reshape(-1).view(np.uint8).data
        tail = bytearray(int(shard.layout.sizes[at]) - len(content))
        self._fill(reader, shard, at, content, memoryview(tail))

    def _decode(self, reader: ShardReader, shard: IndexedShard, at: int) -> np.ndarray:
        """A chunk's rows as they are served; rows behind the shard's end are zeros."""
        raw = bytearray(int(shard.layout.sizes[at]))
        self._fill(reader, shard, at, memoryview(raw))
        chunk_rows = shard.layout.chunk_rows
        if self.encoding.is_plain:
            count = chunk_rows * int(np.prod(self.shape, dtype=np.int64))
            return np.frombuffer(raw, self.dtype, count).reshape(chunk_rows, *self.shape)
        return self.encoding.decode(self._decoder(chunk_rows).decode(bytes(raw)))

    def _fill(self, reader: ShardReader, shard: IndexedShard, at: int, *parts: memoryview) -> None:
        """Read a chunk's bytes into memory, and check them there."""
        for _ in range(TRIES):
            got = self._read_at(reader, shard, at, *parts)
            checksum = xxhash.xxh3_64(parts[0])
            for part in parts[1:]:
                checksum.update(part)
            is_whole = got == sum(map(len, parts))
            if is_whole and checksum.intdigest() == int(shard.layout.checksums[at]):
                return
            if not distrust(self._store, shard.file.name):
                break
        raise self._damaged(shard, NOT_COMMITTED)

    def _read_at(
        self, reader: ShardReader, shard: IndexedShard, at: int, *parts: memoryview
    ) -> int:
        """Read a chunk's bytes into memory; gives how many there were."""
        offset = int(shard.layout.offsets[at])
        return self._asked(shard, reader.read_into, shard.file.name, offset, parts)

    def _asked(self, shard: IndexedShard, what: Callable[..., int], *arguments: Any) -> int:
        """What a reader gives; where the shard cannot be read, it is damaged."""
        try:
            return what(*arguments)
        except StorageError:  # says nothing of the shard
            raise
        except OSError as error:
            raise self._damaged(shard, error.strerror or str(error)) from error

    def _decoder(self, chunk_rows: int) -> ChunkDecoder:
        with self._lock:
            if chunk_rows not in self._decoders:
                shape = (chunk_rows, *self.shape)
                self._decoders[chunk_rows] = ChunkDecoder(self.encoding, shape)
            return self._decoders[chunk_rows]

    def _keep(self, chunk: int, content: np.ndarray) -> None:
        with self._lock:
            self._cache[chunk] = content
            self._cache.move_to_end(chunk)
            while len(self._cache) > 1 and self._kept() > CACHE_BYTES:
                self._cache.popitem(last=False)

    def _kept(self) -> int:
        return sum(content.nbytes for content in self._cache.values())

    def _damaged(self, shard: IndexedShard, what: str) -> ShardDamaged:
        if self._on_damage is not None:
            self._on_damage(shard.file)
        place = self._store.place_of(shard.file.name)
        return ShardDamaged(f"the shard {place} is damaged: {what}", hint=AGAIN)
