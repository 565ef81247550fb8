"""The nearest others of each row by the angle, where there are too many for all pairs.

Comparing all pairs of n rows takes n^2 products, 1.5e15 operations for a million of 768 numbers.
`nearest_by_cells` takes about n^1.5, of fewer numbers: rows are put into cells around some centres
(k-means), and each is compared with those of its own cell and of the cells around it, an inverted
file (Jégou, Douze, Schmid: Product quantization for nearest neighbor search, TPAMI 2011, section
IV), in few dimensions (`projection.py`). The nearest of those are compared whole. All of it is
matrix products of float32, and the same for the same rows whatever the number of threads.

Few dimensions need not tell neighbours: classes may span more of them, and the loudest directions
may say nothing. So some rows are compared with all. Where their neighbours lie beyond the cells
around, more cells are looked into; where few dimensions still miss many of them, all numbers of the
rows count, in the choice of cells as well.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import xxhash

from headstart.heads.cells import Cells, Places, WholePlaces, complete
from headstart.heads.largest import largest
from headstart.heads.neighbour_search import Search
from headstart.heads.projection import Projection, of_length_one
from headstart.heads.rows import Rows, some_of, spans_of_rows
from headstart.heads.standardisation import one_thread_a_core
from headstart.notices import warn

AT_ONCE = 16_000_000
"""Similarities that are in memory at a time, where all pairs are compared."""
DRAWN = 256
"""Rows that are compared with all."""
AS_GOOD = 0.99
"""Of the neighbours of those that are in the cells, what is to be found in few dimensions."""
FOUND = 0.9
"""Of their neighbours, what is to be found, or it is told."""
FURTHER = 4
"""Times as many cells are looked into where so much is not, of those that its rows name."""
WORK = 2e13
"""Products of numbers: more are not made to find more. A minute or two on two cores; a million rows
of 768 numbers, by all of them in the cells around, take 1.2e13."""
EQUAL = 1e-4
"""By so much, relatively, distances of the same rows differ in rounding."""


def nearest_by_cells(
    rows: Rows,
    count: int,
    *,
    apart: np.ndarray | None = None,
    seed: int = 0,
    of: str = "these features",
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows of each by the angle, from the nearest on, of those in the cells
    around it: nearly always the nearest of all, where features lie in clusters or in few
    dimensions, and what is much nearer than all else nearly always, wherever they lie.

    Args:
        rows: (n, width), float32; if they are on the disk, they are read some times over.
        count: how many; no more than half of sqrt(n).
        apart: numbers, (n,): rows of one number are no neighbours of each other.
        seed: of the centres, and of rows that are compared with all, to see what is missed.
        of: what the features are called in a warning where much is missed.

    Of rows of one content, and one number, `count` others are enough: further ones are left out,
    and have the neighbours of the first. So a cell is not as large as its content is frequent.

    Returns:
        1 - cosine, (n, count) float32, infinite where there were no more; and which rows, (n,
        count) int32.
    """
    first, before = _copies(rows, apart)
    kept = np.flatnonzero(before <= count)
    if len(kept) == len(rows):
        return _by_cells(rows, count, apart, seed, of)
    groups = None if apart is None else apart[kept]
    distances, found = _by_cells(some_of(rows, kept), count, groups, seed, of)
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
    rows: Rows, count: int, apart: np.ndarray | None, seed: int, of: str
) -> tuple[np.ndarray, np.ndarray]:
    """See `nearest_by_cells`, whatever is often there."""
    import sklearn.cluster  # so that its threads are limited as well: they add up in any order

    assert sklearn.cluster
    distances = np.empty((len(rows), count), np.float32)
    found = np.empty((len(rows), count), np.int32)
    search = Search(rows, count, apart)
    with one_thread_a_core() as pool:
        drawn = _Drawn.of(search, len(rows), seed, pool)
        places, cells, share = _way(rows, search, drawn, seed, pool)

        def look(cell: int) -> None:
            own = cells.own(cell)
            if len(own):
                members = cells.around(cell, count)
                distances[own], found[own] = search.look(places, own, members)

        list(pool.map(look, range(len(cells))))
    if share < FOUND:
        warn(
            f"only about {share:.0%} of the {count} nearest neighbours by {of} are found, as "
            f"{len(drawn.rows)} samples say that were compared with all {len(rows):,}: they lie in "
            "no clear clusters; with a smaller limit all pairs are compared"
        )
    return distances, found


