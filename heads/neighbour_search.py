"""The nearest of some rows among others, by their places first and then by all of their numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from headstart.heads.cells import Places, WholePlaces, alike
from headstart.heads.largest import largest
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows

BLOCK = 1 << 21
"""Similarities that a thread has at a time: what is made of them stays in a core's cache."""
MORE = 24
"""Rows that are compared whole beyond those that are wanted. Of 100,000 of 768 numbers, folded from
32 with noise, .991 of the 16 nearest are among so many, of .994 that are in the cells; among 8 more
are .957."""
WHOLE_BYTES = 2 << 20
"""Of rows that are compared whole at a time."""
ALL_ROWS = 4096
"""Of all rows, those with which some are compared at a time."""


class Search:
    """Looks for neighbours of some rows among others.

    Args:
        rows: (n, width).
        count: how many neighbours.
        apart: see `nearest_by_cells`.
    """

    def __init__(self, rows: Rows, count: int, apart: np.ndarray | None) -> None:
        self._rows, self._count = rows, count
        self._groups = None if apart is None else np.unique(apart, return_inverse=True)[1]

    def look(
        self, places: Places, own: np.ndarray, members: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of rows, (m,), among others, `members`, of which they are the first, by their
        places: 1 - cosine and which, (m, count) each."""
        order = np.arange(len(own))
        if self._groups is not None:  # rows of one number stand together
            order = np.argsort(self._groups[own], kind="stable")
            members = members[np.argsort(self._groups[members], kind="stable")]
        ordered = own[order]
        taken = min(self._count + MORE, len(members))
        among, near = places[members], np.empty((len(own), taken), np.int64)
        table = places[ordered]
        step = max(1, BLOCK // len(members))
        for start in range(0, len(own), step):
            some = ordered[start : start + step]
            values = alike(table[start : start + step], among)
            self._set_apart(values, start, some, members)
            near[order[start : start + step]] = self._best(values, members, taken)
        return self._compare(own, near)

    def look_among_all(
        self, own: np.ndarray, pool: ThreadPoolExecutor
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `look`, among all rows, which are read once, by all of their numbers."""
        places = WholePlaces(self._rows)
        table = places[own]

        def best(start: int) -> tuple[np.ndarray, np.ndarray]:
            members = np.arange(start, min(start + ALL_ROWS, len(places)))
            values = alike(table, places[start : start + ALL_ROWS])
            numbers = np.arange(len(places)) if self._groups is None else self._groups
            values[numbers[own][:, None] == numbers[members]] = -np.inf
            near = self._best(values, members, min(self._count + MORE, len(members)))
            return near, np.take_along_axis(values, np.maximum(near - start, 0), axis=1)

        parts = list(pool.map(best, range(0, len(places), ALL_ROWS)))
        near = np.concatenate([part[0] for part in parts], axis=1)
        values = np.concatenate([part[1] for part in parts], axis=1)
        values[near < 0] = -np.inf
        some = largest(values, min(self._count + MORE, near.shape[1]))
        return self._compare(own, np.take_along_axis(near, some, axis=1))

    def _best(self, values: np.ndarray, members: np.ndarray, taken: int) -> np.ndarray:
        """The members that are most alike, (m, taken); -1 is none."""
        best = largest(values, taken)
        is_none = np.isneginf(np.take_along_axis(values, best, axis=1))
        return np.where(is_none, -1, members[best])

    def _set_apart(
        self, values: np.ndarray, start: int, some: np.ndarray, members: np.ndarray
    ) -> None:
        """Rows that are no neighbours of each other are as far apart as can be."""
        if self._groups is None:
            here = np.arange(len(some))
            values[here, start + here] = -np.inf
            return
        numbers, there = self._groups[some], self._groups[members]
        firsts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        ends = np.append(firsts[1:], len(numbers))
        sides = [np.searchsorted(there, numbers[firsts], side) for side in ("left", "right")]
        for first, end, left, right in zip(firsts, ends, *sides, strict=True):
            values[first:end, left:right] = -np.inf

    def _compare(self, own: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of rows, (m, taken), by all of their numbers; -1 is none."""
        distances = np.full((len(own), self._count), np.inf, np.float32)
        found = np.zeros((len(own), self._count), np.int32)
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
            halves = 0.5 * np.einsum("rtd,rtd->rt", away, away)
            halves[is_none[here]] = np.inf
            order = np.argsort(halves, axis=1, kind="stable")[:, :kept]
            distances[here, :kept] = np.take_along_axis(halves, order, axis=1)
            found[here, :kept] = np.take_along_axis(near[here], order, axis=1)
        return distances, found
