"""The samples of a dataset, or some of them, in order: a sequence over columns.

A `Sample` is made when one is asked for. Whoever goes through all of them asks for a column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, overload

import numpy as np

from headstart.storage.columns.arrays import splits_array
from headstart.storage.columns.block import Block, Lists
from headstart.storage.keys import DIGEST_BYTES, pack_digests
from headstart.storage.samples import SPLITS, Label, Sample

LARGEST_BLOCK = 1 << 16
"""Samples of a block that is made in memory, and that are looked at together."""
DIGESTS = 1 << 14
"""Samples whose digests alone are gathered together."""


class SampleColumns(Sequence[Sample]):
    """Samples in columns; equal to any sequence of the same samples.

    Args:
        source: of the dataset.
        blocks: the samples; each is asked for when one of its samples is.
        counts: samples in each block.
        rows: the numbers of those meant, int64; all of them without it.
    """

    def __init__(
        self,
        source: str,
        blocks: Sequence[Block],
        counts: Sequence[int] | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self.source = source
        self._blocks = blocks
        self._counts = [len(block) for block in blocks] if counts is None else list(counts)
        self._starts = np.array([0, *accumulate(self._counts)], np.int64)
        self._rows = rows

    @classmethod
    def of(cls, samples: Iterable[Sample], source: str = "") -> SampleColumns:
        """The columns of samples; themselves, if they are in columns."""
        if isinstance(samples, SampleColumns):
            return samples
        listed = list(samples)
        blocks = [
            Block.of(Lists.of(listed[start : start + LARGEST_BLOCK]), source)
            for start in range(0, len(listed), LARGEST_BLOCK)
        ]
        return cls(source, blocks)

    def __reduce__(self) -> tuple[type[SampleColumns], tuple[str, list[Block]]]:
        return SampleColumns, (self.source, list(self.blocks()))

    def __len__(self) -> int:
        return int(self._starts[-1]) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> SampleColumns: ...
    def __getitem__(self, place: int | slice) -> Sample | SampleColumns:
        if isinstance(place, slice):
            meant = range(len(self))[place]
            return self.take(np.arange(meant.start, meant.stop, meant.step))
        row = range(len(self))[place]
        (found,) = self.window(row, row + 1).samples()
        return found

    def __iter__(self) -> Iterator[Sample]:
        for block in self.blocks():
            yield from block.samples()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        if len(self) != len(other):
            return False
        if not isinstance(other, SampleColumns):
            return all(one == another for one, another in zip(self, other, strict=True))
        if self is other or (self._blocks is other._blocks and self._rows is other._rows):
            return True
        start = 0
        for block in self.blocks():
            if not block.is_same(other.window(start, start + len(block))):
                return False
            start += len(block)
        return True

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # as a list

    def __repr__(self) -> str:
        return f"{len(self):,} samples"

    def take(self, rows: np.ndarray) -> SampleColumns:
        """Some of the samples, by their numbers, in that order; nothing is copied."""
        rows = np.asarray(rows, np.int64)
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(rows))):
            return self
        meant = rows if self._rows is None else self._rows[rows]
        return SampleColumns(self.source, self._blocks, self._counts, meant)

    def where(self, is_meant: np.ndarray) -> SampleColumns:
        """The samples for which a bool stands in an array of their length."""
        return self if is_meant.all() else self.take(np.flatnonzero(is_meant))

    def of_split(self, split: str) -> SampleColumns:
        """The samples of one split."""
        return self.where(self.split_codes == SPLITS.index(split))

    def with_splits(self, codes: np.ndarray) -> SampleColumns:
        """The same samples in other splits; `codes` are places in `SPLITS`, int8, shape (n,)."""
        blocks, start = [], 0
        for block in self.blocks():
            own = splits_array(codes[start : start + len(block)])
            blocks.append(block.with_columns(split=own))
            start += len(block)
        return SampleColumns(self.source, blocks)

    def without_weights(self) -> SampleColumns:
        """The same samples, of which all count alike."""
        if not self.has_weights:
            return self
        return SampleColumns(self.source, [block.without("weight") for block in self.blocks()])

    def blocks(self) -> Iterator[Block]:
        """The samples in blocks of at most `LARGEST_BLOCK`, in order."""
        if self._rows is None:
            for block in self._blocks:
                for start in range(0, len(block), LARGEST_BLOCK):
                    yield block.slice(start, start + LARGEST_BLOCK)
            return
        for start in range(0, len(self._rows), LARGEST_BLOCK):
            yield self._gathered(self._rows[start : start + LARGEST_BLOCK])

    def digest_blocks(self) -> Iterator[np.ndarray]:
        """The digests of the samples in order, uint8, some at a time, shape (n, 32)."""
        if self._rows is None:
            yield from (block.digests for block in self.blocks())
            return
        for start in range(0, len(self._rows), DIGESTS):
            rows = self._rows[start : start + DIGESTS]
            yield SampleColumns(self.source, self._blocks, self._counts, rows).digests

    def pieces(self) -> Iterator[SampleColumns]:
        """The samples in `blocks`, each as columns of its own."""
        return (SampleColumns(self.source, [block]) for block in self.blocks())

    def window(self, start: int, stop: int) -> Block:
        """The samples from one number to below another, as one block."""
        if self._rows is not None:
            return self._gathered(self._rows[start:stop])
        first = int(np.searchsorted(self._starts, start, side="right")) - 1
        parts = []
        while start < stop:
            before = int(self._starts[first])
            end = min(stop, int(self._starts[first + 1]))
            parts.append(self._blocks[first].slice(start - before, end - before))
            start, first = end, first + 1
        return Block.joined(parts, self.source) if parts else Block.of(Lists(), self.source)

    def _gathered(self, rows: np.ndarray) -> Block:
        """Some samples by their numbers among all, as one block."""
        if not len(rows):
            return Block.of(Lists(), self.source)
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        places = np.searchsorted(self._starts, ascending, side="right") - 1
        parts = []
        for place in np.flatnonzero(np.bincount(places)).tolist():
            own = ascending[places == place] - self._starts[place]
            block = self._blocks[place]
            is_run = own[-1] - own[0] == len(own) - 1 and (np.diff(own) == 1).all()
            first = int(own[0])
            parts.append(block.slice(first, first + len(own)) if is_run else block.take(own))
        joined = Block.joined(parts, self.source)
        if np.array_equal(order, np.arange(len(order))):
            return joined
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return joined.take(back)

    def _numbers(
        self, of: Callable[[Block], np.ndarray], dtype: Any, width: tuple[int, ...] = ()
    ) -> np.ndarray:
        """A column of numbers of all samples, (n, *width); the other columns are left alone."""
        found = np.empty((len(self), *width), dtype)
        if self._rows is None:
            for place, block in enumerate(self._blocks):
                found[self._starts[place] : self._starts[place + 1]] = of(block)
            return found
        order = np.argsort(self._rows, kind="stable")
        ascending = self._rows[order]
        ends = np.searchsorted(ascending, self._starts)
        for place in np.flatnonzero(np.diff(ends)).tolist():
            own = slice(ends[place], ends[place + 1])
            found[order[own]] = of(self._blocks[place])[ascending[own] - self._starts[place]]
        return found

    # Columns of all samples

    @property
    def digests(self) -> np.ndarray:
        """sha256 of each content: uint8, shape (n, 32)."""
        return self._numbers(lambda block: block.digests, np.uint8, (DIGEST_BYTES,))

    @property
    def digest_heads(self) -> np.ndarray:
        """The first 8 bytes of each digest, as numbers, uint64."""
        return self._numbers(lambda block: heads_of(block.digests), np.uint64)

    def have(self, digests: Collection[str]) -> np.ndarray:
        """Which samples have one of some contents (hex), bool, shape (n,)."""
        found = np.zeros(len(self), bool)
        if digests:
            wanted = pack_digests(list(digests))
            rows = np.flatnonzero(np.isin(self.digest_heads, heads_of(wanted)))
            known, own = {one.tobytes() for one in wanted}, self.take(rows).digests
            found[rows] = [one.tobytes() in known for one in own]
        return found

    @property
    def locations(self) -> list[str | int]:
        return [place for block in self.blocks() for place in block.locations]

    @property
    def split_codes(self) -> np.ndarray:
        """The place in `SPLITS` of the split of each, int8."""
        return self._numbers(lambda block: block.split_codes, np.int8)

    @property
    def splits(self) -> list[str]:
        return [SPLITS[code] for code in self.split_codes.tolist()]

    @property
    def split_counts(self) -> dict[str, int]:
        """Samples in each split."""
        counts = np.bincount(self.split_codes, minlength=len(SPLITS)).tolist()
        return dict(zip(SPLITS, counts, strict=True))

    @property
    def labels(self) -> list[Label | None]:
        """Each text is there once, however often it stands in the list."""
        known: dict[Any, Label] = {}
        found: list[Label | None] = []
        for block in self.blocks():
            values = [known.setdefault((type(one), one), one) for one in block.label_values]
            choice = [*values, None]
            found += [choice[code] for code in block.label_codes.tolist()]
        return found

    @property
    def labelled(self) -> int:
        """How many samples have a label."""
        return sum(int((block.label_codes >= 0).sum()) for block in self.blocks())

    @property
    def different_labels(self) -> set[Label]:
        """The labels that occur."""
        found: set[Label] = set()
        for block in self.blocks():
            values = block.label_values
            counts = np.bincount(block.label_codes.astype(np.int64) + 1)[1:]  # -1 where none is
            found.update(values[code] for code in np.flatnonzero(counts).tolist())
        return found

    @property
    def ids(self) -> list[str]:
        return [id_ for block in self.blocks() for id_ in block.ids]

    @property
    def stats(self) -> list[tuple[int, ...]]:
        return [stat for block in self.blocks() for stat in block.stats]

    @property
    def groups(self) -> list[str | None]:
        return [group for block in self.blocks() for group in block.groups]

    @property
    def has_groups(self) -> bool:
        """Whether any sample is of a group."""
        return any(block.column("group") is not None for block in self.blocks())

    @property
    def weights(self) -> np.ndarray:
        """For how many samples each counts, float64; 1 where nothing is said."""
        return self._numbers(lambda block: block.weights, np.float64)

    @property
    def has_weights(self) -> bool:
        """Whether any sample says for how many it counts."""
        return any(block.column("weight") is not None for block in self.blocks())

    @property
    def unique(self) -> int:
        """Different contents."""
        return int(np.count_nonzero(self._are_first))

    @property
    def first_rows(self) -> np.ndarray:
        """The number of the first sample of each content, ascending, int64."""
        return np.flatnonzero(self._are_first)

    @property
    def different(self) -> SampleColumns:
        """The first sample of each content."""
        return self.where(self._are_first)

    @property
    def _are_first(self) -> np.ndarray:
        """Which samples have a content that none before them has, bool."""
        is_first = np.ones(len(self), bool)
        rows = self.rows_of_like_heads  # the few whose other 24 bytes have to be looked at
        is_first[rows] = False
        seen: set[bytes] = set()
        start = 0
        for block in self.take(rows).blocks():
            content = block.digests.tobytes()
            for place, row in enumerate(rows[start : start + len(block)].tolist()):
                digest = content[DIGEST_BYTES * place : DIGEST_BYTES * (place + 1)]
                is_first[row] = digest not in seen
                seen.add(digest)
            start += len(block)
        return is_first

    @property
    def rows_of_like_heads(self) -> np.ndarray:
        """The numbers of the samples whose content is, by its first 8 bytes, that of another,
        ascending; nearly all have the same content."""
        heads = self.digest_heads
        heads.sort()
        shared = heads[1:][heads[1:] == heads[:-1]]  # np.unique would import masked arrays
        del heads
        if not len(shared):
            return np.empty(0, np.int64)
        found = self.digest_heads
        places = np.minimum(np.searchsorted(shared, found), len(shared) - 1)
        return np.flatnonzero(shared[places] == found)


def heads_of(digests: np.ndarray) -> np.ndarray:
    """The first 8 bytes of each digest, as numbers, uint64."""
    return np.ascontiguousarray(digests[:, :8]).view(np.uint64)[:, 0]
