"""The nearest others of each row by the angle, where there are too many for all pairs.

Comparing all pairs of n rows takes n^2 products, 1.5e15 operations for a million of 768 numbers.
`nearest_by_cells` takes about n^1.5: rows are put into cells around some centres (k-means), and
each is compared with those of its own cell and of the cells around it, an inverted file (Jégou,
Douze, Schmid: Product quantization for nearest neighbor search, TPAMI 2011, section IV). All of it
is matrix products of float32, and the same for the same rows whatever the number of threads.
"""

from __future__ import annotations

import warnings
from hashlib import blake2b
from typing import Any

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.rows import Rows, some_of, spans_of_rows
from headstart.heads.standardisation import one_thread_a_core

AT_ONCE = 16_000_000
"""Similarities that are in memory at a time."""
BLOCK_ROWS = 4096
"""Whose cells are looked for at a time."""
CELLS = 2.0
"""Times sqrt(n): so many cells there are."""
PROBED = 32
"""Cells in which the neighbours of a cell's rows are looked for, its own among them."""
NAMED = 8
"""Centres nearest to a row by which it says what those cells are."""
ROWS_A_CENTRE = 40
"""Of which centres are found, by k-means in `STEPS` steps."""
STEPS = 8


def of_length_one(rows: np.ndarray) -> np.ndarray:
    """Rows (n, width), each divided by its length; those of length 0 stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, np.float32(1))


def nearest_by_cells(
    rows: Rows, count: int, *, apart: np.ndarray | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows of each by the angle, from the nearest on, of those in the cells
    around it: nearly always the nearest of all, where features lie in clusters or in few
    dimensions, and what is much nearer than all else nearly always, wherever they lie.

    Args:
        rows: (n, width), float32; if they are on the disk, they are read some times over.
        count: how many; no more than half of sqrt(n).
        apart: numbers, (n,): rows of one number are no neighbours of each other.
        seed: of the centres.

    Of rows of one content, and one number, `count` others are enough: further ones are left out,
    and have the neighbours of the first. So a cell is not as large as its content is frequent.

    Returns:
        1 - cosine, (n, count) float32, infinite where there were no more; and which rows, (n,
        count) int32.
    """
    first, before = _copies(rows, apart)
    kept = np.flatnonzero(before <= count)
    if len(kept) == len(rows):
        return _by_cells(rows, count, apart, seed)
    groups = None if apart is None else apart[kept]
    distances, found = _by_cells(some_of(rows, kept), count, groups, seed)
    own = np.where(before <= count, np.arange(len(rows)), first)
    places = np.searchsorted(kept, own)
    return distances[places], kept[found[places]].astype(np.int32)


