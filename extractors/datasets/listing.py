"""What a source lists, in columns: a block of entries at a time, so that no list of all is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice

import numpy as np

from headstart.errors import DatasetError
from headstart.extractors.datasets.places import is_far
from headstart.extractors.datasets.remote.ahead import READERS
from headstart.extractors.datasets.rows import EITHER, Grouping, Skipping, is_utf8
from headstart.extractors.datasets.source import DatasetSource, Entry
from headstart.progress import Progress
from headstart.storage.columns.arrays import digests_array
from headstart.storage.columns.block import Block, Lists
from headstart.storage.columns.comparison import same_places, same_stats
from headstart.storage.columns.finder import ABSENT, LocationFinder, hashes_of
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.keys import DIGEST_BYTES, pack_digests
from headstart.storage.manifest import Manifest
from headstart.storage.samples import SPLITS

DIGESTING_THREADS = 4
BLOCK = 8192
"""Entries that are looked at together."""
SAYINGS = (*SPLITS, EITHER, None)
"""What a source may say of a sample's split; `Listing.said` holds places in it."""
OPEN = SAYINGS.index(None)
NEW = 64
"""Samples that are new, or gone, one behind the other, before a place is looked for among all."""


@dataclass(frozen=True)
class Listing:
    """Samples that have no splits yet.

    Attributes:
        columns: all but their splits.
        said: places in `SAYINGS`, int8, shape (n,).
        id_hashes: of the ids, int64, shape (n,).
    """

    columns: SampleColumns
    said: np.ndarray
    id_hashes: np.ndarray

    def with_splits(self, codes: np.ndarray) -> SampleColumns:
        """The samples in splits; `codes` are places in `SPLITS`, int8."""
        return self.columns.with_splits(codes)

    @property
    def is_own(self) -> np.ndarray:
        """Of which samples the source says the split, bool."""
        return self.said < len(SPLITS)


@dataclass(frozen=True)
class _Part:
    """A block of the listing on its way: of which some digests are not known yet, and of ids the
    hashes."""

    block: Block
    said: np.ndarray
    ids: np.ndarray
    digests: np.ndarray
    is_known: np.ndarray


def listed(
    source: DatasetSource,
    grouping: Grouping,
    previous: Manifest | None,
    progress: Progress,
    skipping: Skipping,
) -> Listing:
    """All that a source lists, with digests; only what changed is digested, on several threads.

    Args:
        source: opened.
        grouping: finds the groups of samples of which the source says none.
        previous: what was known of it.
        progress: called with (samples digested, samples in all).
        skipping: of samples that cannot be read.
    """
    known = _Known(previous)
    entries = iter(source.scan())
    parts: list[_Part] = []
    while some := list(islice(entries, BLOCK)):
        parts.append(_part(some, source.source, grouping, known))
    _digest(source, parts, progress, skipping)
    kept = [_kept(part) for part in parts]
    columns = SampleColumns(source.source, [part.block for part in kept if len(part.block)])
    said = np.concatenate([*(part.said for part in kept), np.empty(0, np.int8)])
    return Listing(columns, said, np.concatenate([*(p.ids for p in kept), np.empty(0, np.int64)]))


def _part(some: Sequence[Entry], place: str, grouping: Grouping, known: _Known) -> _Part:
    ids, locations, stats, labels, splits, groups, digests, weights = map(
        list, zip(*some, strict=True)
    )
    groups = grouping.filled(ids, groups)
    _check_texts(place, ids, set(labels), set(groups), locations)
    stats = [tuple(stat) for stat in stats]
    lists = Lists(ids, None, labels, [], locations, stats, groups, weights)
    _check_splits(some, splits, place)
    said = np.fromiter(map(SAYINGS.index, splits), np.int8, len(some))
    packed = np.zeros((len(some), DIGEST_BYTES), np.uint8)
    has_digest = np.zeros(len(some), bool)
    if digests.count(None) < len(some):
        has_digest = np.array([digest is not None for digest in digests], bool)
        packed[has_digest] = _packed([one for one in digests if one is not None], place)
    part = _Part(Block.of(lists, place), said, hashes_of([ids]), packed, has_digest)
    if not has_digest.all():
        known.recall(part)
    return part


def _check_splits(some: Sequence[Entry], splits: list[str | None], place: str) -> None:
    if odd := set(splits) - set(SAYINGS):
        entry = next(entry for entry in some if entry.split in odd)
        raise DatasetError(
            f"{place}: {entry.id!r} is said to be of split {entry.split!r}",
            hint=f"The splits are {', '.join(SPLITS)}.",
        )


