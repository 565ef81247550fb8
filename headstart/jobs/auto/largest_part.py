"""The features of the default: of all samples, or of the largest part that there is time for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headstart.heads.trials.subsample import Nested
from headstart.jobs.auto.budget import Budget, OutOfTime, in_seconds
from headstart.jobs.auto.costs import KNOWN, Stopwatch
from headstart.jobs.auto.entrants import Entrant
from headstart.jobs.auto.pool import Pool
from headstart.notices import tell

WHOLE, PART = 0.9, 0.75
"""Of the time that is left, what the features of all samples may take, and those of a part where
they do not: what is left then is for trials on it."""
SOON, TENTH = 0.5, 0.1
"""Seconds behind the first batch, and share of the time, by which a pace is known where that is
less than usual."""
MORE = 1.5
"""Times the time of all features, what they and trials of others need about."""


def compute_what_fits(pool: Pool, entrant: Entrant, budget: Budget) -> None:
    """Compute the features of all samples; where these take longer than there is, of as many as
    there is time for, of each class and split a share, and leave out the others, which is told.
    What has some of each class in each split is computed however long it takes."""
    order = pool.nested
    missing = 0 if order is None else pool.missing(entrant, None)
    if order is None or order.fewest >= len(order.rows) or not missing:
        pool.compute(entrant, None)
        return
    whole, rate = _Whole(pool, entrant, budget, order), pool.cost_of(entrant).rate
    try:
        if rate is not None:  # of a run before: nothing is computed that is not taken
            whole.look(1 / rate, 0, missing)
        pool.compute(entrant, whole.rows, whole.see)
    except OutOfTime:
        _compute_part(pool, entrant, budget, order, whole)


@dataclass
class _Whole:
    """All samples, the fewest that are taken in any case first, the others as they come: so they
    lie in the cache as they are read later.

    Attributes:
        each: seconds that a sample takes, once that is known.
    """

    pool: Pool
    entrant: Entrant
    budget: Budget
    order: Nested
    each: float = 0.0

    def __post_init__(self) -> None:
        first = self.order.rows[: self.order.fewest]
        is_first = np.zeros(len(self.pool.samples), bool)
        is_first[first] = True
        self.rows = np.concatenate([first, np.flatnonzero(~is_first)])
        self._first = self.pool.missing(self.entrant, first)
        self._end = self.budget.spent + WHOLE * self.budget.left
        self._is_told = False

    def see(self, watch: Stopwatch, done: int, total: int) -> None:
        """End it where all samples take too long, and the fewest are there.

        Raises:
            OutOfTime: it is to be ended.
        """
        each = watch.each(done, min(KNOWN, max(SOON, TENTH * self.budget.seconds)))
        if each is not None and done < total:
            self.look(each, done, total)

    def look(self, each: float, done: int, total: int) -> None:
        """As `see`, by what a sample takes."""
        self.each = each
        needs = (total - done) * each
        if self.budget.spent + needs <= self._end:
            return
        if not self._is_told:
            self._is_told = True
            self._tell(needs, total)
        if done >= self._first:
            raise OutOfTime

    def _tell(self, needs: float, total: int) -> None:
        tell(
            f"the features of {self.entrant.name} take about {in_seconds(needs)} for {total:,} "
            f"samples, and {in_seconds(max(self.budget.left, 0.0))} of the "
            f"{in_seconds(self.budget.seconds)} that were given are left: as many samples are "
            "taken as there is time for, of each class and split a share. "
            f"{self.minutes(needs):g} minutes would do for all; a smaller backbone takes less"
        )

    def minutes(self, needs: float) -> float:
        """That would do, where what is missing yet takes so many seconds."""
        return max(1.0, math.ceil(MORE * (self.budget.spent + needs) / 60))


def _compute_part(
    pool: Pool, entrant: Entrant, budget: Budget, order: Nested, whole: _Whole
) -> None:
    lacking = _first_lacking(pool, entrant, order.rows)
    must, handled = int((lacking < order.fewest).sum()), 0
    end = budget.spent + PART * max(budget.left, 0.0)

    def see(_watch: Stopwatch, done: int, _total: int) -> None:
        nonlocal handled
        handled = done
        if must <= done < len(lacking) and budget.spent > end:
            raise OutOfTime

    try:
        see(Stopwatch(), 0, len(lacking))
        pool.compute(entrant, order.rows, see)
        return  # it was faster than it had seemed
    except OutOfTime:
        left = (len(lacking) - handled) * whole.each
        pool.take(int(lacking[handled]), left, whole.minutes(left))


def _first_lacking(pool: Pool, entrant: Entrant, rows: np.ndarray) -> np.ndarray:
    """Places, among some rows of the samples, of those whose features are missing; of equal
    contents the first."""
    samples = pool.samples.take(rows)
    first = samples.first_rows
    return first[pool.are_missing(entrant, samples.take(first))]
