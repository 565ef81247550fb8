"""Going through rows in windows: parts that are read at once and fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from headstart.storage.shards.row_groups import starts_of

WINDOW_BYTES = 24 << 20
"""Some dozens of chunks (`format.CHUNK_BYTES`), so that shuffling mixes rows of many of them, and
little beside a batch of a backbone."""


class Window(NamedTuple):
    """Rows that are read at once.

    Attributes:
        rows: their numbers, in the order in which they are read; int64.
        order: the places in `rows` in the order in which they are given out; int64. None where that
            is the order in which they are read.
    """

    rows: np.ndarray
    order: np.ndarray | None = None


def windows(rows: int, row_bytes: int, batch_size: int) -> Iterator[Window]:
    """All rows in their order, in windows of whole batches."""
    size = max(1, WINDOW_BYTES // max(1, row_bytes * batch_size)) * batch_size
    for start in range(0, rows, size):
        yield Window(np.arange(start, min(rows, start + size)))


def shuffled_windows(
    chunks: np.ndarray, places: np.ndarray, row_bytes: int, rng: np.random.Generator
) -> Iterator[Window]:
    """All rows mixed, each chunk in one window, where its rows are read as they lie.

    Args:
        chunks: the chunk that each row lies in; int64, shape (rows,).
        places: where each row lies among those of its chunk: larger numbers are further behind.
        row_bytes: bytes of a row.
        rng: decides the order.
    """
    by_chunk = np.argsort(chunks, kind="stable")
    starts = starts_of(chunks[by_chunk]) if len(chunks) else np.empty(0, np.int64)
    bounds = [*starts.tolist(), len(chunks)]
    size = max(1, WINDOW_BYTES // max(1, row_bytes))
    gathered, count = list[np.ndarray](), 0
    for number in rng.permutation(len(starts)).tolist():
        block = by_chunk[bounds[number] : bounds[number + 1]]
        if gathered and count + len(block) > size:
            yield _mixed(np.concatenate(gathered), chunks, places, rng)
            gathered, count = [], 0
        gathered.append(block)
        count += len(block)
    if gathered:
        yield _mixed(np.concatenate(gathered), chunks, places, rng)


def _mixed(
    rows: np.ndarray, chunks: np.ndarray, places: np.ndarray, rng: np.random.Generator
) -> Window:
    """The rows of some chunks, one chunk after the other, as a window that mixes them."""
    order = rng.permutation(len(rows))
    chunk, place = chunks[rows], places[rows]
    if ((chunk[1:] == chunk[:-1]) & (place[1:] < place[:-1])).any():
        as_they_lie = np.lexsort((place, chunk))
        found_at = np.empty_like(as_they_lie)
        found_at[as_they_lie] = np.arange(len(rows))
        rows, order = rows[as_they_lie], found_at[order]
    return Window(rows, order)


class Memory:
    """Arrays that the windows of a pass are read into, two in turn: one is read into while rows are
    copied from the other. New ones each time would cost as much as reading: the system clears them.

    Args:
        shape: of a row.
        dtype: of its numbers.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._arrays = [np.empty((0, *shape), dtype)] * 2

    def of(self, rows: int) -> np.ndarray:
        """An array (rows, *shape); what was in the last but one is gone."""
        self._arrays.reverse()
        if len(self._arrays[0]) < rows:
            self._arrays[0] = np.empty((rows, *self._shape), self._dtype)
        return self._arrays[0][:rows]


def read_ahead(
    parts: Iterable[Window], read: Callable[[Window], tuple[Window, np.ndarray]]
) -> Iterator[tuple[Window, np.ndarray]]:
    """What `read` gives of windows, the next one being read meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for window in parts:
            following = pool.submit(read, window)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def batches_of(
    read: Iterable[tuple[Window, np.ndarray]], size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers and features of windows that were read, in batches of a size; only the last one
    is smaller. Of a window with an order of its own they are copies."""
    begun: _Begun | None = None
    for window, features in read:
        start, count = 0, len(window.rows)
        if begun is not None:
            start = begun.add(window, features, slice(0, min(size - begun.held, count)))
            if begun.held < size:
                continue
            yield begun.batch
            begun = None
        while count - start >= size:
            yield _part(window, features, slice(start, start + size))
            start += size
        if start < count:
            begun = _Begun(size, features)
            begun.add(window, features, slice(start, count))
    if begun is not None:
        yield begun.batch


class _Begun:
    """A batch of rows of several windows, each copied once to where it belongs."""

    def __init__(self, size: int, like: np.ndarray) -> None:
        self._rows = np.empty(size, np.int64)
        self._features = np.empty((size, *like.shape[1:]), like.dtype)
        self.held = 0

    def add(self, window: Window, features: np.ndarray, part: slice) -> int:
        """Put in some rows of a window; gives where the next ones begin."""
        here = slice(self.held, self.held + part.stop - part.start)
        if window.order is None:
            self._rows[here], self._features[here] = window.rows[part], features[part]
        else:
            order = window.order[part]
            self._rows[here] = window.rows[order]
            # All numbers are there; `raise` would copy what was there before, and then all again.
            features.take(order, axis=0, out=self._features[here], mode="clip")
        self.held = here.stop
        return part.stop

    @property
    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        return self._rows[: self.held], self._features[: self.held]


def _part(window: Window, features: np.ndarray, part: slice) -> tuple[np.ndarray, np.ndarray]:
    if window.order is None:
        return window.rows[part], features[part]
    order = window.order[part]
    return window.rows[order], features.take(order, axis=0)
