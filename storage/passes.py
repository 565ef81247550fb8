"""A pass through rows in batches, in their order or mixed, read ahead."""

from __future__ import annotations

from collections.abc import Iterator

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
        parts, read = windows(len(places.row), reader.row_bytes, batch_size), _InOrder
    else:
        chunks, rng = reader.chunk_of(places), np.random.default_rng(seed)
        parts = shuffled_windows(chunks, places.row, reader.row_bytes, rng)
        read = _Mixed
    return batches_of(read_ahead(parts, read(reader, places)), batch_size)


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
        own = getattr(reader, "copier", None)  # rows that are made of others have none
        self._copy = None if own is None else own()

    def __call__(self, window: Window) -> tuple[Window, np.ndarray]:
        if self._copy is not None:
            rows = window.rows if window.order is None else window.rows[window.order]
            found = self._copy(self._places.at(rows))
            if found is not None:
                return Window(rows), found
        out = self._memory.of(len(window.rows))
        self._reader.read(self._places.at(window.rows), out)
        return window, out