class _Known:
    """Finds the digests of samples that are as they were."""

    def __init__(self, previous: Manifest | None) -> None:
        self._columns = None if previous is None else previous.columns
        self._next = 0
        """The row of before behind that of the last sample that was found."""

    def recall(self, part: _Part) -> None:
        """Fill in the digests of a part's samples whose location and `stat` are as they were."""
        if self._columns is None:
            return
        rows = self._rows(part.block)
        rows[part.is_known] = ABSENT
        there = np.flatnonzero(rows != ABSENT)
        before = self._columns.take(rows[there]).window(0, len(there))
        hit = same_stats(part.block.take(there), before)
        part.digests[there[hit]] = before.digests[hit]
        part.is_known[there[hit]] = True

    def _rows(self, block: Block) -> np.ndarray:
        """Where samples were that lie where a block's do; int64, `ABSENT` where they are new.

        A source lists nearly all of them in the order of before: each is first looked for behind
        the last one, and only what is not there among all.
        """
        assert self._columns is not None
        found = np.full(len(block), ABSENT, np.int64)
        end = min(len(self._columns), self._next + len(block) + NEW)
        was = self._columns.window(self._next, end)
        number = row = 0
        for _ in range(NEW):
            run = _same(block, number, was, row)
            found[number : number + run] = np.arange(run) + self._next + row
            number, row = number + run, row + run
            step = _step(block, number, was, row)
            if step is None:
                break
            number, row = number + step[0], row + step[1]
        left = np.flatnonzero(found == ABSENT)
        if len(left):
            found[left] = self._finder.find(block.take(left).locations)
        there = found[found != ABSENT]
        self._next = int(there[-1]) + 1 if len(there) else self._next + row
        return found

    @cached_property
    def _finder(self) -> LocationFinder:
        """Made where a sample is new, or stood elsewhere."""
        assert self._columns is not None
        return LocationFinder(self._columns)


def _digest(
    source: DatasetSource, parts: list[_Part], progress: Progress, skipping: Skipping
) -> None:
    """Fill in the digests that are not known; a sample that is skipped stays without."""
    total = sum(len(part.block) for part in parts)
    done = sum(int(part.is_known.sum()) for part in parts)
    for part in parts:
        missing = np.flatnonzero(~part.is_known)
        places = part.block.take(missing).locations if len(missing) else []
        threads = READERS if any(map(is_far, places)) else DIGESTING_THREADS
        with ThreadPoolExecutor(threads) as pool:
            found = pool.map(lambda place: skipping.of(partial(source.digest, place)), places)
            for number, digest in zip(missing.tolist(), found, strict=True):
                if digest is not None:
                    part.digests[number] = _packed([digest], source.source)[0]
                    part.is_known[number] = True
                progress(done := done + 1, total)


def _same(block: Block, number: int, was: Block, row: int) -> int:
    """How many samples lie in the same places, from one on in each of two blocks."""
    length = min(len(block) - number, len(was) - row)
    own, its = block.slice(number, number + length), was.slice(row, row + length)
    others = np.flatnonzero(~same_places(own, its))
    return int(others[0]) if len(others) else length


def _step(block: Block, number: int, was: Block, row: int) -> tuple[int, int] | None:
    """How many new samples, or rows that are gone, have to be passed over for the two to be the
    same again; None if more than `NEW`, or nothing is left."""
    if number == len(block) or row == len(was):
        return None
    places = block.slice(number, number + NEW + 1).locations
    rows = was.slice(row, row + NEW + 1).locations
    for count in range(1, NEW + 1):
        if places[count : count + 1] == rows[:1]:
            return count, 0
        if places[:1] == rows[count : count + 1]:
            return 0, count
    return None


def _kept(part: _Part) -> _Part:
    """A part with its digests, without what was skipped."""
    block = part.block.with_columns(digest=digests_array(part.digests))
    if part.is_known.all():
        return replace(part, block=block)
    rows = np.flatnonzero(part.is_known)
    return replace(part, block=block.take(rows), said=part.said[rows], ids=part.ids[rows])


def _packed(digests: list[str], place: str) -> np.ndarray:
    try:
        return pack_digests(digests)
    except ValueError:
        odd = next(one for one in digests if not _is_digest(one))
        raise DatasetError(f"{place}: the digest {odd[:80]!r} is no sha256 in hex") from None


def _is_digest(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == DIGEST_BYTES
    except ValueError:
        return False


def _check_texts(place: str, *columns: Collection[object]) -> None:
    """See that all names can be written as UTF-8: bytes of a file name may be no text at all."""
    if all(map(_is_utf8, columns)):
        return
    text = next(text for text in _texts(columns) if not is_utf8(text))
    raise DatasetError(
        f"{place}: the name {text} is not UTF-8",
        hint="Rename the file, or fix the row; `convmv` renames whole folders.",
    )


def _is_utf8(column: Collection[object]) -> bool:
    """Whether all texts of a column can be written; joined, as one by one takes five times as
    long."""
    try:
        return is_utf8("".join(column))  # pyright: ignore[reportArgumentType, reportCallIssue]
    except TypeError:  # there are others among them
        return is_utf8("".join(one for one in column if isinstance(one, str)))


def _texts(lists: Iterable[Iterable[object]]) -> Iterator[str]:
    return (text for some in lists for text in some if isinstance(text, str))
