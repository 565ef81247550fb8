"""Samples that are nearly the same, by their features and by how their pictures look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.dense_stack import flat
from headstart.heads.nearest import AT_ONCE, nearest_by_cells, nearest_other
from headstart.heads.origins import origin_of
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows, less
from headstart.heads.standardisation import one_thread_a_core

NEAR = 0.13
"""Two samples are near duplicates if they are nearer than this share of the distance to their
`AROUND`th nearest; Cleanlab's Datalab takes as much of the median distance to the nearest, which is
no measure where most samples have a twin."""
AROUND = 5
"""The neighbour that stands for those around; of samples with so many copies none is found."""
RANKS = 16
"""Nearest samples of which the dimension is estimated."""
BY_CHANCE = 1.0
"""Samples that may have a near duplicate by chance alone, of all."""
BITS = 3
"""Of 64, in which hashes of pictures may differ that look alike; of unrelated ones 32 do."""
DETAIL = 8
"""Bits of 64 that are set, or not, in a picture of more than one tone."""
EXACT = 30_000
"""Rows of which all pairs are compared: a quarter of a minute on two cores."""


def compares_all(count: int) -> bool:
    """Whether all pairs of so many rows are compared; else each with those around it."""
    return count <= EXACT


@dataclass(frozen=True)
class NearPair:
    """Two samples that are nearly the same; `distance` is 1 - cosine of their features."""

    first: int
    second: int
    distance: float


def find_near_duplicates(features: Rows, near: float = NEAR) -> list[NearPair]:
    """Pairs of rows that are nearly the same, the nearest first.

    Each is among the `AROUND` nearest of the other, and much nearer than that neighbour. How much
    is decided by chance: in m dimensions the nearest of k neighbours has less than a share x of the
    distance of the k-th with probability 1 - (1 - x^m)^(k - 1), where density is the same around
    (Clark and Evans: Distance to nearest neighbor, 1954; m by how distances grow with their rank,
    as Levina and Bickel: Maximum likelihood estimation of intrinsic dimension, 2004). x is such
    that `BY_CHANCE` samples of all are that near by chance, and `near` at most. So in few
    dimensions, where many samples are near each other by chance, twins have to be nearer; whether
    none, half or all of the samples have a twin makes no difference.

    Of more than `EXACT` rows nearly all of them, see `nearest`. Columns that lie far from zero are
    moved there first: float32 would not tell angles apart.

    Args:
        features: (n, width).
        near: the largest share of the distance to the neighbour around; see `NEAR`.
    """
    if len(features) < 2:
        return []
    if isinstance(features, np.ndarray):
        features = flat(features).astype(np.float32, copy=False)
    if (origin := origin_of(features)) is not None:  # from zero, all are in one direction
        features = less(features, origin)
    distances, rows = nearest(features, min(RANKS, len(features) - 1))
    around = distances[:, :AROUND][:, -1]
    limit = min(near, _share_by_chance(distances))
    found: dict[tuple[int, int], float] = {}
    for place in range(min(AROUND, distances.shape[1])):
        other, own = rows[:, place], distances[:, place]
        for row in np.flatnonzero(own <= limit * np.minimum(around, around[other])).tolist():
            pair = (min(row, int(other[row])), max(row, int(other[row])))
            found[pair] = float(own[row])
    return [
        NearPair(first, second, distance)
        for (first, second), distance in sorted(found.items(), key=lambda item: (item[1], item[0]))
    ]


def find_alike(hashes: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of pictures that look alike, by number: their hashes differ in `BITS` at most.

    Args:
        hashes: uint64, (n,); see `difference_hash`. Those of hardly any detail say nothing.
    """
    detail = np.bitwise_count(hashes)
    rows = np.flatnonzero((detail >= DETAIL) & (detail <= 64 - DETAIL))
    some, found = hashes[rows], set[tuple[int, int]]()
    # Of so many pieces one at least is the same, wherever the bits are that differ (the pigeonhole
    # principle; Manku, Jain, Das Sarma: Detecting near-duplicates for web crawling, 2007).
    for piece in range(BITS + 1):
        keys = some >> np.uint64(64 // (BITS + 1) * piece) & np.uint64((1 << 64 // (BITS + 1)) - 1)
        order = np.argsort(keys, kind="stable")
        for same in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            found.update(_alike_among(some, same))
    return [(int(rows[first]), int(rows[second])) for first, second in sorted(found)]


def _alike_among(hashes: np.ndarray, chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of some hashes that differ in `BITS` at most, by number, each in order."""
    own, step = hashes[chosen], max(1, AT_ONCE // max(len(chosen), 1))
    for start in range(0, len(own) if len(own) > 1 else 0, step):
        part = own[start : start + step]
        firsts, seconds = np.nonzero(np.bitwise_count(part[:, None] ^ own) <= BITS)
        ahead = firsts + start < seconds
        pairs = np.sort(chosen[np.stack([firsts[ahead] + start, seconds[ahead]], axis=1)], axis=1)
        yield from map(tuple, pairs.tolist())


def nearest(rows: Rows, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows of each by the angle, from the nearest on; of more than `EXACT` rows
    nearly always those, see `nearest_by_cells`.

    Blocks of all similarities are computed one after the other, by the processor's matrix product.

    Args:
        rows: (n, width), float32.
        count: how many, less than n.

    Returns:
        1 - cosine, (n, count) float32, and which rows, (n, count) int32.
    """
    if not compares_all(len(rows)):
        return nearest_by_cells(rows, count)
    unit = of_length_one(rows[:])
    total, step = len(unit), max(1, AT_ONCE // cores() // len(unit))
    distances, found = np.empty((total, count), np.float32), np.empty((total, count), np.int32)

    def look(start: int) -> None:
        here = np.arange(start, min(start + step, total))
        distances[here], found[here] = nearest_other(unit[here], here, unit, count)

    with one_thread_a_core() as pool:
        list(pool.map(look, range(0, total, step)))
    return distances, found


def _share_by_chance(distances: np.ndarray) -> float:
    """Which share of the distance to the neighbour around so few samples are within by chance.

    The dimension is that of the ranks at which distances grow least: twins are nearer than their
    dimension has it, and the end of a small cluster is further.
    """
    ranks = range(3, distances.shape[1] // 2 + 1)
    grown = [
        np.median(distances[:, 2 * n - 1]) / np.median(distances[:, n - 1])
        for n in ranks
        if np.median(distances[:, n - 1]) > 0
    ]
    if not grown:
        return 0.0  # so few samples, or so many copies: only what is equal
    dimension = math.log(2) / max(math.log(min(grown)), 1e-9)
    chance = min(BY_CHANCE / len(distances), 1.0)
    return (1 - (1 - chance) ** (1 / (AROUND - 1))) ** (1 / dimension)
