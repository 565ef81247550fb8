"""A block: some samples of a dataset, a column of Arrow for each of what is known of them.

Columns in which nothing stands are left out. A label is kept as the JSON that it is spelled in,
so that 3 and "3" are two labels; a place is left out where it is the source's folder and the id;
what all samples of a block share of their `stat`, as the rows of one file do, is said once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np
import pyarrow as pa

from headstart.storage.columns.arrays import (
    ODD_STATS,
    STATS,
    Stat,
    are_same_texts,
    checked_stat,
    codes_in,
    decoded,
    digests_array,
    label_of,
    spelled,
    splits_array,
    stats_of,
    without_mask,
)
from headstart.storage.columns.buffers import (
    called,
    numbers_array,
    numbers_in,
    texts_array,
    texts_in,
)
from headstart.storage.columns.located import located
from headstart.storage.keys import DIGEST_BYTES, canonical_json, pack_digests, unpack_digests
from headstart.storage.samples import SPLITS, Label, Sample

TEXTS = pa.dictionary(pa.int32(), pa.string())
TYPES: dict[str, tuple[pa.DataType, ...]] = {
    "id": (pa.string(),),
    "digest": (pa.binary(DIGEST_BYTES),),
    "label": (TEXTS,),
    "split": (pa.dictionary(pa.int8(), pa.string()),),
    "row": (pa.int64(),),
    "place": (pa.string(),),
    "stat": (STATS, ODD_STATS),
    "group": (TEXTS,),
    "weight": (pa.float64(),),
}
"""The columns, in order, and what each may be. Where `row` and `place` are both null, a sample
lies in the source under its id."""
NEEDED = ("id", "digest", "split")
SAME_STAT = b"stat"
"""In the metadata: the `stat` of all samples, as JSON."""
SOME = 4096
"""Samples that are made at a time."""


@dataclass
class Lists:
    """What is known of some samples, a list for each.

    Attributes:
        digests: packed, shape (n, 32), uint8; None where they are not known yet.
        splits: none where samples have none yet.
    """

    ids: list[str] = field(default_factory=list)
    digests: np.ndarray | None = None
    labels: list[Label | None] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    locations: list[str | int] = field(default_factory=list)
    stats: list[Stat] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    weights: list[float | None] = field(default_factory=list)

    @staticmethod
    def of(samples: Sequence[Sample]) -> Lists:
        """The lists of samples."""
        return Lists(
            [one.id for one in samples],
            pack_digests([one.digest for one in samples]),
            [one.label for one in samples],
            [one.split for one in samples],
            [one.location for one in samples],
            [one.stat for one in samples],
            [one.group for one in samples],
            [one.weight for one in samples],
        )


@dataclass(frozen=True)
class Block:
    """Some samples in columns; see the module.

    Attributes:
        batch: the columns that there are, of `TYPES`.
        source: of the dataset.
    """

    batch: pa.RecordBatch
    source: str

    @staticmethod
    def of(lists: Lists, source: str) -> Block:
        """A block of what is known of some samples.

        Raises:
            UnicodeEncodeError: a text cannot be written as UTF-8.
        """
        columns: dict[str, pa.Array | None] = {
            "id": texts_array(lists.ids),
            "label": spelled(lists.labels),
            **located(lists.locations, lists.ids, source),
            "group": None if _are_none(lists.groups) else _numbered(lists.groups),
            "weight": None if _are_none(lists.weights) else _weights_array(lists.weights),
        }
        if lists.digests is not None or not lists.ids:
            empty = np.empty((0, DIGEST_BYTES), np.uint8)
            columns["digest"] = digests_array(empty if lists.digests is None else lists.digests)
        if lists.splits or not lists.ids:
            codes = np.fromiter(map(SPLITS.index, lists.splits), np.int8, len(lists.splits))
            columns["split"] = splits_array(codes)
        same, columns["stat"] = stats_of(lists.stats)
        return Block.made(columns, source, same)

    @staticmethod
    def made(columns: dict[str, pa.Array], source: str, same_stat: Stat | None) -> Block:
        """A block of columns by name; those in which nothing stands are left out."""
        kept = {
            name: without_mask(array)
            for name in TYPES
            if (array := columns.get(name)) is not None
            and (name in NEEDED or array.null_count < len(array))
        }
        said = {SAME_STAT: canonical_json(list(same_stat))} if same_stat else {}
        fields = [(name, array.type) for name, array in kept.items()]
        schema = pa.schema(fields, metadata=said or None)
        return Block(pa.record_batch(list(kept.values()), schema=schema), source)

    @staticmethod
    def joined(blocks: Sequence[Block], source: str) -> Block:
        """One block of several."""
        if len(blocks) == 1:
            return blocks[0]
        names = [name for name in TYPES if any(one.column(name) is not None for one in blocks)]
        columns = {
            name: pa.concat_arrays([one.full(name) for one in blocks])
            for name in names
            if name != "stat"
        }
        same, columns["stat"] = _stats_in(blocks)
        return Block.made(columns, source, same)

    def __len__(self) -> int:
        return self.batch.num_rows

    def slice(self, start: int, stop: int) -> Block:
        """Some of the samples, one behind the other; nothing is copied."""
        if start == 0 and stop >= len(self):
            return self
        return Block(self.batch.slice(start, max(0, stop - start)), self.source)

    def take(self, rows: np.ndarray) -> Block:
        """Some of the samples, by their numbers, int64."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(rows))):
            return self
        meant = numbers_array(rows.astype(np.int64, copy=False))
        return Block(called("take", self.batch, meant), self.source)

    def with_columns(self, **columns: pa.Array) -> Block:
        """The block with some columns as given."""
        own = {name: self.batch.column(name) for name in self.batch.schema.names}
        return Block.made({**own, **columns}, self.source, self.same_stat)

    def without(self, name: str) -> Block:
        """The block without what is known of one kind."""
        own = {one: self.batch.column(one) for one in self.batch.schema.names if one != name}
        return Block.made(own, self.source, self.same_stat)

    def column(self, name: str) -> pa.Array | None:
        """A column; None where nothing stands in it."""
        place = self.batch.schema.get_field_index(name)
        return None if place < 0 else self.batch.column(place)

    def full(self, name: str) -> pa.Array:
        """A column; of nulls where nothing stands in it."""
        found = self.column(name)
        return pa.nulls(len(self), TYPES[name][0]) if found is None else found

    @property
    def digests(self) -> np.ndarray:
        """uint8, shape (n, 32); not copied."""
        array = self.batch.column("digest")
        count = DIGEST_BYTES * (array.offset + len(array))
        content = (
            np.frombuffer(array.buffers()[1], np.uint8, count) if count else np.empty(0, np.uint8)
        )
        return content.reshape(-1, DIGEST_BYTES)[array.offset :]

    @property
    def split_codes(self) -> np.ndarray:
        """Places in `SPLITS`, int8."""
        array = cast(pa.DictionaryArray, self.batch.column("split"))
        places = np.array([SPLITS.index(one) for one in array.dictionary.to_pylist()], np.int8)
        return places[numbers_in(array.indices)]

    @property
    def splits(self) -> list[str]:
        return [SPLITS[code] for code in self.split_codes.tolist()]

    @cached_property
    def label_values(self) -> list[Label]:
        """The labels that `label_codes` number; one may be there that no sample has."""
        array = self.column("label")
        if array is None:
            return []
        return [label_of(text) for text in texts_in(cast(pa.DictionaryArray, array).dictionary)]

    @property
    def label_codes(self) -> np.ndarray:
        """Places in `label_values`, int32; -1 where a sample has no label."""
        return codes_in(self.column("label"), len(self))

    @property
    def labels(self) -> list[Label | None]:
        values = [*self.label_values, None]
        return [values[code] for code in self.label_codes.tolist()]

    @property
    def ids(self) -> list[str]:
        return texts_in(self.batch.column("id"))

    @property
    def group_values(self) -> list[str]:
        """The groups that `group_codes` number."""
        array = self.column("group")
        return [] if array is None else texts_in(cast(pa.DictionaryArray, array).dictionary)

    @property
    def group_codes(self) -> np.ndarray:
        """Places in `group_values`, int32; -1 where a sample has no group."""
        return codes_in(self.column("group"), len(self))

    @property
    def groups(self) -> list[str | None]:
        if self.column("group") is None:
            return [None] * len(self)
        values = [*self.group_values, None]
        return [values[code] for code in self.group_codes.tolist()]

    @property
    def weights(self) -> np.ndarray:
        """For how many samples each counts, float64; 1 where nothing is said."""
        array = self.column("weight")
        return np.ones(len(self)) if array is None else numbers_in(array, null=1)

    @property
    def locations(self) -> list[str | int]:
        rows, places = self.column("row"), self.column("place")
        if places is None and rows is not None and rows.null_count == 0:
            return numbers_in(rows).tolist()
        above, found = self.source, list[str | int]()
        known = [None] * len(self) if rows is None else rows.to_pylist()
        texts = [None] * len(self) if places is None else texts_in(places)
        for id_, row, text in zip(self.ids, known, texts, strict=True):
            found.append(row if row is not None else f"{above}/{id_}" if text is None else text)
        return found

    @cached_property
    def same_stat(self) -> Stat | None:
        """That of all samples; None where each has its own."""
        said = (self.batch.schema.metadata or {}).get(SAME_STAT)
        if said is not None:
            return checked_stat(json.loads(said))
        return () if self.column("stat") is None else None

    @property
    def stats(self) -> list[Stat]:
        if self.same_stat is not None:
            return [self.same_stat] * len(self)
        array = self.full("stat")
        if array.type == ODD_STATS:
            return [checked_stat(json.loads(text)) for text in texts_in(array)]
        lists = cast(pa.ListArray, array)
        ends = numbers_in(lists.offsets).tolist()
        values = numbers_in(lists.values)[ends[0] : ends[-1]].tolist()
        first = ends[0]
        return [tuple(values[start - first : stop - first]) for start, stop in pairwise(ends)]

    def samples(self) -> Iterator[Sample]:
        """The samples, some made at a time."""
        labels, splits, groups = self.labels, self.splits, self.groups
        weights = self.full("weight").to_pylist()
        for start in range(0, len(self), SOME):
            stop = start + SOME
            some = self.slice(start, stop)
            yield from map(
                Sample,
                some.ids,
                unpack_digests(some.digests),
                labels[start:stop],
                splits[start:stop],
                some.locations,
                some.stats,
                groups[start:stop],
                weights[start:stop],
            )

    def is_same(self, other: Block) -> bool:
        """Whether these are the same samples."""
        if len(self) != len(other) or not np.array_equal(self.digests, other.digests):
            return False
        if not self.batch.column("id").equals(other.batch.column("id")):
            return False
        if not np.array_equal(self.split_codes, other.split_codes):
            return False
        return (
            all(self._is_same_in(name, other) for name in ("label", "group", "weight"))
            and self._is_placed_as(other)
            and self._is_stat_of(other)
        )

    def _is_same_in(self, name: str, other: Block) -> bool:
        mine, theirs = self.column(name), other.column(name)
        if mine is None or theirs is None:
            left = theirs if mine is None else mine
            return left is None or left.null_count == len(left)
        return mine.equals(theirs) or are_same_texts(mine, theirs)

    def _is_placed_as(self, other: Block) -> bool:
        if self.source != other.source:
            return self.locations == other.locations
        return all(self._is_same_in(name, other) for name in ("row", "place"))

    def _is_stat_of(self, other: Block) -> bool:
        mine, theirs = self.column("stat"), other.column("stat")
        if mine is not None and theirs is not None and mine.type == theirs.type:
            return mine.equals(theirs)
        if mine is None and theirs is None:
            return self.same_stat == other.same_stat
        return self.stats == other.stats

    def canonical(self) -> Block:
        """The same samples as the same columns, whatever they were made of."""
        columns: dict[str, pa.Array | None] = {
            name: pa.concat_arrays([column])
            for name in ("id", "digest", "row", "place", "weight")
            if (column := self.column(name)) is not None
        }
        for name in ("label", "group"):
            if (column := self.column(name)) is not None:
                columns[name] = called("dictionary_encode", decoded(column))
        columns["split"] = splits_array(self.split_codes)
        same, columns["stat"] = _stats_in([self])
        return Block.made(columns, self.source, same)