def _copies(rows: Rows, apart: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Of each row the first that has its direction, and its number in `apart`, (n,); and how many
    such rows come before it, (n,)."""
    told = np.empty(len(rows), np.uint64)
    for span in spans_of_rows(rows):
        block = of_length_one(rows[span]) + np.float32(0)  # which makes 0 of -0
        digests = (blake2b(row.tobytes(), digest_size=8).digest() for row in block)
        told[span] = np.frombuffer(b"".join(digests), np.uint64)
    by = (told,) if apart is None else (apart, told)
    order = np.lexsort(by)
    differs = np.zeros(len(rows), bool)
    differs[:1] = True
    for one in by:
        differs[1:] |= one[order][1:] != one[order][:-1]
    starts = np.flatnonzero(differs)
    sizes = np.diff(np.append(starts, len(order)))
    first, before = np.empty_like(order), np.empty_like(order)
    first[order] = np.repeat(order[starts], sizes)
    before[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    return first, before


def _by_cells(
    rows: Rows, count: int, apart: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """See `nearest_by_cells`, whatever is often there."""
    centres = _centres(rows, seed)
    named = _named(rows, centres)
    order = np.argsort(named[:, 0], kind="stable").astype(np.int32)
    starts = np.searchsorted(named[order, 0], np.arange(len(centres) + 1))
    distances = np.empty((len(rows), count), np.float32)
    found = np.empty((len(rows), count), np.int32)

    def look(cell: int) -> None:
        own = order[starts[cell] : starts[cell + 1]]
        if not len(own):
            return
        near = _cells_around(named[own], starts, cell, count)
        members = np.concatenate([order[starts[one] : starts[one + 1]] for one in near])
        among = of_length_one(rows[members])
        groups = None if apart is None else apart[members]
        step = max(1, AT_ONCE // cores() // len(members))
        for start in range(0, len(own), step):
            some = own[start : start + step]
            # the cell's own rows come first
            here = np.arange(start, start + len(some))
            distances[some], which = nearest_other(among[here], here, among, count, groups)
            found[some] = members[which]

    with one_thread_a_core() as pool:
        list(pool.map(look, range(len(centres))))
    return distances, found


def nearest_other(
    part: np.ndarray,
    places: np.ndarray,
    among: np.ndarray,
    count: int,
    apart: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest others of some rows of length one, from the nearest on.

    Args:
        part: the rows, (n, width).
        places: theirs in `among`, (n,).
        among: the rows with which they are compared, (m, width), more than `count`.
        count: how many.
        apart: see `nearest_by_cells`, (m,).

    Returns:
        1 - cosine, (n, count) float32, and places in `among`, (n, count) int64.
    """
    alike = part @ among.T
    if apart is not None:
        alike[apart[places, None] == apart] = -np.inf
    alike[np.arange(len(part)), places] = -np.inf
    some = np.argpartition(alike, len(among) - count, axis=1)[:, len(among) - count :]
    # 1 - cosine of nearly equal rows is lost in rounding; half of the squared distance is not
    away = [0.5 * ((part - among[some[:, n]]) ** 2).sum(axis=1) for n in range(count)]
    own = np.stack(away, axis=1)
    own[np.isneginf(np.take_along_axis(alike, some, axis=1))] = np.inf
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(own, order, axis=1), np.take_along_axis(some, order, axis=1)


def _centres(rows: Rows, seed: int) -> np.ndarray:
    """Of the cells, (cells, width), found by k-means of some rows."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    cells = min(len(rows), max(1, round(CELLS * len(rows) ** 0.5)))
    wanted = min(len(rows), ROWS_A_CENTRE * cells)
    chosen = np.sort(np.random.default_rng(seed).choice(len(rows), wanted, replace=False))
    once: Any = 1  # scikit-learn 1.9 declares a string
    model = KMeans(cells, init="random", n_init=once, max_iter=STEPS, random_state=seed)
    with warnings.catch_warnings():
        # of rows that are copies of each other: their cells are empty, and nothing is missed
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(of_length_one(rows[chosen]))
    return model.cluster_centers_.astype(np.float32)


def _named(rows: Rows, centres: np.ndarray) -> np.ndarray:
    """The centres nearest to each row, (n, NAMED) int32, the nearest first."""
    count = min(NAMED, len(centres))
    lengths = 0.5 * (centres**2).sum(axis=1)
    found = np.empty((len(rows), count), np.int32)
    for span in spans_of_rows(rows, 4 * BLOCK_ROWS * rows.shape[1]):
        apart = lengths - of_length_one(rows[span]) @ centres.T
        some = np.argpartition(apart, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(apart, some, axis=1), axis=1, kind="stable")
        found[span] = np.take_along_axis(some, order, axis=1)
    return found


def _cells_around(named: np.ndarray, starts: np.ndarray, cell: int, count: int) -> np.ndarray:
    """A cell and those that its rows name most often, (cells,): `PROBED` at most, or as many more
    as it takes for `count` others."""
    votes = np.bincount(named.ravel(), minlength=len(starts) - 1)
    votes[cell] = named.size + 1
    near = np.argsort(-votes, kind="stable")
    held = np.cumsum(np.diff(starts)[near])
    enough = int(np.searchsorted(held, count + 1)) + 1
    return near[: max(min(PROBED, np.count_nonzero(votes)), enough)]
