"""Going through rows in windows: parts that are read at once and fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

WINDOW_BYTES = 24 << 20
"""Some dozens of chunks (`format.CHUNK_BYTES`), so that shuffling mixes rows of many of them, and
little beside a batch of a backbone."""


def windows(rows: int, row_bytes: int, batch_size: int) -> Iterator[np.ndarray]:
    """All rows in their order, in windows of whole batches; int64."""
    size = max(1, WINDOW_BYTES // max(1, row_bytes * batch_size)) * batch_size
    for start in range(0, rows, size):
        yield np.arange(start, min(rows, start + size))


def shuffled_windows(
    chunks: np.ndarray, row_bytes: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """All rows mixed, each chunk in one window; int64. They are read in the order in which they are
    given out, so that none is copied once more.

    Args:
        chunks: the chunk that each row lies in; int64, shape (rows,).
        row_bytes: bytes of a row.
        rng: decides the order.
    """
    by_chunk = np.argsort(chunks, kind="stable")
    bounds = np.flatnonzero(np.diff(chunks[by_chunk])) + 1
    blocks = np.split(by_chunk, bounds) if len(chunks) else []
    size = max(1, WINDOW_BYTES // max(1, row_bytes))
    gathered: list[np.ndarray] = []
    for number in rng.permutation(len(blocks)):
        if gathered and sum(map(len, gathered)) + len(blocks[number]) > size:
            yield _mixed(gathered, rng)
            gathered = []
        gathered.append(blocks[number])
    if gathered:
        yield _mixed(gathered, rng)


def _mixed(blocks: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    rows = np.concatenate(blocks)
    return rows[rng.permutation(len(rows))]


def read_ahead(
    parts: Iterable[np.ndarray], read: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows with what `read` gives, the next one being read meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        coming = iter(parts)
        waiting = None
        for window in coming:
            following = (window, pool.submit(read, window))
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = following
        if waiting is not None:
            yield waiting[0], waiting[1].result()
