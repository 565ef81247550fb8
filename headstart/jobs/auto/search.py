"""Successive halving over features, then over kinds of heads: few samples first, the cheapest
backbones first, and what is not among the best third is left out before more samples are computed.

Jamieson and Talwalkar: Non-stochastic best arm identification and hyperparameter optimization,
2016. What is counted here are seconds: of a backbone those of its samples by its measured rate, of
a kind of heads those of its fits on fewer samples. No kind is left out by a forecast alone while
there are seconds left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from headstart.errors import HeadError, HeadstartError
from headstart.extractors.datasets import window_options
from headstart.heads.kind import HeadKind, takes_class_names
from headstart.heads.kinds.every_kind import KINDS
from headstart.heads.labelled import groups_of
from headstart.heads.trials.by_task import can_try
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import Budget, OutOfTime
from headstart.jobs.auto.entrants import Entrant
from headstart.jobs.auto.labels import is_labelled
from headstart.jobs.auto.pool import Pool
from headstart.jobs.auto.subsample import FEWEST, GROWTH, in_nested_order, sizes_of, strata_of
from headstart.origins.blocks import Blocks, check_common_input
from headstart.registry.entities import Dataset
from headstart.storage.manifest import SPLITS

LEAST_KEPT = 2
"""Features, or kinds of heads, that go on to more samples at least."""
BESIDE_LINES = ("neighbours", "mlp", "svm", "ridge", "prototype")
"""Kinds as they come where nothing was measured yet: first those that see what no linear head does,
then linear ones of other losses; others come last."""
CURVED = BESIDE_LINES[:2]
"""Those of them that see what no linear head does."""
ON_FEATURES = 2
"""The best features, on which other kinds than the default's are tried."""
NO_TIME = "no time was left for trials"
SETTLED = (
    "the best so far is right on so many samples that no head can be shown to be better on them "
    "beyond chance"
)
BEHIND = "on the best features its heads are worse than the best beyond chance"
UNTRIED = "to try it on all samples is no time; it is judged by the largest part"
BEHIND_LEADER = (
    "on the largest part another kind is better than all others beyond chance, and what is left of "
    "the time is for that one"
)
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
        self._order, self._sizes = self._parts()
        self.default: Blocks | None = None
        self._whole = dict[str, tuple[Runner, int]]()

    @property
    def _default_kind(self) -> HeadKind:
        return self.pool.default_kind

    @cached_property
    def _no_time(self) -> str:
        """Why trials are left out once there is no time for any, by when that was so first."""
        budget = self._budget
        return (
            f"{NO_TIME}: {budget.spent:,.0f} s of {budget.seconds:,.0f} s were taken, "
            f"{budget.kept_back:,.0f} s are kept back for the end; what was computed is cached, so "
            "that more is tried if you run it again, or with more minutes"
        )

    def _parts(self) -> tuple[np.ndarray, list[int]]:
        """Rows of the train and validation split, nested, and how many of them are in each part;
        samples with windows are taken together."""
        columns, task = self.pool.samples, self.pool.task
        has_label = is_labelled(columns, task)
        rows = np.flatnonzero((columns.split_codes != SPLITS.index("test")) & has_label)
        if window_options(self._dataset.options)[0] or not len(rows):
            return rows, [len(rows)]
        part = columns.take(rows)
        strata = strata_of(task, task.read(part.labels, task.find_classes(part)))
        trying = self.pool.trying
        least = trying.folds + 1
        order = in_nested_order(strata, groups_of(part), least, trying.seed)
        fewest = max(FEWEST, 2 * least * (int(strata.max()) + 1))
        return rows[order], sizes_of(min(len(rows), trying.limit), fewest)

    def _rows(self, size: int) -> np.ndarray | None:
        return None if size == self._sizes[-1] else np.sort(self._order[:size])

    def begin(self, entrants: Sequence[Entrant]) -> list[Entrant]:
        """Try the default: a linear head, of numbers a ridge head, on the first backbone that takes
        the samples, on all of them, however long it takes; gives the entrants that are left.

        Raises:
            HeadError: none takes them.
            HeadstartError: one does, and cannot read some, or was asked for a cut that it has not.
        """
        for place, entrant in enumerate(entrants):
            try:
                self.pool.compute(entrant, None, None)
                blocks = self.pool.blocks(entrant)[0]
            except HeadstartError as error:
                if self.pool.takes_some(entrant, error):
                    raise
                self._attempts.drop(entrant.name, str(error))
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
        for size in self._sizes:
            rows, done = self._rows(size), list[tuple[Runner, int]]()
            for one in going:
                done += self._tried(one, rows, size)
            if size == self._sizes[-1]:
                self._whole |= {runner.blocks.name: (runner, number) for runner, number in done}
            else:
                going = list(self._kept(done, self._sizes[self._sizes.index(size) + 1]))

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
            number = self._make(blocks, [self._default_kind], rows, size)
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
            self.pool.compute(entrant, rows, share * left)
        except OutOfTime:
            self._attempts.drop(entrant.name, f"{what} took longer than the {share * left:,.0f} s")
            return False
        except HeadstartError as error:
            self._attempts.drop(entrant.name, str(error))
            return False
        return True

    def _too_long(
        self, entrant: Entrant, what: str, missing: int, share: float, rows: np.ndarray | None
    ) -> str | None:
        """Why a backbone's features are not computed, by forecasts: those that are asked for, or
        those of all samples, without which it is not chosen whatever it shows on a part."""
        left = self._budget.left
        if left <= 0:
            return self._no_time
        needs = {what: (self.pool.forecast(entrant, missing), share)}
        if rows is not None:
            needs["all samples"] = self.pool.forecast(entrant, self.pool.missing(entrant, None)), 1
        for one, (need, own) in needs.items():
            if need > own * left:
                return f"{one} take about {need:,.0f} s, {left:,.0f} s are left for trials"
        return None

    def _make(
        self, blocks: Blocks, kinds: Sequence[HeadKind], rows: np.ndarray | None, size: int
    ) -> int | None:
        """Try heads, if there is time for them; gives the number of the attempt."""
        what, left = f"{kinds[0].kind} on {blocks.name}", self._budget.left
        if self._is_over(what):
            return None
        try:
            return self._attempts.make(blocks, kinds, rows, left)
        except OutOfTime:
            self._attempts.drop(what, f"its fits took longer than the {left:,.1f} s that were left")
        except HeadstartError as error:
            self._attempts.drop(what, str(error))
        return None

    def _is_over(self, what: str) -> bool:
        """Whether something is not tried any more, which is told."""
        is_late = self._budget.left <= 0
        if is_late or self._attempts.is_settled:
            self._attempts.drop(what, self._no_time if is_late else SETTLED)
            return True
        return False

    def _need(self, blocks: Blocks, kinds: Sequence[HeadKind], size: int) -> float:
        """Seconds that heads take by what was measured on fewer samples; 0 where nothing was."""
        rows = min(size, self.pool.trying.limit)
        return self._attempts.forecast(kinds[0].kind, blocks, rows) or 0.0

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
        """Heads of the other kinds on the best features, all of them on few samples, then from the
        most promising down on all: first those that are known to be done in time, then, in the
        seconds that are left, the others, for a forecast may be wrong."""
        runners = [runner for runner, _ in self._whole.values()]
        order = self._attempts.best([number for _, number in self._whole.values()])
        best = [runners[place].blocks for place in order[:ON_FEATURES]]
        names = {name: list(KINDS[name].grid({})) for name in self._kinds()}
        total, late = self._sizes[-1], list[tuple[Blocks, list[HeadKind]]]()
        tried = self._on_few(best[0], names) if names else []
        if tried and self._is_clear(best[0], names[tried[0]]):
            self._leave_others(best, tried)
            return
        for name in tried:
            is_behind = False
            for blocks in best:
                if is_behind:
                    self._attempts.drop(f"{name} on {blocks.name}", BEHIND)
                elif self._need(blocks, names[name], total) > self._budget.left > 0:
                    late.append((blocks, names[name]))
                else:
                    number = self._make(blocks, names[name], None, total)
                    is_behind = number is not None and self._attempts.is_behind(number)
        for blocks, kinds in sorted(late, key=lambda one: self._need(*one, total)):
            self._make_late(blocks, kinds, total)

    def _is_clear(self, blocks: Blocks, kinds: Sequence[HeadKind]) -> bool:
        """Whether the first kind is better than all others beyond chance on the largest part, and
        there is no time to try it on all: others, which are worse, would take its last seconds."""
        leader = self._attempts.leader
        is_first = leader is not None and leader.what == (blocks.name, kinds[0].kind)
        return is_first and self._need(blocks, kinds, self._sizes[-1]) > self._budget.left

    def _leave_others(self, best: Sequence[Blocks], names: Sequence[str]) -> None:
        for name in names:
            for blocks in best:
                is_leader = name == names[0] and blocks == best[0]
                why = UNTRIED if is_leader else BEHIND_LEADER
                self._attempts.drop(f"{name} on {blocks.name}", why)

    def _make_late(self, blocks: Blocks, kinds: Sequence[HeadKind], total: int) -> None:
        """Try heads that by their forecast take longer than is left, unless one fit does already:
        a fit is not to be ended in its middle."""
        need, left = self._need(blocks, kinds, total), self._budget.left
        if need / (len(kinds) * self.pool.trying.folds) > left > 0:
            what = f"{kinds[0].kind} on {blocks.name}"
            why = f"its fits take about {need:,.1f} s, {left:,.1f} s are left for trials"
            self._attempts.drop(what, why)
        else:
            self._make(blocks, kinds, None, total)

    def _kinds(self) -> list[str]:
        """The names of those that are tried, first those that differ most from the default."""
        task, default = self.pool.task, self._default_kind.kind
        known = [
            name
            for name, kind in KINDS.items()
            if not takes_class_names(kind) and all(can_try(task, one) for one in kind.grid({}))
        ]
        chosen = [name for name in self._wanted or known if name != default]
        order = [*BESIDE_LINES, *chosen]
        return sorted(chosen, key=order.index)

    def _on_few(self, blocks: Blocks, names: dict[str, list[HeadKind]]) -> list[str]:
        """The kinds in the order in which they are tried on all samples: those that went furthest
        on fewer first, the best third each time, and among these the fastest. Those that see what
        no line does are tried on all parts before the others: by so much more they may gain."""
        curved = [name for name in names if name in CURVED]
        found: list[tuple[list[str], list[str]]] = []
        for group in (curved, [name for name in names if name not in CURVED]):
            found.append(self._halved(blocks, group, names))
        going = [name for own, _ in found for name in own]
        leader = self._attempts.leader
        if leader is not None and leader.what[1] in going:
            going.sort(key=lambda name: name != leader.what[1])
        return [*going, *(name for _, behind in found for name in behind)]

    def _halved(
        self, blocks: Blocks, going: list[str], names: dict[str, list[HeadKind]]
    ) -> tuple[list[str], list[str]]:
        """Of some kinds those that go on to all samples, the fastest first, and the others."""
        behind = list[str]()
        for size, more in pairwise(self._sizes):
            done = dict[str, int]()
            for name in going:
                number = self._make(blocks, names[name], self._rows(size), size)
                if number is not None:
                    done[name] = number
            places = self._attempts.best(list(done.values()))
            from_best = [list(done)[place] for place in places]
            count = max(LEAST_KEPT, math.ceil(len(done) / GROWTH))
            for name in from_best[:count]:
                self._attempts.judge(done[name], f"goes on to {more:,} samples")
            for name in from_best[count:]:
                self._attempts.judge(done[name], "comes after the best third, if there is time")
            behind = [*from_best[count:], *behind]
            self._attempts.keep_back_leader()
            going = [name for name in done if name in from_best[:count]]
            seconds = {name: self._attempts.tried[number].seconds for name, number in done.items()}
            going.sort(key=lambda name: seconds[name])
        return going, behind

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
        self._make(both, [self._default_kind], None, self._sizes[-1])
