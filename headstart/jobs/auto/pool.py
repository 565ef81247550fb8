"""The features that a search has at hand, computed as far as needed, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from headstart.cached import answered_in, features_of_blocks, of_samples
from headstart.context import Context
from headstart.errors import FeaturesMissing, HeadstartError, LayerNotFound, NonFiniteFeatures
from headstart.extractors.backbones.cuts import Cut
from headstart.extractors.run.settings import Settings
from headstart.heads.kind import HeadKind
from headstart.heads.tasks import Classification
from headstart.jobs.auto.budget import Budget, in_seconds
from headstart.jobs.auto.costs import SLOW_START, Cost, Stopwatch
from headstart.jobs.auto.entrants import Entrant
from headstart.jobs.auto.extract_part import extract_part, view_of_part
from headstart.jobs.auto.found import Wanted
from headstart.jobs.auto.opened import open_entrant
from headstart.jobs.backbones.masks import refuse_lost_masks
from headstart.jobs.heads.cross_validation import Candidate, CrossValidation, found_among
from headstart.notices import tell
from headstart.origins.blocks import Block, Blocks
from headstart.registry.entities import Backbone, Dataset
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import SPLITS
from headstart.storage.views import FeatureView

FEW_FOLDS = 2
"""Folds of fewer samples, where only the best third is looked for: a third of the work of five."""
LOOKED_AT = 4
"""Samples that a backbone is tried on one by one, to see whether it takes any."""
MORE = 0.5
"""Of the time of the default's features, what trials of others need about."""
Told = Callable[[str], None]


class Pool:
    """Computes features of parts of a dataset.

    Args:
        context: whose cache.
        dataset: which.
        wanted: how to search.
        budget: the time that there is.
        tell: told what is done now, as often as there is news.
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
        backbone, cuts = self.opened(entrant)
        samples = self._of(rows).different
        cache = self._context.cache(puts_aside=False)
        lacking = np.zeros(len(samples), bool)
        for cut in cuts:
            index = cache.open_index(Block(backbone, cut).key)
            lacking[index.find_absent(samples.digest_blocks())] = True
        return int(lacking.sum())

    def compute(self, entrant: Entrant, rows: np.ndarray | None, seconds: float | None) -> None:
        """Compute what is missing of some samples, or of all.

        Args:
            entrant: the backbone.
            rows: of the samples; all without them.
            seconds: that it may take; as long as it takes without it.

        Raises:
            OutOfTime: it takes longer.
        """
        backbone, cuts = self.opened(entrant)
        check = None if seconds is None else self._budget.until(seconds)
        watch, computed = Stopwatch(), 0
        is_told = seconds is not None

        def advance(done: int, total: int) -> None:
            nonlocal computed, is_told
            computed = done
            watch.see(done)
            is_told = is_told or self._warn_of_default(entrant, watch, done, total)
            self._tell(f"extracting {entrant.name}: {done:,} of {total:,}")
            if check is not None and done < total:
                check()

        how = Settings(precision=self._wanted.precision, on_error=self._wanted.on_error)
        try:
            extract_part(self._context, backbone, cuts, self._dataset, self._of(rows), how, advance)
        finally:
            watch.charge(self.cost_of(entrant), computed)

    def _warn_of_default(self, entrant: Entrant, watch: Stopwatch, done: int, total: int) -> bool:
        """Say once, as soon as it can be told, that the features of the default alone take longer
        than all of the time."""
        each = watch.each(done)
        if each is None:
            return False
        needs = self._budget.spent + (total - done) * each
        if needs <= self._budget.seconds:
            return False
        tell(
            f"the features of {entrant.name} take about {in_seconds(needs)} for {total:,} samples, "
            f"longer than the {in_seconds(self._budget.seconds)} that were given: the default head "
            f"is finished all the same; {needs / 60 * (1 + MORE):,.1f} minutes would leave time "
            "for others, a smaller backbone or fewer samples would take less"
        )
        return True

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
            view = features_of_blocks(self._context, blocks, self._dataset)
        else:
            view = view_of_part(self._context, blocks[0], self._dataset, self._of(rows))
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
