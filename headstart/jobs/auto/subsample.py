"""Fewer samples that stand for all: each larger part holds the smaller ones, so that what was
computed for one is there for the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.heads.regression import Regression
from headstart.heads.tasks import MultiLabel, Task

FEWEST, GROWTH = 100, 3
"""Rows of the smallest part, and how many times as large the next is (eta of the halving)."""
QUARTERS = (0.25, 0.5, 0.75)


def sizes_of(rows: int, fewest: int = FEWEST) -> list[int]:
    """Rows of each part, from the smallest to all: a third each of the next one."""
    found = [rows]
    while found[0] // GROWTH >= fewest:
        found.insert(0, found[0] // GROWTH)
    return found


def strata_of(task: Task, targets: np.ndarray) -> np.ndarray:
    """Of what each row is an example, so that a part has its share of each, (n,) int64: classes; of
    several labels the rarest of what is on it and of what is not; of numbers the quarter in which
    the first lies.

    Args:
        task: what the labels mean.
        targets: as the task reads them.
    """
    if isinstance(task, Regression):
        return np.searchsorted(np.quantile(targets[:, 0], QUARTERS), targets[:, 0])
    if not isinstance(task, MultiLabel):
        return targets
    sides = np.concatenate([targets > 0, targets == 0], axis=1)
    how_often = np.where(sides, sides.sum(axis=0), len(targets) + 1)
    return np.unique(how_often.argmin(axis=1), return_inverse=True)[1]


def in_nested_order(
    targets: np.ndarray, groups: Sequence[str] | None, least: int, seed: int
) -> np.ndarray:
    """Row numbers such that the first few are a stratified sample of all, (n,).

    Rows of one group follow each other. The first rows hold `least` groups of each class, so that
    each fold has one; behind them each class comes with its share.

    Args:
        targets: class numbers, (n,), or what else there is to be a share of; see `strata_of`.
        groups: of each row; None where each is on its own.
        least: groups of each class that come first.
        seed: of the order within a class.
    """
    units = np.arange(len(targets))
    if groups is not None:
        units = np.unique(np.asarray(groups, object).astype(str), return_inverse=True)[1]
    first = np.unique(units, return_index=True)[1]
    own = targets[first]
    mixed = np.random.default_rng(seed).permutation(len(first))
    turn = np.empty(len(first), np.float64)
    for one in np.unique(own):
        members = mixed[own[mixed] == one]
        place = np.arange(len(members))
        turn[members] = np.where(place < least, -1.0, (place + 0.5) / len(members))
    order = mixed[np.argsort(turn[mixed], kind="stable")]
    place_of = np.empty(len(first), np.int64)
    place_of[order] = np.arange(len(first))
    return np.argsort(place_of[units], kind="stable")