def _are_none(values: Sequence[object]) -> bool:
    return values.count(None) == len(values)


def _numbered(texts: Sequence[str | None]) -> pa.Array:
    return called("dictionary_encode", texts_array(texts))


def _weights_array(weights: Sequence[float | None]) -> pa.Array:
    numbers = np.array([1.0 if one is None else one for one in weights], np.float64)
    return numbers_array(numbers, np.array([one is not None for one in weights], bool))


def _stats_in(blocks: Sequence[Block]) -> tuple[Stat | None, pa.Array | None]:
    """As `_stats_of`, of blocks one behind the other."""
    same = {one.same_stat for one in blocks}
    if len(same) == 1 and None not in same:
        return same.pop(), None
    columns = [one.column("stat") for one in blocks]
    if any(one is None or one.type != STATS for one in columns):
        return stats_of([stat for one in blocks for stat in one.stats])
    array = cast(pa.ListArray, pa.concat_arrays([one for one in columns if one is not None]))
    ends = numbers_in(array.offsets)
    values = numbers_in(array.values)[ends[0] : ends[-1]]  # `flatten` would import all functions
    first = tuple(values[: ends[1] - ends[0]].tolist())
    if (np.diff(ends) == len(first)).all():
        values = values.reshape(len(array), -1)
        if (values == np.array(first, np.int64)).all():
            return first, None
    return None, array
