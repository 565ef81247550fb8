"""From sample digests to rows: which shard of a feature set holds which sample.

An index is a list of segments, each sorted by digest. 36 bytes a row: the digest and a row number;
a segment read from its file (`storage.index_files`) is mapped, so that only what is looked at is
in memory; of a large one a range after the other, so that looking for all takes no more memory.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from headstart.storage.keys import DIGEST_BYTES, pack_digests
from headstart.storage.shard_store import Stat
from headstart.storage.shards.format import Layout
from headstart.storage.shards.shard import CheckedShard, ShardFile

ABSENT = -1
LARGE, FEW = 1 << 17, 1 << 12
"""Rows of a mapped segment, 5 MB, that may be in memory at a time; digests that are looked up
together though they touch more."""
TOGETHER = 1 << 15
"""Digests of blocks that are looked up together, 1 MB."""


@dataclass(frozen=True)
class IndexedShard:
    """A shard that was found right.

    Attributes:
        file: as the database has it.
        layout: where its features lie; `storage.shards.digests.UNREAD` where nobody has looked.
        stat: `ShardStore.stat_of` it when it was found right; while that is the same, nobody has
            written to it.
    """

    file: ShardFile
    layout: Layout
    stat: Stat

    @property
    def is_read(self) -> bool:
        """Whether all of it was found right; else only its digests were looked at."""
        return len(self.layout.offsets) > 0


@dataclass(frozen=True)
class Places:
    """Where rows are: `shard` and `row`, both of one length, int32 where no shard has 2^31 rows,
    else int64; `ABSENT` where there is none."""

    shard: np.ndarray
    row: np.ndarray

    @property
    def present(self) -> np.ndarray:
        return self.shard != ABSENT

    def at(self, chosen: np.ndarray) -> Places:
        """Some of them, by number or by mask."""
        return Places(self.shard[chosen], self.row[chosen])


@dataclass(frozen=True)
class Segment:
    """A sorted run over the rows of some shards.

    Attributes:
        shards: the shards; the rows of all of them, one shard after the other, are numbered.
        alive: bool, one a shard: rows of the others count as absent.
        first: the digests' first 8 bytes as big-endian numbers, sorted; uint64, shape (rows,).
        rest: their other 24 bytes; uint64, shape (rows, 3).
        number: the number of each row; where digests are equal, the lower number comes first.
        file: what it was read from and still is the same as; None for one made in memory.
        mapping: in which the arrays lie, where they are mapped.
    """

    shards: tuple[IndexedShard, ...]
    alive: np.ndarray
    first: np.ndarray
    rest: np.ndarray
    number: np.ndarray
    file: Path | None = None
    mapping: mmap.mmap | None = None

    @staticmethod
    def build(shards: Sequence[IndexedShard], digests: Sequence[np.ndarray]) -> Segment:
        """A segment over shards; `digests` has those of each, shape (rows, 32), uint8."""
        words = as_words(np.concatenate([*digests, np.empty((0, DIGEST_BYTES), np.uint8)]))
        order = np.argsort(words[:, 0], kind="stable")
        return Segment(
            tuple(shards),
            np.ones(len(shards), bool),
            words[order, 0],
            words[order, 1:],
            order.astype(_number_type(len(order))),
        )

    @staticmethod
    def merge(segments: Sequence[Segment]) -> Segment:
        """One segment with the living rows of several, earlier segments first."""
        shards: list[IndexedShard] = []
        firsts, rests, numbers = [], [], []
        total = 0
        for segment in segments:
            starts = np.zeros(len(segment.shards), np.int64)  # of each shard in the new numbering
            for place, shard in enumerate(segment.shards):
                if segment.alive[place]:
                    starts[place] = total
                    total += shard.file.rows
                    shards.append(shard)
            shard_of, row = segment.split(segment.number)
            keep = segment.alive[shard_of] if len(segment.shards) else np.zeros(0, bool)
            firsts.append(segment.first[keep])
            rests.append(segment.rest[keep])
            numbers.append((starts[shard_of] + row)[keep])
        first = np.concatenate([*firsts, np.empty(0, np.uint64)])
        order = np.argsort(first, kind="stable")  # finds the sorted runs: a merge, in fact
        rest = np.concatenate([*rests, np.empty((0, 3), np.uint64)])[order]
        number = np.concatenate([*numbers, np.empty(0, np.int64)])[order]
        return Segment(
            tuple(shards),
            np.ones(len(shards), bool),
            first[order],
            rest,
            number.astype(_number_type(total)),
        )

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def _starts(self) -> np.ndarray:
        rows = [shard.file.rows for shard in self.shards]
        return np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)

    def split(self, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers as places of shards in `shards` and rows of those."""
        shard = np.searchsorted(self._starts, number, side="right") - 1
        return shard, number - self._starts[shard]

    def find(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look up digests; `wanted` has four words each, shape (n, 4), sorted by the first.

        Returns:
            Place of the shard in `shards`, `ABSENT` where there is none, and row.
        """
        shard = np.full(len(wanted), ABSENT, np.int64)
        row = np.full(len(wanted), ABSENT, np.int64)
        for part in self._parts(len(wanted)):
            shard[part], row[part] = self._find(wanted[part])
            if self.mapping is not None and len(self) > LARGE:
                _let_go(self.mapping)
        return shard, row

    def _parts(self, count: int) -> Iterator[slice]:
        """Of `count` digests in order, some at a time: those that lie in a range of a large one."""
        is_large = self.mapping is not None and len(self) > LARGE
        size = max(FEW, count * LARGE // len(self)) if is_large else max(1, count)
        return (slice(start, start + size) for start in range(0, count, size))

    def _range_of(self, wanted: np.ndarray) -> tuple[int, int]:
        """The rows among which digests in order can be."""
        if not len(wanted):
            return 0, 0
        low = np.searchsorted(self.first, wanted[0, 0], side="left")
        return int(low), int(np.searchsorted(self.first, wanted[-1, 0], side="right"))

    def _find(self, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = self._range_of(wanted)  # outside of it nothing is read
        if low == high:
            return np.full(len(wanted), ABSENT, np.int64), np.full(len(wanted), ABSENT, np.int64)
        place = np.searchsorted(self.first[low:high], wanted[:, 0], side="left") + low
        np.minimum(place, high - 1, out=place)  # where all are smaller, none is the same
        shard, row, is_hit = self._match(place, wanted)
        if is_hit.all():
            return shard, row
        shard[~is_hit], row[~is_hit] = ABSENT, ABSENT
        # Rows that share the first 8 bytes lie side by side: step on until none can match.
        open_ = np.flatnonzero(~is_hit & (self.first[place] == wanted[:, 0]))
        while len(open_):
            place[open_] += 1
            open_ = open_[place[open_] < high]
            open_ = open_[self.first[place[open_]] == wanted[open_, 0]]
            hit_shard, hit_row, equal = self._match(place[open_], wanted[open_])
            shard[open_[equal]], row[open_[equal]] = hit_shard[equal], hit_row[equal]
            open_ = open_[~equal]
        return shard, row

    def _match(
        self, place: np.ndarray, wanted: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which rows of which shards stand in some places, and whether each is the one wanted."""
        shard, row = self.split(self.number[place].astype(np.int64))
        rest = self.rest[place]
        is_same = (self.first[place] == wanted[:, 0]) & self.alive[shard]
        for word in range(rest.shape[1]):  # each by itself, in half the time of all at once
            is_same &= rest[:, word] == wanted[:, word + 1]
        return shard, row, is_same


def _let_go(mapping: mmap.mmap) -> None:
    """Take what was looked at of a mapped file out of this process's memory; it is read again
    where it is looked at again."""
    if hasattr(mapping, "madvise"):  # not on Windows
        mapping.madvise(mmap.MADV_DONTNEED)


class Index:
    """An index over the digests of some shards of one feature set; it never changes.

    Where two shards hold the same sample, the one that comes first counts.
    """

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        self.segments = tuple(segment for segment in segments if len(segment.shards))
        self.shards = tuple(shard for segment in self.segments for shard in segment.shards)

    @staticmethod
    def of(shards: Sequence[CheckedShard]) -> Index:
        """An index over shards; their files are as they were when they were written or checked."""
        indexed = [IndexedShard(shard.file, shard.layout, shard.stat) for shard in shards]
        return Index([Segment.build(indexed, [shard.digests for shard in shards])])

    def with_added(self, other: Index) -> Index:
        """Both, this one first; many small segments at the end become one."""
        segments = [*self.segments, *other.segments]
        while len(segments) > 1 and len(segments[-1]) * 2 >= len(segments[-2]):
            segments[-2:] = [Segment.merge(segments[-2:])]
        return Index(segments)

    def __len__(self) -> int:
        """Rows, in shards that count."""
        return sum(
            shard.file.rows
            for segment in self.segments
            for shard, alive in zip(segment.shards, segment.alive, strict=True)
            if alive
        )

    @cached_property
    def living(self) -> tuple[IndexedShard, ...]:
        """The shards that count."""
        alive = [alive for segment in self.segments for alive in segment.alive]
        return tuple(shard for shard, lives in zip(self.shards, alive, strict=True) if lives)

    def find(self, digests: list[str]) -> Places:
        """Look up digests (hex); one place each, in their order."""
        return self.find_packed(pack_digests(digests))

    def find_blocks(self, blocks: Iterable[np.ndarray]) -> Places:
        """As `find_packed`, of digests in blocks: what is sorted and compared is never all."""
        found = [self.find_packed(digests) for digests in _together(blocks)]
        empty = [np.empty(0, self._place_type)]
        shards, rows = [one.shard for one in found], [one.row for one in found]
        return Places(np.concatenate(empty + shards), np.concatenate(empty + rows))

    def find_absent(self, blocks: Iterable[np.ndarray]) -> np.ndarray:
        """The numbers of those digests in blocks for which there is no row, int64."""
        found, start = [np.empty(0, np.int64)], 0
        for digests in _together(blocks):
            found.append(np.flatnonzero(~self.find_packed(digests).present) + start)
            start += len(digests)
        return np.concatenate(found)

    @cached_property
    def _place_type(self) -> type[np.signedinteger]:
        counts = [len(self.shards), *(shard.file.rows for shard in self.shards)]
        return np.int32 if max(counts) < 2**31 else np.int64

    def find_packed(self, digests: np.ndarray) -> Places:
        """Look up digests, shape (n, 32), uint8; one place each, in their order."""
        words = as_words(digests)
        order = np.argsort(np.ascontiguousarray(words[:, 0]))  # sorted lookups stay in the cache
        words = words.take(order, axis=0)
        shard = np.full(len(words), ABSENT, np.int64)
        row = np.full(len(words), ABSENT, np.int64)
        open_ = np.arange(len(words))
        before = 0
        for segment in self.segments:
            some = words if len(open_) == len(words) else words[open_]
            found_shard, found_row = segment.find(some)
            hit = found_shard != ABSENT
            shard[open_[hit]] = found_shard[hit] + before
            row[open_[hit]] = found_row[hit]
            open_ = open_[~hit]
            before += len(segment.shards)
        places = Places(*(np.empty(len(words), self._place_type) for _ in range(2)))
        places.shard[order], places.row[order] = shard, row
        return places


def _together(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Small blocks of digests as larger ones: what is looked up together reads a segment once."""
    waiting, count = list[np.ndarray](), 0
    for digests in blocks:
        waiting.append(digests)
        count += len(digests)
        if count >= TOGETHER:
            yield np.concatenate(waiting)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting)


def as_words(digests: np.ndarray) -> np.ndarray:
    """Digests as four big-endian 64-bit words each, shape (n, 4)."""
    return np.ascontiguousarray(digests).view(">u8").astype(np.uint64)


def _number_type(rows: int) -> type[np.unsignedinteger]:
    return np.uint32 if rows < 2**32 else np.uint64
