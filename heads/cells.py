"""Rows in cells around centres, and which cells lie around each.

Cells are made of places: in fewer dimensions (`projection.py`), an array, or by all numbers of the
rows, see `WholePlaces`. Behind each place stands a number more, see `complete`.
"""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.largest import ranked
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows

BLOCK_ROWS = 1024
"""Whose cells are looked for at a time."""
CELLS = 2.0
"""Times sqrt(n): so many cells there are."""
PROBED = 32
"""Cells in which neighbours are looked for, as a rule."""
NAMED = 8
"""Centres nearest to a row by which it says what those cells are."""
ROWS_A_CENTRE = 40
"""Of which centres are found, by k-means in `STEPS` steps."""
STEPS = 8


class WholePlaces:
    """Rows of length one, by all of their numbers, made when they are sliced."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.shape = (len(rows), rows.shape[1] + 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: slice | np.ndarray) -> np.ndarray:
        unit = of_length_one(self._rows[which])
        table = np.empty((len(unit), unit.shape[1] + 1), np.float32)
        table[:, :-1] = unit
        complete(table)
        return table


Places = np.ndarray | WholePlaces
"""(n, dimensions + 1) float32; all are sliced alike."""


@dataclass(frozen=True)
class Cells:
    """Attributes:
    named: the centres nearest to each row, (n, NAMED) int32: the first is its cell.
    order: rows, (n,) int32, those of one cell behind each other.
    starts: where each cell begins there, and the end of the last.
    probed: cells in which the neighbours of a cell's rows are looked for, its own among them.
    """

    named: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    probed: int = PROBED

    @staticmethod
    def of(places: Places, seed: int, pool: ThreadPoolExecutor) -> Cells:
        """Around centres of some rows, chosen by seed."""
        centres = _centres(places, seed)
        parts = pool.map(lambda own: _named(places[own], centres), blocks(len(places)))
        named = np.concatenate(list(parts))
        order = np.argsort(named[:, 0], kind="stable").astype(np.int32)
        return Cells(named, order, np.searchsorted(named[order, 0], np.arange(len(centres) + 1)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def own(self, cell: int) -> np.ndarray:
        """The rows of a cell."""
        return self.order[self.starts[cell] : self.starts[cell + 1]]

    def around(self, cell: int, count: int) -> np.ndarray:
        """The rows of a cell, which come first, and of those that its rows name
        most often: `count` others at least."""
        votes = np.bincount(self.named[self.own(cell)].ravel(), minlength=len(self))
        votes[cell] = self.named.size + 1
        near = np.argsort(-votes, kind="stable")
        held = np.cumsum(np.diff(self.starts)[near])
        enough = int(np.searchsorted(held, count + 1)) + 1
        near = near[: max(min(self.probed, np.count_nonzero(votes)), enough)]
        return np.concatenate([self.own(one) for one in near.tolist()])


def complete(table: np.ndarray) -> None:
    """Fill the last column.

    Squared distances are |p|^2 + |q|^2 - 2 p q, of which |p|^2 is the same for all that a row is
    compared with. So p q - |q|^2 / 2 says which are near, which is one product, of p with a 1
    behind it.
    """
    for span in blocks(len(table)):
        places = table[span, :-1]
        table[span, -1] = -0.5 * np.einsum("ij,ij->i", places, places)


def alike(part: np.ndarray, among: np.ndarray) -> np.ndarray:
    """How near some rows of a table are to others, the more, the nearer."""
    part = part.copy()
    part[:, -1] = 1
    return part @ among.T


def blocks(rows: int) -> list[slice]:
    return [slice(start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS)]


def _centres(places: Places, seed: int) -> np.ndarray:
    """The table, see `complete`, of the cells' centres, found by k-means of some rows."""
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
        model.fit(places[chosen][:, :-1])
    found = np.empty((cells, model.cluster_centers_.shape[1] + 1), np.float32)
    found[:, :-1] = model.cluster_centers_
    complete(found)
    return found


def _named(part: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The centres nearest to some rows of a table, (n, NAMED) int32, the nearest first."""
    return ranked(alike(part, centres), min(NAMED, len(centres)))[0].astype(np.int32)
