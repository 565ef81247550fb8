"""The rows most similar to others by the cosine."""

from __future__ import annotations

import numpy as np

from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows, spans_of_rows


def most_similar(queries: np.ndarray, rows: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose angle to each query is the smallest, the most similar first; all rows are
    compared, in blocks, so that rows on the disk are read once whatever the number of queries.

    Args:
        queries: (q, width).
        rows: (n, width), float32.
        count: how many; n at most are given.

    Returns:
        Cosines, (q, k) float32, and which rows, (q, k) int64; of equal ones the first row first. A
        row of length 0 has the cosine 0 to everything.
    """
    asked = of_length_one(queries.astype(np.float32, copy=False))
    cosines = np.empty((len(asked), 0), np.float32)
    found = np.empty((len(asked), 0), np.int64)
    for span in spans_of_rows(rows):
        alike = asked @ of_length_one(rows[span]).T
        numbers = np.broadcast_to(np.arange(span.start, span.stop), alike.shape)
        cosines, found = _best(
            np.concatenate([cosines, alike], axis=1),
            np.concatenate([found, numbers], axis=1),
            count,
        )
    return cosines, found


def _best(cosines: np.ndarray, numbers: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` largest of each row with their numbers; earlier columns win among equals."""
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(numbers, order, axis=1)
