"""A few rows to which all others are near."""

from __future__ import annotations

import numpy as np

from headstart.heads.origins import origin_of
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows, less, spans_of_rows


def cover(features: Rows, count: int, known: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Rows such that the furthest of all others is near one of them: each is the row furthest from
    those taken before it. The largest angle is at most twice what the best choice would leave,
    which is about four times 1 - cosine (Gonzalez: Clustering to minimize the maximum intercluster
    distance, 1985). It is the core set of Sener and Savarese: Active learning for convolutional
    neural networks, ICLR 2018.

    Args:
        features: (n, width); read once for each row that is taken.
        count: how many rows; fewer where no others differ from those.
        known: rows that are taken already, such as those with a label, (k,); without any, the row
            nearest to the mean begins.

    Returns:
        The rows in the order in which they were taken, (count,) int64, without `known`; and the
        largest distance that is left, 1 - cosine.
    """
    if (origin := origin_of(features)) is not None:
        features = less(features, origin)
    away = np.full(len(features), np.inf)
    taken: list[int] = []
    if known is not None and len(known):
        for part in np.array_split(known, -(-len(known) // KNOWN_AT_ONCE)):
            _come_nearer(features, part, away)
    while len(taken) < min(count, len(features)):
        if not away.any():  # whatever is left is a copy
            break
        is_first = not taken and np.isinf(away).all()
        row = _central(features) if is_first else int(away.argmax())
        taken.append(row)
        _come_nearer(features, np.array([row]), away)
    left = float(away.max()) if len(away) and not np.isinf(away).all() else float("inf")
    return np.array(taken, np.int64), left


KNOWN_AT_ONCE = 512
"""Known rows that all others are compared with in one reading."""


def _come_nearer(features: Rows, rows: np.ndarray, away: np.ndarray) -> None:
    """Of each row the distance to the nearest taken one, now that `rows` are."""
    chosen = of_length_one(features[np.sort(rows)])
    for span in spans_of_rows(features):
        alike = (of_length_one(features[span]) @ chosen.T).max(axis=1)
        here = np.maximum(1 - alike.astype(np.float64), 0)
        here[here < ROUNDING] = 0
        away[span] = np.minimum(away[span], here)
    away[rows] = 0


ROUNDING = 1e-6
"""Of 1 - cosine in float32, below which two rows are copies of each other."""


def _central(features: Rows) -> int:
    """The row with the smallest angle to the mean direction."""
    spans = spans_of_rows(features)
    mean = sum(of_length_one(features[span]).sum(axis=0, dtype=np.float64) for span in spans)
    centre = np.asarray(mean, np.float32)
    alike = [of_length_one(features[span]) @ centre for span in spans]
    return int(np.concatenate(alike).argmax())
