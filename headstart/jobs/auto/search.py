"""Successive halving over features, then over kinds of heads: few samples first, the cheapest
backbones first, and what is not among the best third is left out before more samples are computed.

Jamieson and Talwalkar: Non-stochastic best arm identification and hyperparameter optimization,
2016. What is counted here are seconds: of a backbone those of its samples by its measured rate, of
a kind of heads those of its fits on fewer samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headstart.errors import HeadError, HeadstartError, SampleUnreadable
from headstart.heads.kind import HeadKind
from headstart.heads.trials.subsample import GROWTH
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import Budget, OutOfTime, in_seconds
from headstart.jobs.auto.entrants import Entrant
from headstart.jobs.auto.kinds import KindTrials
from headstart.jobs.auto.largest_part import compute_what_fits
from headstart.jobs.auto.pool import Pool
from headstart.jobs.auto.race import LEAST_KEPT, SETTLED, Race
from headstart.origins.blocks import Blocks, check_common_input
from headstart.registry.entities import Dataset

ON_FEATURES = 2
"""The best features, on which other kinds than the default's are tried."""
SHARE = 0.5
"""Of the time that is left, what is put on one backbone that nothing is known of yet."""


@dataclass(frozen=True)
class Runner:
    """Features that are in the race."""

    entrant: Entrant
    blocks: Blocks


