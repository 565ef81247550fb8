"""The nearest others of each row by the angle, where there are too many for all pairs.

Comparing all pairs of n rows takes n^2 products, 1.5e15 operations for a million of 768 numbers.
`nearest_by_cells` takes about n^1.5, of fewer numbers: rows are put into cells around some centres
(k-means), and each is compared with those of its own cell and of the cells around it, an inverted
file (Jégou, Douze, Schmid: Product quantization for nearest neighbor search, TPAMI 2011, section
IV), in few dimensions (`projection.py`). The nearest of those are compared whole. All of it is
matrix products of float32, and the same for the same rows whatever the number of threads.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xxhash

from headstart.heads.largest import largest, ranked
from headstart.heads.projection import Projection, of_length_one
from headstart.heads.rows import Rows, some_of, spans_of_rows
from headstart.heads.standardisation import one_thread_a_core

AT_ONCE = 16_000_000
"""Similarities that are in memory at a time, where all pairs are compared."""
BLOCK = 1 << 21
"""Similarities that a thread has at a time: what is made of them stays in a core's cache."""
BLOCK_ROWS = 1024
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
MORE = 8
"""Rows that are compared whole beyond those that are wanted. Of 200,000 of 768 numbers, folded from
32 with noise, .993 of the 16 nearest in the cells are among so many."""
WHOLE_BYTES = 2 << 20
"""Of rows that are compared whole at a time."""


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
        told[span] = [xxhash.xxh3_64_intdigest(row) for row in block]
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
    import sklearn.cluster  # so that its threads are limited as well: they add up in any order

    assert sklearn.cluster
    with one_thread_a_core() as pool:
        projection = Projection.of(rows, seed)
        table = np.empty((len(rows), projection.dimensions + 1), np.float32)
        projection.put(rows, table[:, :-1], pool)
        _complete(table)
        centres = _centres(table[:, :-1], seed)
        named = np.concatenate(
            list(pool.map(lambda own: _named(table[own], centres), _blocks(len(rows))))
        )
        order = np.argsort(named[:, 0], kind="stable").astype(np.int32)
        starts = np.searchsorted(named[order, 0], np.arange(len(centres) + 1))
        search = _Search(rows, table, count, apart)

        def look(cell: int) -> None:
            own = order[starts[cell] : starts[cell + 1]]
            if len(own):
                near = _cells_around(named[own], starts, cell, count)
                search.look(own, np.concatenate([order[starts[n] : starts[n + 1]] for n in near]))

        list(pool.map(look, range(len(centres))))
    return search.distances, search.found


def _complete(table: np.ndarray) -> None:
    """Fill the last column.

    Squared distances are |p|^2 + |q|^2 - 2 p q, of which |p|^2 is the same for all that a row is
    compared with. So p q - |q|^2 / 2 says which are near, which is one product, of p with a 1
    behind it.
    """
    for span in _blocks(len(table)):
        places = table[span, :-1]
        table[span, -1] = -0.5 * np.einsum("ij,ij->i", places, places)


def _alike(part: np.ndarray, among: np.ndarray) -> np.ndarray:
    """How near some rows of a table are to others, the more, the nearer."""
    part = part.copy()
    part[:, -1] = 1
    return part @ among.T


def _blocks(rows: int) -> list[slice]:
    return [slice(start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS)]


