"""Finds samples by something of theirs: an id, a place, a content. 16 bytes a sample.

A key is looked up by its hash, and compared itself before it counts as found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from headstart.storage.columns.samples import SampleColumns

ABSENT = -1
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


class TextFinder:
    """Finds samples by a text or number of theirs.

    Args:
        columns: the samples.
        keys_of: the keys of some of them: `ids`, or `locations`.
    """

    def __init__(self, columns: SampleColumns, keys_of: Callable[[SampleColumns], list]) -> None:
        self._columns = columns
        self._keys_of = keys_of
        self._finder = Finder(hashes_of(keys_of(one) for one in columns.pieces()))

    def find(self, keys: list) -> np.ndarray:
        """The row of each key, int64; `ABSENT` where there is none."""

        def are_same(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
            known = self._keys_of(self._columns.take(rows))
            pairs = zip(known, wanted.tolist(), strict=True)
            return np.array([key == keys[number] for key, number in pairs], bool)

        return self._finder.find(hashes_of([keys]), are_same)


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


def heads_of(digests: np.ndarray) -> np.ndarray:
    """The first 8 bytes of each digest, as numbers, uint64."""
    return np.ascontiguousarray(digests[:, :8]).view(np.uint64)[:, 0]