class Search:
    """One search.

    Args:
        dataset: on which.
        pool: the features.
        attempts: where heads are tried.
        budget: the time that there is.
        kinds: names of kinds of heads that are tried; all without them.

    Attributes:
        pool: the features.
        default: those of the default head, once it was tried.
    """

    def __init__(
        self,
        dataset: Dataset,
        pool: Pool,
        attempts: Attempts,
        budget: Budget,
        kinds: Sequence[str] = (),
    ) -> None:
        self._wanted = kinds
        self._dataset, self.pool = dataset, pool
        self._attempts, self._budget = attempts, budget
        self.default: Blocks | None = None
        self._whole = dict[str, tuple[Runner, int]]()

    @cached_property
    def _race(self) -> Race:
        """Of the samples that are taken once the default's features are there."""
        return Race(self._dataset, self.pool, self._attempts, self._budget)

    @property
    def _default_kind(self) -> HeadKind:
        return self.pool.default_kind

    def begin(self, entrants: Sequence[Entrant]) -> list[Entrant]:
        """Try the default: a linear head, of numbers a ridge head, on the first backbone that takes
        the samples, on all of them, or on as many as there is time for; gives the entrants that are
        left.

        Raises:
            HeadError: none takes them.
            HeadstartError: one does, and cannot read some, or was asked for a cut that it has not.
        """
        for place, entrant in enumerate(entrants):
            try:
                compute_what_fits(self.pool, entrant, self._budget)
                blocks = self.pool.blocks(entrant)[0]
            except HeadstartError as error:
                if self.pool.takes_some(entrant, error):
                    raise
                self._attempts.drop(entrant.name, self._refusal(error, takes=False))
                continue
            number = self._attempts.make(blocks, [self._default_kind], None)
            self._attempts.judge(number, "the default")
            self.default = blocks
            self._whole[blocks.name] = Runner(entrant, blocks), number
            return list(entrants[place:])
        told = f": {self._attempts.dropped[-1].why}" if self._attempts.dropped else ""
        raise HeadError(
            f"no backbone here takes the samples of {self._dataset.name!r}{told}",
            hint="Add one that does with `headstart backbone add`; `--download` lets those of the "
            "zoo be fetched, which are for pictures.",
        )

    def features(self, entrants: Sequence[Entrant]) -> None:
        """Heads as the default on the features of all backbones, on more and more samples."""
        going: list[Entrant | Runner] = list(entrants)
        is_one = len(entrants) == 1 and self.default is not None
        count = len(self.pool.blocks(entrants[0])) if is_one else len(entrants) + LEAST_KEPT
        sizes = self._race.sizes_for(count)
        for size in sizes:
            rows, done = self._race.rows(size), list[tuple[Runner, int]]()
            for one in going:
                done += self._tried(one, rows, size)
            if size == sizes[-1]:
                self._whole |= {runner.blocks.name: (runner, number) for runner, number in done}
            else:
                going = list(self._kept(done, sizes[sizes.index(size) + 1]))

    def _tried(
        self, one: Entrant | Runner, rows: np.ndarray | None, size: int
    ) -> list[tuple[Runner, int]]:
        """Features of a backbone, or those that went on, with such heads; none where it would
        take too long or cannot be done."""
        entrant = one if isinstance(one, Entrant) else one.entrant
        if self._attempts.is_settled:
            self._leave(entrant)
            return []
        if not self._is_ready(entrant, rows):
            return []
        every = self.pool.blocks(entrant) if isinstance(one, Entrant) else [one.blocks]
        found = []
        for blocks in every:
            if rows is None and blocks.name in self._whole:
                continue
            number = self._race.make(blocks, [self._default_kind], rows, size)
            if number is not None:
                found.append((Runner(entrant, blocks), number))
        return found

    def _leave(self, entrant: Entrant) -> None:
        """Tell of a backbone that is not tried any more, or of what was not tried of it."""
        is_new = all(runner.entrant != entrant for runner, _ in self._whole.values())
        every = [] if is_new else [one.name for one in self.pool.blocks(entrant)]
        for what in [entrant.name] if is_new else every:
            if what not in self._whole:
                self._attempts.drop(what, SETTLED)

    def _is_ready(self, entrant: Entrant, rows: np.ndarray | None) -> bool:
        """Compute what is missing of a backbone's features, if there is time for that."""
        what = "all samples" if rows is None else f"{len(rows):,} samples"
        left = self._budget.left
        share = 1.0 if rows is None or self.pool.is_measured(entrant) else SHARE
        try:
            missing = self.pool.missing(entrant, rows)
            if not missing:
                return True
            if why := self._too_long(entrant, what, missing, share, rows):
                self._attempts.drop(entrant.name, why)
                return False
            self.pool.compute_in(entrant, rows, share * left)
        except OutOfTime:
            self._attempts.drop(
                entrant.name, f"{what} took longer than the {in_seconds(share * left)}"
            )
            return False
        except HeadstartError as error:
            takes = self.pool.takes_some(entrant, error)
            self._attempts.drop(entrant.name, self._refusal(error, takes=takes))
            return False
        return True

    @staticmethod
    def _refusal(error: HeadstartError, *, takes: bool) -> str:
        """Why a backbone is left out; where it takes none of the samples, to go on without the one
        that was met first is no advice."""
        if takes or not isinstance(error, SampleUnreadable):
            return str(error)
        return f"it takes none of the first samples: {error.message}"

    def _too_long(
        self, entrant: Entrant, what: str, missing: int, share: float, rows: np.ndarray | None
    ) -> str | None:
        """Why a backbone's features are not computed, by forecasts: those that are asked for, or
        those of all samples, without which it is not chosen whatever it shows on a part."""
        left = self._budget.left
        if left <= 0:
            return self._race.no_time
        needs = {what: (self.pool.forecast(entrant, missing), share)}
        if rows is not None:
            needs["all samples"] = self.pool.forecast(entrant, self.pool.missing(entrant, None)), 1
        for one, (need, own) in needs.items():
            if need > own * left:
                return (
                    f"{one} take about {in_seconds(need)}, {in_seconds(left)} are left for trials"
                )
        return None

    def _kept(self, done: Sequence[tuple[Runner, int]], more: int) -> list[Runner]:
        """The best third, in the order in which they came."""
        places = self._attempts.best([number for _, number in done])
        count = max(LEAST_KEPT, math.ceil(len(done) / GROWTH))
        chosen = set(places[:count])
        kept = []
        for place, (runner, number) in enumerate(done):
            goes_on = place in chosen
            told = f"goes on to {more:,} samples" if goes_on else "dropped: not in the best third"
            self._attempts.judge(number, told)
            if goes_on:
                kept.append(runner)
        return kept

    def kinds(self) -> None:
        """Heads of the other kinds on the best features."""
        runners = [runner for runner, _ in self._whole.values()]
        order = self._attempts.best([number for _, number in self._whole.values()])
        best = [runners[place].blocks for place in order[:ON_FEATURES]]
        KindTrials(self._race, self._wanted).run(best)

    def joined(self) -> None:
        """A head as the default on the best features of two backbones together."""
        order = self._attempts.best([number for _, number in self._whole.values()])
        runners = [list(self._whole.values())[place][0] for place in order]
        others = [one for one in runners[1:] if one.entrant != runners[0].entrant]
        if not others:
            return
        both = Blocks((*runners[0].blocks, *others[0].blocks))
        try:
            check_common_input(both)
        except HeadstartError as error:
            self._attempts.drop(both.name, str(error))
            return
        self._race.make(both, [self._default_kind], None, self._race.sizes[-1])
