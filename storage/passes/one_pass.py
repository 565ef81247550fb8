"""A pass through rows in batches, in their order or mixed, read ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from headstart.storage.index import Places
from headstart.storage.row_reader import RowReader
from headstart.storage.windows import (
    Memory,
    Window,
    batches_of,
    read_ahead,
    shuffled_windows,
    windows,
)

PART_BYTES = 12 << 20
"""Of a window whose rows are copied, so many at a time: one is given out while the other is copied.
Smaller parts look more often whether somebody wrote to one of the shards of a window: 0.65 of the
speed in order with 4 MiB of 63 shards, by the processor, 0.8 with these, 0.9 with whole windows."""


def one_pass(
    reader: RowReader, places: Places, batch_size: int, seed: tuple[int, int] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers and features of rows, in batches.

    Args:
        reader: of the rows.
        places: where they are.
        batch_size: rows of a batch; only the last is smaller.
        seed: of the order in which they are mixed; None leaves them as they are.
    """
    batch_size = min(batch_size, max(1, len(places.row)))
    reader.expect(places)
    if seed is None:
        parts = windows(len(places.row), reader.row_bytes, batch_size)
        return batches_of(read_ahead(parts, _InOrder(reader, places)), batch_size)
    chunks, rng = reader.chunk_of(places), np.random.default_rng(seed)
    parts = shuffled_windows(chunks, places.row, reader.row_bytes, rng)
    mixed = _Mixed(reader, places)
    return batches_of(read_ahead(mixed.parts(parts, batch_size), mixed), batch_size)


class _InOrder:
    """Reads windows into memory of their own, which is given out."""

    def __init__(self, reader: RowReader, places: Places) -> None:
        self._reader, self._places = reader, places

    def __call__(self, window: Window) -> tuple[Window, np.ndarray]:
        return window, self._reader.take(self._places.at(window.rows))


class _Mixed:
    """Reads windows that are given out in an order of their own.

    The rows of one whose chunks were found right before are copied in that order from where they
    lie; else chunks are read as they lie, into memory that is used again.
    """

    def __init__(self, reader: RowReader, places: Places) -> None:
        self._reader, self._places = reader, places
        self._memory = Memory(reader.shape, reader.dtype)
        self._copier = reader.copier()

    def parts(self, mixed: Iterable[Window], batch_size: int) -> Iterator[Window]:
        """Windows, and of those that are copied parts of some batches, in their order."""
        size = max(1, PART_BYTES // max(1, self._reader.row_bytes * batch_size)) * batch_size
        for window in mixed:
            if window.order is None or not self._is_copied(window):
                yield window
                continue
            rows = window.rows[window.order]
            for start in range(0, len(rows), size):
                yield Window(rows[start : start + size])

    def _is_copied(self, window: Window) -> bool:
        return self._copier is not None and self._copier.has(self._places.at(window.rows))

    def __call__(self, window: Window) -> tuple[Window, np.ndarray]:
        places = self._places.at(window.rows)
        if window.order is not None or self._copier is None:
            out = self._memory.of(len(window.rows))
        else:
            found = self._copier.copied(places)
            if found is not None:
                return window, found
            out = np.empty((len(window.rows), *self._reader.shape), self._reader.dtype)
        self._reader.read(places, out)
        return window, out
