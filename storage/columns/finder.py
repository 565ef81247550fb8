"""Finds samples by something of theirs: an id, a place, a content. 16 bytes a sample.

A key is looked up by its hash, and compared itself before it counts as found.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from headstart.storage.columns.block import Block
from headstart.storage.columns.buffers import places_in
from headstart.storage.columns.samples import SampleColumns, heads_of

ABSENT = -1
FEW, LOOKS = 64, 4
"""Keys for which columns are gone through, and how often, before it takes as long as an order."""
Equal = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Finder:
    """Finds rows by the hashes of their keys; of several that are the same, the last.

    Args:
        hashes: of the keys of all rows, 64 bits each.
    """

    def __init__(self, hashes: np.ndarray) -> None:
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def find(self, hashes: np.ndarray, are_same: Equal) -> np.ndarray:
        """The row of each key, int64; `ABSENT` where there is none.

        Args:
            hashes: of the keys wanted.
            are_same: whether the keys of rows (first argument) are those wanted, by their numbers.
        """
        found = np.full(len(hashes), ABSENT, np.int64)
        place = np.searchsorted(self._sorted, hashes, side="right") - 1
        open_ = np.arange(len(hashes))
        while len(open_):
            open_ = open_[place[open_] >= 0]
            open_ = open_[self._sorted[place[open_]] == hashes[open_]]
            if not len(open_):
                break
            rows = self._order[place[open_]]
            hit = are_same(rows, open_)
            found[open_[hit]] = rows[hit]
            open_ = open_[~hit]
            place[open_] -= 1
        return found


class TextFinder(ABC):
    """Finds samples by a text or number of theirs.

    The first times, where few are asked for, columns are gone through as they lie; then all are
    put in order once.

    Args:
        columns: the samples.
    """

    def __init__(self, columns: SampleColumns) -> None:
        self._columns = columns
        self._looks = 0

    def find(self, keys: list) -> np.ndarray:
        """The row of each key, int64; `ABSENT` where there is none."""
        if len(keys) <= FEW and self._looks < LOOKS:
            self._looks += 1
            return self._look_through(keys)

        def are_same(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
            known = self._keys_of(self._columns.take(rows))
            pairs = zip(known, wanted.tolist(), strict=True)
            return np.array([key == keys[number] for key, number in pairs], bool)

        return self._finder.find(hashes_of([keys]), are_same)

    @abstractmethod
    def _keys_of(self, columns: SampleColumns) -> list:
        """The keys of some samples."""

    @abstractmethod
    def _places(self, block: Block, keys: list) -> np.ndarray:
        """Where in a few different keys that of each sample stands, int32; `ABSENT` if it does
        not."""

    @cached_property
    def _finder(self) -> Finder:
        return Finder(hashes_of(self._keys_of(one) for one in self._columns.pieces()))

    def _look_through(self, keys: list) -> np.ndarray:
        different = list(dict.fromkeys(keys))
        rows, start = np.full(len(different), ABSENT, np.int64), 0
        for block in self._columns.blocks():
            places = self._places(block, different)
            hit = np.flatnonzero(places != ABSENT)
            rows[places[hit]] = hit + start  # of several that are the same, the last
            start += len(block)
        row_of = dict(zip(different, rows.tolist(), strict=True))
        return np.array([row_of[key] for key in keys], np.int64)


class IdFinder(TextFinder):
    """Finds samples by their ids."""

    def _keys_of(self, columns: SampleColumns) -> list:
        return columns.ids

    def _places(self, block: Block, keys: list) -> np.ndarray:
        return places_in(block.full("id"), keys)


class LocationFinder(TextFinder):
    """Finds samples by their locations."""

    def _keys_of(self, columns: SampleColumns) -> list:
        return columns.locations

    def _places(self, block: Block, keys: list) -> np.ndarray:
        if block.column("row") is None and block.column("place") is None:
            above = f"{block.source}/"
            ids = [key[len(above) :] if _is_below(key, above) else None for key in keys]
            return places_in(block.full("id"), ids)
        places = {key: place for place, key in enumerate(keys)}
        return np.fromiter((places.get(one, ABSENT) for one in block.locations), np.int32)


class DigestFinder:
    """Finds samples by their contents.

    Args:
        columns: the samples.
    """

    def __init__(self, columns: SampleColumns) -> None:
        self._columns = columns
        self._finder = Finder(columns.digest_heads)

    def find(self, digests: np.ndarray) -> np.ndarray:
        """The row of each digest, shape (n, 32), uint8; `ABSENT` where there is none."""

        def are_same(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
            return (self._columns.take(rows).digests == digests[wanted]).all(axis=1)

        return self._finder.find(heads_of(digests), are_same)


def hashes_of(keys: Iterable[list]) -> np.ndarray:
    """The hashes of keys in lists, int64; they are of this process alone."""
    parts = [np.fromiter(map(hash, some), np.int64, len(some)) for some in keys]
    return np.concatenate([*parts, np.empty(0, np.int64)])


def _is_below(key: Any, above: str) -> bool:
    return isinstance(key, str) and key.startswith(above)
