"""The features that a search has at hand, computed as far as needed, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import numpy as np

from headstart.cached import answered_in, features_of_blocks, features_of_some, of_samples
from headstart.context import Context
from headstart.errors import FeaturesMissing, HeadstartError, LayerNotFound, NonFiniteFeatures
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.datasets import window_options
from headstart.extractors.run.settings import Settings
from headstart.heads.kind import HeadKind
from headstart.heads.tasks import Classification
from headstart.heads.trials.subsample import Nested, nested
from headstart.jobs.auto.budget import Budget
from headstart.jobs.auto.costs import SLOW_START, Cost, Stopwatch
from headstart.jobs.auto.entrants import Entrant
from headstart.jobs.auto.extract_part import extract_part
from headstart.jobs.auto.found import Taken, Wanted
from headstart.jobs.auto.opened import open_entrant
from headstart.jobs.backbones.masks import refuse_lost_masks
from headstart.jobs.heads.cross_validation import Candidate, CrossValidation, found_among
from headstart.origins.blocks import Block, Blocks
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS
from headstart.storage.views import FeatureView

FEW_FOLDS = 2
"""Folds of fewer samples, where only the best third is looked for: a third of the work of five."""
LOOKED_AT = 4
"""Samples that a backbone is tried on one by one, to see whether it takes any."""
Told = Callable[[str], None]
See = Callable[[Stopwatch, int, int], None]
"""Called with how many samples of an extraction are done, and how many there are; may raise."""


def unseen(_watch: Stopwatch, _done: int, _total: int) -> None:
    """Of extractions that are not to be ended."""


class Pool:
    """Computes features of parts of a dataset.

    Args:
        context: whose cache.
        dataset: which.
        wanted: how to search.
        budget: the time that there is.
        tell: told what is done now, as often as there is news.

    Attributes:
        samples: that are taken: all, or where there is no time for their features a part.
        taken: that part; None where it is all.
        task: what labels mean.
        trying: on which folds heads are tried.
        costs: of backbones, by their names.
    """

    def __init__(
        self, context: Context, dataset: Dataset, wanted: Wanted, budget: Budget, tell: Told
    ) -> None:
        self._context, self._dataset = context, dataset
        self._wanted, self._budget, self._tell = wanted, budget, tell
        self.samples = context.manifest(dataset).columns
        self.task = wanted.task or Classification()
        self.trying = CrossValidation(
            wanted.folds, limit=wanted.limit, seed=wanted.seed, task=self.task
        )
        self.taken: Taken | None = None
        self.costs = dict[str, Cost]()
        self._opened = dict[str, tuple[Backbone, list[Cut]]]()
        self._openings = [SLOW_START]
        self._works = dict[str, float]()
        self._common: frozenset[str] | None = None

    @property
    def default_kind(self) -> HeadKind:
        """What is fitted first, and kept unless something is better beyond chance."""
        return self.task.default_kind()

    def cost_of(self, entrant: Entrant) -> Cost:
        """What was spent on it so far; its rate is that of before, where it was measured."""
        known = None if entrant.seconds is None else 1 / max(entrant.seconds, 1e-9)
        self._works[entrant.name] = entrant.work
        return self.costs.setdefault(
            entrant.name, Cost(entrant.name, starting=entrant.start, rate=known)
        )

    def opened(self, entrant: Entrant) -> tuple[Backbone, list[Cut]]:
        """The registered backbone, and the cuts that are tried; it is registered if it is not."""
        if entrant.name not in self._opened:
            began = time.monotonic()
            self._tell(f"opening {entrant.name}")
            self._opened[entrant.name] = open_entrant(
                self._context, entrant, self._wanted.precision
            )
            took = time.monotonic() - began
            self.cost_of(entrant).seconds += took
            if entrant.source is not None:
                self._openings.append(took)
        return self._opened[entrant.name]

    def is_measured(self, entrant: Entrant) -> bool:
        """Whether it ran here, now or before."""
        return self.cost_of(entrant).rate is not None

    def forecast(self, entrant: Entrant, missing: int) -> float:
        """Seconds until its features of so many more samples are there, by the measured rate; where
        it never ran, as if its start, and its work, took as long as that of those which did."""
        cost, opening = self.cost_of(entrant), 0.0
        if entrant.source is not None and entrant.name not in self._opened:
            opening = self._openings[-1]
        if cost.rate is not None:
            return opening + cost.forecast(missing)
        known = [
            1 / one.rate / self._works[name]
            for name, one in self.costs.items()
            if one.rate and self._works[name]
        ]
        each = entrant.work * float(np.median(known)) if known else 0.0
        return opening + (self.longest_start or SLOW_START) + missing * each

    @property
    def learnt(self) -> int:
        """How many samples heads are trained on in the end, once the default was tried."""
        return len(self._common or ())

    @property
    def in_splits(self) -> tuple[int, int]:
        """The same, of the train and of the validation split, about: by what all samples are."""
        counts = self.samples.split_counts
        both = max(counts["train"] + counts["validation"], 1)
        validation = self.learnt * counts["validation"] // both
        return self.learnt - validation, validation

    @property
    def longest_start(self) -> float:
        """Seconds that a backbone took at most until its first samples were computed."""
        opened = self._openings[1:]
        return max([*opened, *(one.starting for one in self.costs.values()), 0.0])

    def missing(self, entrant: Entrant, rows: np.ndarray | None) -> int:
        """How many of some samples have to be computed; all are looked at without rows."""
        if entrant.name not in self._opened and entrant.source is not None:
            return len(self.samples if rows is None else rows)
        return int(self.are_missing(entrant, self._of(rows).different).sum())

    def are_missing(self, entrant: Entrant, samples: SampleColumns) -> np.ndarray:
        """Which samples have to be computed, bool, (n,)."""
        backbone, cuts = self.opened(entrant)
        cache = self._context.cache(puts_aside=False)
        lacking = np.zeros(len(samples), bool)
        for cut in cuts:
            index = cache.open_index(Block(backbone, cut).key)
            lacking[index.find_absent(samples.digest_blocks())] = True
        return lacking

    def compute(self, entrant: Entrant, rows: np.ndarray | None, see: See = unseen) -> None:
        """Compute what is missing of some samples, in their order, or of all; what `see` raises
        ends it.

        Args:
            entrant: the backbone.
            rows: of the samples; all without them.
            see: called as often as some are done.
        """
        backbone, cuts = self.opened(entrant)
        watch, computed = Stopwatch(), 0

        def advance(done: int, total: int) -> None:
            nonlocal computed
            computed = done
            watch.see(done)
            self._tell(f"extracting {entrant.name}: {done:,} of {total:,}")
            see(watch, done, total)

        how = Settings(precision=self._wanted.precision, on_error=self._wanted.on_error)
        try:
            extract_part(self._context, backbone, cuts, self._dataset, self._of(rows), how, advance)
        finally:
            watch.charge(self.cost_of(entrant), computed)

    def compute_in(self, entrant: Entrant, rows: np.ndarray | None, seconds: float) -> None:
        """As `compute`, in so many seconds.

        Raises:
            OutOfTime: it takes longer.
        """
        check = self._budget.until(seconds)

        def see(_watch: Stopwatch, done: int, total: int) -> None:
            if done < total:
                check()

        self.compute(entrant, rows, see)

    @cached_property
    def nested(self) -> Nested | None:
        """All samples in an order of which any first ones stand for all; None where parts of them
        are not taken: of windows."""
        if window_options(self._dataset.options)[0]:
            return None
        return nested(self.samples, self.task, self.least, self.trying.seed)

    @property
    def least(self) -> int:
        """Samples, or groups, of each class that are taken at least, as far as there are."""
        return self.trying.folds + 1

    def take(self, count: int, seconds: float, minutes: float) -> None:
        """Leave all samples out but the first so many of `nested`.

        Args:
            count: how many.
            seconds: that the features of the others take.
            minutes: see `Taken`.
        """
        assert self.nested is not None
        rows = self.nested.rows
        self.taken = Taken(count, len(rows), self.least, round(seconds, 3), minutes)
        self.samples = self.samples.take(np.sort(rows[:count]))

    def view(self, blocks: Blocks) -> FeatureView:
        """Features of all samples that are taken, from the cache."""
        if self.taken is None:
            return features_of_blocks(self._context, blocks, self._dataset)
        return features_of_some(self._context, blocks, self._dataset, self.samples)

    def takes_some(self, entrant: Entrant, error: HeadstartError) -> bool:
        """Whether a backbone that failed takes such samples: then the fault is in some of them, or
        in what was asked for, and no other backbone is to be looked for."""
        if isinstance(error, NonFiniteFeatures | LayerNotFound):
            return True
        how = Settings(precision=self._wanted.precision)
        for row in range(min(len(self.samples), LOOKED_AT)):
            with suppress(HeadstartError):
                backbone, cuts = self.opened(entrant)
                one = self._of(np.array([row]))
                extract_part(self._context, backbone, cuts, self._dataset, one, how)
                return True
        return False

    def _of(self, rows: np.ndarray | None) -> SampleColumns:
        return self.samples if rows is None else self.samples.take(rows)

    def check(self, kinds: Sequence[HeadKind], blocks: Blocks) -> None:
        """See that heads of some kinds can be tried on features.

        Raises:
            HeadError: they look at tokens, and which of them are masked is not known.
        """
        refuse_lost_masks(self._context, kinds, [blocks])

    def blocks(self, entrant: Entrant) -> list[Blocks]:
        """Its features, cut by cut; the default cut's first."""
        backbone, cuts = self.opened(entrant)
        return [Blocks((Block(backbone, cut),)) for cut in cuts]

    def load(self, blocks: Blocks, rows: np.ndarray | None) -> Candidate:
        """Features with labels and folds: of some samples, or of all. What is loaded first is the
        default's, and says which samples all others are tried on.

        Raises:
            FeaturesMissing: some of these samples have no such features.
        """
        if rows is None:
            view = self.view(blocks)
        else:
            view = features_of_some(self._context, blocks, self._dataset, self._of(rows))
        (view,) = answered_in(self.task, of_samples(view, None))
        view = self._of_common(blocks, view, rows)
        trying = self.trying if rows is None else replace(self.trying, folds=FEW_FOLDS)
        (found,) = found_among(self._dataset.name, [blocks], [view], trying)
        return found.load()

    def _of_common(self, blocks: Blocks, view: FeatureView, rows: np.ndarray | None) -> FeatureView:
        """The rows of samples that the default was tried on: what is compared is of the same."""
        is_learnt = view.samples.split_codes != SPLITS.index("test")
        own = view.samples.where(is_learnt).ids
        if self._common is None:
            self._common = frozenset(own)
            return view
        asked = self._common if rows is None else self._common.intersection(self._of(rows).ids)
        if lacking := len(asked.difference(own)):
            raise FeaturesMissing(
                f"{blocks.name} lacks {lacking:,} of the {len(asked):,} samples that the default "
                "was tried on: they could not be read",
                hint=f"`headstart dataset forget-failures {self._dataset.name}` lets them be tried "
                "again.",
            )
        if len(own) == len(asked):
            return view
        is_common = np.array([id_ in asked for id_ in view.ids], bool)
        return view.take(np.flatnonzero(is_common | ~is_learnt))