class _Search:
    """Looks for neighbours of some rows among others.

    Args:
        rows: (n, width).
        table: their places in fewer dimensions, see `_complete`.
        count: how many neighbours.
        apart: see `nearest_by_cells`.
    """

    def __init__(self, rows: Rows, table: np.ndarray, count: int, apart: np.ndarray | None) -> None:
        self.distances = np.full((len(rows), count), np.inf, np.float32)
        self.found = np.zeros((len(rows), count), np.int32)
        self._rows, self._table, self._count = rows, table, count
        self._groups = None if apart is None else np.unique(apart, return_inverse=True)[1]

    def look(self, own: np.ndarray, members: np.ndarray) -> None:
        """Neighbours of rows among others, `members`, of which they are the first."""
        if self._groups is not None:  # rows of one number stand together
            own = own[np.argsort(self._groups[own], kind="stable")]
            members = members[np.argsort(self._groups[members], kind="stable")]
        taken = min(self._count + MORE, len(members))
        among, near = self._table[members], np.empty((len(own), taken), np.int64)
        step = max(1, BLOCK // len(members))
        for start in range(0, len(own), step):
            some = own[start : start + step]
            alike = _alike(self._table[some], among)
            self._set_apart(alike, start, some, members)
            best = largest(alike, taken)
            is_none = np.isneginf(np.take_along_axis(alike, best, axis=1))
            near[start : start + step] = np.where(is_none, -1, members[best])
        self._compare(own, near)

    def _set_apart(
        self, alike: np.ndarray, start: int, some: np.ndarray, members: np.ndarray
    ) -> None:
        """Rows that are no neighbours of each other are as far apart as can be."""
        if self._groups is None:
            here = np.arange(len(some))
            alike[here, start + here] = -np.inf
            return
        numbers, there = self._groups[some], self._groups[members]
        firsts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        ends = np.append(firsts[1:], len(numbers))
        sides = [np.searchsorted(there, numbers[firsts], side) for side in ("left", "right")]
        for first, end, left, right in zip(firsts, ends, *sides, strict=True):
            alike[first:end, left:right] = -np.inf

    def _compare(self, own: np.ndarray, near: np.ndarray) -> None:
        """Keep the nearest of rows, (m, taken), by all of their numbers; -1 is none."""
        is_none = near < 0
        near = np.where(is_none, own[:, None], near)
        different, places = np.unique(np.append(own, near), return_inverse=True)
        others = places[len(own) :].reshape(near.shape)
        unit = of_length_one(self._rows[different])
        step = max(1, WHOLE_BYTES // (4 * unit.shape[1] * near.shape[1]))
        kept = min(self._count, near.shape[1])
        for start in range(0, len(own), step):
            here = slice(start, start + step)
            # 1 - cosine of nearly equal rows is lost in rounding; half of the squared distance is
            # not
            away = unit[others[here]]
            away -= unit[places[: len(own)][here], None]
            distances = 0.5 * np.einsum("rtd,rtd->rt", away, away)
            distances[is_none[here]] = np.inf
            order = np.argsort(distances, axis=1, kind="stable")[:, :kept]
            rows = own[here]
            self.distances[rows, :kept] = np.take_along_axis(distances, order, axis=1)
            self.found[rows, :kept] = np.take_along_axis(near[here], order, axis=1)


def nearest_other(
    part: np.ndarray, places: np.ndarray, among: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest others of some rows of length one, from the nearest on.

    Args:
        part: the rows, (n, width).
        places: theirs in `among`, (n,).
        among: the rows with which they are compared, (m, width), more than `count`.
        count: how many.

    Returns:
        1 - cosine, (n, count) float32, and places in `among`, (n, count) int64.
    """
    alike = part @ among.T
    alike[np.arange(len(part)), places] = -np.inf
    some = largest(alike, count)
    # 1 - cosine of nearly equal rows is lost in rounding; half of the squared distance is not
    away = [0.5 * ((part - among[some[:, n]]) ** 2).sum(axis=1) for n in range(count)]
    own = np.stack(away, axis=1)
    order = np.argsort(own, axis=1, kind="stable")
    return np.take_along_axis(own, order, axis=1), np.take_along_axis(some, order, axis=1)


def _centres(places: np.ndarray, seed: int) -> np.ndarray:
    """The table, see `_complete`, of the cells' centres, found by k-means of some rows."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    cells = min(len(places), max(1, round(CELLS * len(places) ** 0.5)))
    wanted = min(len(places), ROWS_A_CENTRE * cells)
    chosen = np.sort(np.random.default_rng(seed).choice(len(places), wanted, replace=False))
    once: Any = 1  # scikit-learn 1.9 declares a string
    model = KMeans(cells, init="random", n_init=once, max_iter=STEPS, random_state=seed)
    with warnings.catch_warnings():
        # of rows that are copies of each other: their cells are empty, and nothing is missed
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(places[chosen])
    found = np.empty((cells, places.shape[1] + 1), np.float32)
    found[:, :-1] = model.cluster_centers_
    _complete(found)
    return found


def _named(part: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The centres nearest to some rows of a table, (n, NAMED) int32, the nearest first."""
    return ranked(_alike(part, centres), min(NAMED, len(centres)))[0].astype(np.int32)


def _cells_around(named: np.ndarray, starts: np.ndarray, cell: int, count: int) -> np.ndarray:
    """A cell and those that its rows name most often, (cells,): `PROBED` at most, or as many more
    as it takes for `count` others."""
    votes = np.bincount(named.ravel(), minlength=len(starts) - 1)
    votes[cell] = named.size + 1
    near = np.argsort(-votes, kind="stable")
    held = np.cumsum(np.diff(starts)[near])
    enough = int(np.searchsorted(held, count + 1)) + 1
    return near[: max(min(PROBED, np.count_nonzero(votes)), enough)]
