"""Fewer samples that stand for all: each larger part holds the smaller ones, so that what was
computed for one is there for the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.labelled import groups_of
from headstart.heads.regression import Regression
from headstart.heads.tasks import MultiLabel, Task
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS
from headstart.values.said import is_none_an_answer

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


@dataclass(frozen=True)
class Nested:
    """Samples that can be learned and tested on, of all splits alike, in an order of which any
    first rows stand for all.

    Attributes:
        rows: of the samples, (n,).
        fewest: of these that have some of each class in each split, as far as there are.
    """

    rows: np.ndarray
    fewest: int


def is_labelled(columns: SampleColumns, task: Task) -> np.ndarray:
    """Which samples have a label, bool, (n,); of several labels none at all is an answer, where any
    sample has one."""
    found = np.array([label is not None for label in columns.labels], bool)
    return np.ones_like(found) if is_none_an_answer(task) and found.any() else found


def nested(columns: SampleColumns, task: Task, least: int, seed: int) -> Nested:
    """See `Nested`; the same for the same samples, labels, splits and seed.

    Args:
        columns: all samples.
        task: what their labels mean.
        least: samples, or groups, of each class in each split that come first.
        seed: of the order.
    """
    rows = np.flatnonzero(is_labelled(columns, task))
    part, groups = columns.take(rows), groups_of(columns.take(rows))
    strata = strata_of(task, task.read(part.labels, task.find_classes(part)))
    strata = strata * len(SPLITS) + part.split_codes
    order = in_nested_order(strata, groups, least, seed)
    units = np.arange(len(rows)) if groups is None else np.unique(groups, return_inverse=True)[1]
    return Nested(rows[order], max(FEWEST, _first_of_each(strata[order], units[order], least)))


def _first_of_each(strata: np.ndarray, units: np.ndarray, least: int) -> int:
    """How many rows it takes until there are `least` units of each stratum, or all of it."""
    end = 0
    for one in np.unique(strata):
        places = np.flatnonzero(strata == one)
        own = units[places]
        first = np.sort(np.unique(own, return_index=True)[1])[:least]
        end = max(end, int(places[np.isin(own, own[first])].max()) + 1)
    return end
