"""From lists to columns of Arrow and back, and how what Arrow has no type for is written in one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pyarrow as pa

from headstart.storage.columns.buffers import (
    called,
    lists_array,
    numbers_array,
    numbers_in,
    texts_array,
    texts_in,
)
from headstart.storage.keys import DIGEST_BYTES, canonical_json
from headstart.storage.samples import SPLITS, Label

STATS, ODD_STATS = pa.list_(pa.int64()), pa.string()
"""Of `stat`: numbers, or JSON where one of them has more than 64 bits."""
Stat = tuple[int, ...]
LABELS = 4096
"""That are kept as they were read: each part of a manifest has most of them."""
PLAIN = {str, int, type(None)}
"""Types of labels of which no two are equal in a dict that are spelled otherwise."""


def digests_array(digests: np.ndarray) -> pa.Array:
    """Packed digests, shape (n, 32), as a column; not copied."""
    content = pa.py_buffer(np.ascontiguousarray(digests))
    return pa.Array.from_buffers(pa.binary(DIGEST_BYTES), len(digests), [None, content])


def splits_array(codes: np.ndarray) -> pa.Array:
    """Places in `SPLITS`, int8, as a column."""
    return pa.DictionaryArray.from_arrays(
        numbers_array(codes.astype(np.int8, copy=False)), texts_array(SPLITS)
    )


def codes_in(array: pa.Array | None, rows: int) -> np.ndarray:
    """The places in the dictionary of a column, int32; -1 where it is null."""
    if array is None:
        return np.full(rows, -1, np.int32)
    indices = cast(pa.DictionaryArray, array).indices
    return numbers_in(indices, null=-1)


def spelled(labels: Iterable[Label | None]) -> pa.Array:
    """The column of labels, of which each is spelled once."""
    keys: list[Any] = list(labels)
    if not {*map(type, keys)} <= PLAIN:  # True and 1.0 are 1 in a dict
        keys = [None if label is None else (type(label), label) for label in keys]
    different = [key for key in dict.fromkeys(keys) if key is not None]
    values = [key[1] if isinstance(key, tuple) else key for key in different]
    texts = [canonical_json(_checked_label(label)).decode() for label in values]
    places = {None: -1, **{key: place for place, key in enumerate(different)}}
    codes = np.fromiter(map(places.__getitem__, keys), np.int32, len(keys))
    indices = numbers_array(np.maximum(codes, 0), codes >= 0)
    return pa.DictionaryArray.from_arrays(indices, texts_array(texts))


@lru_cache(LABELS)
def label_of(text: str) -> Label:
    return _checked_label(json.loads(text))


def _checked_label(label: Any) -> Label:
    if not isinstance(label, str | int):
        raise TypeError(f"the label {label!r:.80} is neither a text nor a whole number")
    return label


def checked_stat(said: Any) -> Stat:
    if not isinstance(said, list) or not all(isinstance(one, int) for one in said):
        raise ValueError(f"{said!r:.80} is not by what a change is seen")
    return tuple(said)


def stats_of(stats: Sequence[Stat]) -> tuple[Stat | None, pa.Array | None]:
    """What all share of it, or the column."""
    if not stats or stats.count(stats[0]) == len(stats):
        return (stats[0] if stats else ()), None
    return None, _stats_array(stats)


def _stats_array(stats: Sequence[Stat]) -> pa.Array:
    try:
        return lists_array(stats)
    except OverflowError:
        texts = [canonical_json(list(one)).decode() for one in stats]
        return texts_array(texts)


def decoded(array: pa.Array) -> pa.Array:
    if not isinstance(array, pa.DictionaryArray):
        return array
    return called("take", array.dictionary, array.indices)


def are_same_texts(one: pa.Array, other: pa.Array) -> bool:
    """Whether two columns say the same, of which each numbers its texts in its own way, if at all;
    what a column is decoded with is not imported for it."""
    if len(one) != len(other) or not all(
        isinstance(array, pa.DictionaryArray) for array in (one, other)
    ):
        return len(one) == len(other) and decoded(one).equals(decoded(other))
    numbers: dict[Any, int] = {}
    found = []
    for array in (one, other):
        texts = texts_in(cast(pa.DictionaryArray, array).dictionary)
        own = np.array([*(numbers.setdefault(text, len(numbers)) for text in texts), -1], np.int64)
        found.append(own[codes_in(array, len(array))])
    return np.array_equal(*found)


def without_mask(array: pa.Array) -> pa.Array:
    """A column without nulls, without the mask of nulls that it may have nonetheless."""
    if array.null_count or array.buffers()[0] is None:
        return array
    if isinstance(array, pa.DictionaryArray):
        return pa.DictionaryArray.from_arrays(without_mask(array.indices), array.dictionary)
    if isinstance(array, pa.ListArray):
        return array
    return pa.Array.from_buffers(
        array.type, len(array), [None, *array.buffers()[1:]], 0, array.offset
    )
