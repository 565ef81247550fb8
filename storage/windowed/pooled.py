"""A row a sample, made of the rows of its windows: their mean, or their largest numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.errors import FeatureError
from headstart.storage.index import Places
from headstart.storage.row_reader import RowReader

EACH, MEAN, MAX = "each", "mean", "max"
WAYS = (MEAN, MAX, EACH)
BLOCK_BYTES = 24 << 20
"""Of the windows' rows that are in memory at a time."""


def check_way(how: str, ways: tuple[str, ...] = WAYS) -> None:
    """See that windows can be taken together so.

    Raises:
        FeatureError: they cannot.
    """
    if how not in ways:
        raise FeatureError(f"windows is {how!r}", hint=f"It can be {', '.join(ways)}.")


def pooled(rows: np.ndarray, numbers: np.ndarray, count: int, how: str) -> np.ndarray:
    """Rows of windows as rows of samples.

    Args:
        rows: of the windows, (windows, *shape).
        numbers: of the sample that each is of, (windows,); every sample has one or more.
        count: samples.
        how: `mean`, or `max`, number by number.

    Returns:
        (count, *shape), of the dtype of the rows; means are summed in float64.
    """
    pool, order = Pool((count, *rows.shape[1:]), how), np.argsort(numbers, kind="stable")
    pool.add(rows[order], numbers[order])
    return pool.result().astype(rows.dtype)


class Pool:
    """Takes up rows of windows, some at a time."""

    def __init__(self, shape: tuple[int, ...], how: str) -> None:
        check_way(how, (MEAN, MAX))
        self._how = how
        self._counts = np.zeros(shape[0], np.int64)
        self._values = np.full(shape, 0.0 if how == MEAN else -np.inf, np.float64)

    def add(self, rows: np.ndarray, numbers: np.ndarray) -> None:
        """Rows (n, *shape), and the number of the sample that each is of, (n,), ascending."""
        starts = np.flatnonzero(np.diff(numbers, prepend=-1))
        samples, wide = numbers[starts], rows.astype(np.float64)
        if self._how == MAX:
            largest = np.maximum.reduceat(wide, starts)
            self._values[samples] = np.maximum(self._values[samples], largest)
        else:
            self._values[samples] += np.add.reduceat(wide, starts)
            self._counts[samples] += np.diff(starts, append=len(numbers))

    def result(self) -> np.ndarray:
        """What came of them, (samples, *shape), float64."""
        if self._how == MAX:
            return self._values
        return self._values / self._counts.reshape(-1, *[1] * (self._values.ndim - 1))


class PooledReader:
    """As a `RowReader`, whose row `i` is made of those of the windows of sample `i`.

    Args:
        reader: of the windows' rows.
        places: of the windows.
        numbers: of the sample that each window is of, (windows,).
        count: samples.
        how: see `pooled`.
    """

    def __init__(
        self, reader: RowReader, places: Places, numbers: np.ndarray, count: int, how: str
    ) -> None:
        check_way(how, (MEAN, MAX))
        self._reader, self._how = reader, how
        self._order = np.argsort(numbers, kind="stable")
        self._starts = np.searchsorted(numbers[self._order], np.arange(count + 1))
        self._places = places
        self.encoding, self.shape, self.dtype = reader.encoding, reader.shape, reader.dtype
        self.row_bytes = reader.row_bytes * max(1, len(numbers) // max(1, count))

    @property
    def places(self) -> Places:
        """Where all samples are."""
        count = len(self._starts) - 1
        return Places(np.zeros(count, np.int64), np.arange(count))

    def chunk_of(self, places: Places) -> np.ndarray:
        """The chunk that holds each sample's first window."""
        first = self._order[self._starts[places.row]]
        return self._reader.chunk_of(_at(self._places, first))

    def expect(self, places: Places) -> None:
        """Say that a pass is going to read the rows of samples: see `RowReader.expect`."""
        windows = [self._order[self._starts[one] : self._starts[one + 1]] for one in places.row]
        self._reader.expect(_at(self._places, np.concatenate([np.empty(0, np.int64), *windows])))

    def copier(self) -> None:
        """A row is made of several, read together: see `RowReader.copier`."""

    def take(self, places: Places) -> np.ndarray:
        """The rows of n samples, (n, *shape)."""
        out = np.empty((len(places.row), *self.shape), self.dtype)
        self.read(places, out)
        return out

    def read(self, places: Places, out: np.ndarray) -> None:
        """Fill `out`, (n, *shape), with the rows of n samples."""
        for start, stop in self._blocks(places.row):
            samples = places.row[start:stop]
            counts = self._starts[samples + 1] - self._starts[samples]
            numbers = np.repeat(np.arange(stop - start), counts)
            pool = Pool((stop - start, *self.shape), self._how)
            windows = np.concatenate(
                [self._order[self._starts[one] : self._starts[one + 1]] for one in samples]
            )
            step = max(1, BLOCK_BYTES // max(1, self._reader.row_bytes))
            for at in range(0, len(windows), step):
                part = windows[at : at + step]
                rows = self._reader.take(_at(self._places, part))
                pool.add(rows, numbers[at : at + step])
            out[start:stop] = pool.result()

    def _blocks(self, samples: np.ndarray) -> Iterator[tuple[int, int]]:
        """Parts of some samples whose sums fit into a block."""
        size = max(1, BLOCK_BYTES // max(1, 2 * self._reader.row_bytes))
        return ((start, min(start + size, len(samples))) for start in range(0, len(samples), size))


def _at(places: Places, rows: np.ndarray) -> Places:
    return Places(places.shard[rows], places.row[rows])
