"""Which rows are meant by what stands in brackets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def row_numbers(rows: slice | Sequence[int] | np.ndarray | bool, count: int) -> np.ndarray:
    """The numbers of rows, (n,), that an array of `count` is to be indexed with, as
    `np.arange(count)[rows]`, which makes all of them first. Where numbers are given they come
    back: indexing takes those below 0 from the end, and refuses what is not there.

    Raises:
        IndexError: one is not there, or they are not one-dimensional.
    """
    if isinstance(rows, slice):
        return np.arange(*rows.indices(count))
    given = np.asarray(rows)
    if given.dtype == np.int64 and given.ndim == 1 and len(given) > 0:
        return given
    found = np.arange(count)[rows]
    if found.ndim != 1:
        raise IndexError("rows are one-dimensional: give a number, a slice, or numbers (n,)")
    return found


def row_number(row: int | np.integer, count: int) -> int:
    """The number of a row, which may be told from the end.

    Raises:
        IndexError: it is not there.
    """
    if not -count <= row < count:
        raise IndexError(f"there is no row {row} among {count:,}")
    return int(row) % count
