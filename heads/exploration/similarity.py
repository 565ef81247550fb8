"""The rows most similar to others by the cosine."""

from __future__ import annotations

import numpy as np

from headstart.heads.largest import largest
from headstart.heads.projection import lengths_of, of_length_one
from headstart.heads.rows import Rows, spans_of_rows

AT_ONCE = 1 << 22
"""Cosines that are in memory at a time."""


def most_similar(
    queries: np.ndarray, rows: Rows, count: int, lengths: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose angle to each query is the smallest, the most similar first; all rows are
    compared, in blocks, so that rows on the disk are read once whatever the number of queries.

    Args:
        queries: (q, width).
        rows: (n, width), float32.
        count: how many; n at most are given.
        lengths: of the rows, (n,) float32, where somebody asks again: those that are NaN are not
            known yet, and are put in.

    Returns:
        Cosines, (q, k) float32, and which rows, (q, k) int64; of equal ones the first row first. A
        row of length 0 has the cosine 0 to everything.
    """
    asked = of_length_one(queries.astype(np.float32, copy=False))
    kept = min(count, len(rows))
    cosines = np.full((len(asked), kept), -np.inf, np.float32)
    found = np.full((len(asked), kept), -1, np.int64)
    known = np.full(len(rows), np.nan, np.float32) if lengths is None else lengths
    for span in spans_of_rows(rows):
        block = rows[span]
        if np.isnan(known[span]).any():
            known[span] = lengths_of(block)
        own = np.where(known[span] > 0, known[span], np.float32(1))
        step = max(1, AT_ONCE // (len(block) + kept))
        for start in range(0, len(asked), step):
            here = slice(start, start + step)
            alike = np.concatenate([cosines[here], asked[here] @ block.T / own], axis=1)
            best = _first_largest(alike, kept)
            numbers = best + (span.start - kept)
            old = best < kept
            numbers[old] = np.take_along_axis(found[here], np.where(old, best, 0), axis=1)[old]
            cosines[here], found[here] = np.take_along_axis(alike, best, axis=1), numbers
    return cosines, found


def _first_largest(values: np.ndarray, count: int) -> np.ndarray:
    """Which are the largest of each row, (n, count), from the first on; of equal ones the first."""
    which = np.sort(largest(values, count), axis=1)
    some = np.take_along_axis(values, which, axis=1)
    least = some.min(axis=1, keepdims=True)
    # of those as large as the last of them any may have been taken
    tied = np.flatnonzero((values == least).sum(axis=1) > (some == least).sum(axis=1))
    for row in tied.tolist():
        above = np.flatnonzero(values[row] > least[row])
        equal = np.flatnonzero(values[row] == least[row])[: count - len(above)]
        which[row] = np.sort(np.append(above, equal))
    some = np.take_along_axis(values, which, axis=1)
    return np.take_along_axis(which, np.argsort(-some, axis=1, kind="stable"), axis=1)