def _way(
    rows: Rows, search: Search, drawn: _Drawn, seed: int, pool: ThreadPoolExecutor
) -> tuple[Places, Cells, float]:
    """Places by which neighbours are looked for, in few dimensions if those tell them, their cells,
    and which share of the neighbours is found so."""
    projection = Projection.of(rows, seed)
    table = np.empty((len(rows), projection.dimensions + 1), np.float32)
    projection.put(rows, table[:, :-1], pool)
    complete(table)
    cells, reached, share = _wide_enough(Cells.of(table, seed, pool), search, drawn, table, pool)
    if share >= FOUND and share >= AS_GOOD * reached:
        return table, cells, share
    del table
    whole = WholePlaces(rows)
    cells, _, share = _wide_enough(Cells.of(whole, seed, pool), search, drawn, whole, pool)
    return whole, cells, share


def _wide_enough(
    cells: Cells, search: Search, drawn: _Drawn, places: Places, pool: ThreadPoolExecutor
) -> tuple[Cells, float, float]:
    """Cells, of which more are looked into where too many neighbours lie beyond those; and which
    share of the neighbours lies in them, and is found."""
    reached, share = drawn.found_in(search, places, cells, pool)
    further = replace(cells, probed=FURTHER * cells.probed)
    work = len(places) ** 2 * further.probed / len(cells) * places.shape[1]
    if reached >= FOUND or work > WORK:  # what is not found is not told by these places, or told
        return cells, reached, share
    return further, *drawn.found_in(search, places, further, pool)


@dataclass(frozen=True)
class _Drawn:
    """Some rows with their neighbours among all.

    Attributes:
        rows: which, (m,).
        distances: to the neighbours, (m, count); infinite where there were no more.
        found: the neighbours, (m, count).
    """

    rows: np.ndarray
    distances: np.ndarray
    found: np.ndarray

    @staticmethod
    def of(search: Search, count: int, seed: int, pool: ThreadPoolExecutor) -> _Drawn:
        """Of `count` rows some, chosen by seed."""
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.choice(count, min(count, DRAWN), replace=False))
        return _Drawn(rows, *search.look_among_all(rows, pool))

    def found_in(
        self, search: Search, places: Places, cells: Cells, pool: ThreadPoolExecutor
    ) -> tuple[float, float]:
        """Which share of the neighbours lies in the cells around, and which is found there, or
        others that are as near."""
        count = self.found.shape[1]
        is_in, is_found = np.zeros(self.found.shape, bool), np.zeros(self.found.shape, bool)
        own_cells = cells.named[self.rows, 0]

        def look(cell: int) -> None:
            here = np.flatnonzero(own_cells == cell)
            own, members = self.rows[here], cells.around(cell, count)
            is_in[here] = np.isin(self.found[here], members)
            members = np.concatenate([own, members[~np.isin(members, own)]])
            distances, _ = search.look(places, own, members)
            limit = np.where(np.isfinite(self.distances[here]), self.distances[here], -1)
            limit = limit * (1 + EQUAL) + np.finfo(np.float32).eps
            is_found[here] = distances <= limit.max(axis=1, keepdims=True)

        list(pool.map(look, np.unique(own_cells).tolist()))
        are_there = np.isfinite(self.distances)
        if not are_there.any():
            return 1.0, 1.0
        return float(is_in[are_there].mean()), float(is_found[are_there].mean())


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
