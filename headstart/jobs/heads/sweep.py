"""`ws.sweep`: many heads on the same folds of cached features."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import HeadError
from headstart.extractors.runtime import versions
from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.bootstrap import weights_kept
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.cross_validation import cross, in_order_of
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.scores import scores_of, widened
from headstart.heads.evaluation.simplicity import simplest_of
from headstart.heads.evaluation.winner import Winner, winner_of
from headstart.heads.kind import HeadKind
from headstart.heads.kinds.every_kind import Kinds, every_kind, kind_of
from headstart.heads.kinds.linear import Linear
from headstart.heads.tasks import Task
from headstart.heads.trials.by_task import check_kinds
from headstart.heads.trials.objective import LOG_LOSS, columns_of, objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.jobs.backbones.masks import refuse_lost_masks
from headstart.jobs.heads.cross_validation import (
    Candidate,
    CrossValidation,
    Features,
    Found,
    choose,
    find,
    load,
)
from headstart.jobs.heads.trials import By, Field, TrialExecutor, processes_of
from headstart.origins.blocks import Blocks
from headstart.origins.of_head import member_features
from headstart.progress import Progress, silent
from headstart.registry.entities import Head, SweepRecord, TrialRecord
from headstart.values.showable import Showable

LARGE = ("confusion", "per_class", "untested")
"""Of a head's metrics, what a sweep does without."""
BEHIND = "behind"
"""In the settings of a trial that is kept: what is behind its scores, for which there is no column.
"""
ALIKE = "alike"
"""Behind a trial: `Outcomes.alike` of its log losses; of sweeps of before it is not there."""

Watch = Callable[[str, OutOfFold], None]
"""Called with `BACKBONE@CUT` and what came of a setting there."""


def unwatched(_name: str, _crossed: OutOfFold) -> None:
    """Of callers who wait for the end."""


def kind_tried(settings: dict[str, Any]) -> HeadKind:
    """The kind of heads that a trial's settings are of; a linear one has a single strength."""
    if settings["kind"] == Linear.kind:
        return Linear((settings["strength"],))
    return kind_of(settings["kind"], settings)


@dataclass(frozen=True)
class Trial(Showable):
    """One setting on one kind of features.

    Attributes:
        blocks: the features.
        crossed: what its heads said of the rows that they were not trained on.
        is_worse: whether it is significantly worse than the best, by the sweep's objective; see
            `worse_than_best`.
    """

    blocks: Blocks
    crossed: OutOfFold
    is_worse: bool

    @property
    def features(self) -> str:
        """`BACKBONE@CUT`, for people."""
        return self.blocks.name

    @property
    def precision(self) -> str:
        """In which the features are; in int8 with the calibration's digest."""
        return self.blocks.precision

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """See `OutOfFold.metrics`."""
        return self.crossed.metrics()

    def scores(self) -> dict[str, Any] | None:
        """All scores of what its heads said of the rows that they were not trained on, as a head's
        metrics; None with repeats: the mean of what they say is an ensemble's. What heads are
        compared by has the trial's own intervals, all others are as much wider as folds are alike:
        as a loss is, since most are of probabilities or numbers."""
        crossed = self.crossed
        if crossed.repeats > 1:
            return None
        classes, clusters = range(crossed.outputs.shape[1]), Clusters.of(crossed.groups)
        outputs = crossed.outputs.astype(np.float32)
        found = scores_of(crossed.task, outputs, crossed.targets, classes, clusters)
        names = objectives_of(crossed.task)
        loss = LOG_LOSS if LOG_LOSS in names else names[0]
        found = widened(found, crossed.outcomes(loss).reach)
        found["intervals"] |= self.metrics["intervals"]
        return {name: value for name, value in found.items() if name not in LARGE}

    def _facts(self) -> dict[str, Any]:
        metrics, intervals = self.metrics, self.metrics["intervals"]
        return {
            "features": self.features,
            **self.crossed.settings,
            "accuracy": metrics.get("accuracy"),
            "interval": intervals.get("accuracy"),
            "log_loss": metrics.get("log_loss"),
            "log_loss_interval": intervals.get("log_loss"),
            "scores": {name: metrics[name] for name in columns_of(self.crossed.task)},
            "intervals": intervals,
            "samples": len(self.crossed.targets),
            "repeats": self.crossed.repeats,
            "spread_between_draws": self.crossed.spread,
            "is_worse_than_best": self.is_worse,
        }

    def _line(self) -> str:
        name, kind = objectives_of(self.crossed.task)[0], self.crossed.settings["kind"]
        ends = self.metrics["intervals"].get(name)
        told = "" if ends is None else f" [{ends[0]:.2f}, {ends[1]:.2f}]"
        return f"{kind} on {self.features}, {name} {self.metrics[name]:.2f}{told}"

    @property
    def task(self) -> Task:
        """What its heads are for."""
        return self.crossed.task

    @property
    def kind(self) -> HeadKind:
        """Of heads of this setting: `ws.heads.train(name, features, trial.kind)` trains one."""
        return kind_tried(self.crossed.settings)

    def to_record(self, winner: Winner | None = None) -> TrialRecord:
        """As it is kept; with the best of a sweep is kept what that is worth."""
        settings, names = dict(self.crossed.settings), columns_of(self.crossed.task)
        metrics, intervals = self.metrics, self.metrics["intervals"]
        low, high = intervals.get("accuracy") or (None, None)
        settings[BEHIND] = {
            "samples": len(self.crossed.targets),
            "log_loss_interval": intervals.get("log_loss"),
            "scores": {name: metrics[name] for name in names},
            "intervals": intervals,
            "spread_between_draws": self.crossed.spread,
            ALIKE: max(self.crossed.outcomes(name).alike for name in objectives_of(self.task)),
            "precision": self.precision,
            **member_features(self.blocks),
            **({} if winner is None else {"winner": winner.to_json()}),
        }
        return TrialRecord(
            self.features,
            settings.pop("kind"),
            settings,
            metrics.get("accuracy"),
            low,
            high,
            metrics.get("log_loss"),
            self.is_worse,
        )


@dataclass(frozen=True)
class Sweep(Showable):
    """All trials from the best down: by the objective, then by the other score.

    Attributes:
        dataset: its name.
        trials: one for each setting and kind of features.
        heads: how many were fitted in all.
        seconds: that it took.
        trying: on which folds, and by which objective.
        winner: what the best of them is worth; None of a single sample or group.
        confirmed: the head of the setting that was chosen, scored once on the test split; None
            where that was not asked for.
        id: its number in the database.
        ensemble: the head that was made of several trials; None where that was not asked for.
    """

    dataset: str
    trials: list[Trial]
    heads: int
    seconds: float
    trying: CrossValidation
    winner: Winner | None = None
    confirmed: Head | None = None
    id: int | None = None
    ensemble: Head | None = None

    @property
    def samples(self) -> int:
        """On how many each setting was tried."""
        return len(self.trials[0].crossed.targets)

    @property
    def simplest(self) -> Trial:
        """The simplest trial within one standard error of the best one; see `simplest_of`."""
        tried = [
            (trial.crossed.outcomes(self.trying.objective), trial.crossed.complexity)
            for trial in self.trials
        ]
        return self.trials[simplest_of(tried, is_loss=self.trying.is_loss)]

    def _facts(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "dataset": self.dataset,
            "heads": self.heads,
            "seconds": self.seconds,
            **self.trying.describe(),
            "winner": self.winner,
            "simplest": self.simplest,
            "confirmed": self.confirmed,
            "ensemble": self.ensemble,
            "best_scores": self.best_scores,
            "trials": self.trials,
        }

    @cached_property
    def best_scores(self) -> dict[str, Any] | None:
        """All scores of the first trial; see `Trial.scores`. Of the others, which may be hundreds,
        they would take longer than the fits."""
        return self.trials[0].scores()

    def _line(self) -> str:
        best = f", best {self.trials[0]!r}" if self.trials else ""
        return f"{self.id}, {len(self.trials):,} settings on {self.dataset!r}{best}"


def sweep(
    context: Context,
    features: Features,
    kinds: Kinds,
    *,
    trying: CrossValidation | None = None,
    progress: Progress = silent,
    watch: Watch = unwatched,
    by: By = None,
) -> Sweep:
    """See `Workspace.sweep`."""
    tried = every_kind(kinds)
    if not tried:
        raise HeadError("the sweep has no kinds of heads", hint="Give one or more.")
    trying = trying or CrossValidation()
    check_kinds(trying.task, tried)
    started = time.monotonic()
    chosen = choose(context, features)
    refuse_lost_masks(context, tried, chosen)
    settings = len({s for kind in tried if isinstance(kind, Linear) for s in kind.strengths})
    settings += sum(not isinstance(kind, Linear) for kind in tried)
    total = settings * trying.folds * trying.times * len(chosen)
    fitted = 0

    def advance(count: int) -> None:
        nonlocal fitted
        fitted += count
        progress(fitted, total)

    found: list[tuple[Blocks, OutOfFold]] = []
    if isinstance(by, TrialExecutor):
        places = find(context, features, chosen, trying)
        field = Field(features, tuple(chosen), trying)
        found = _elsewhere(by, field, places, tried, watch, advance)
        return keep(context, features.dataset, found, fitted, started, trying)
    for one in load(context, features, chosen, trying):
        crossed = cross(
            tried,
            one.rows,
            one.folds,
            task=trying.task,
            seed=trying.seed,
            progress=advance,
            watch=partial(watch, one.name),
            jobs=processes_of(by),
        )
        found += [(one.blocks, result) for result in crossed]
    return keep(context, features.dataset, found, fitted, started, trying)


def _elsewhere(
    executor: TrialExecutor,
    field: Field,
    places: Sequence[Found],
    kinds: Sequence[HeadKind],
    watch: Watch,
    advance: Callable[[int], None],
) -> list[tuple[Blocks, OutOfFold]]:
    """Of each candidate all linear heads together, which are fitted side by side, and those of each
    other kind alone; in the order that `cross` gives."""
    linear = tuple(kind for kind in kinds if isinstance(kind, Linear))
    others = list(dict.fromkeys(kind for kind in kinds if not isinstance(kind, Linear)))
    parts = [part for part in (linear, *((kind,) for kind in others)) if part]
    attempts = [
        (place, partial(_cross_some, kinds=part, trying=field.trying))
        for part in parts
        for place in range(len(places))
    ]
    done: list[dict[Any, OutOfFold]] = [{} for _ in places]
    for number, crossed in executor.run(field, attempts):
        place, _ = attempts[number]
        settings = {one.settings.get("strength"): one for one in crossed}
        for one in settings.values():
            watch(places[place].name, one)
        part = parts[number // len(places)]
        done[place] |= settings if part is linear else {part[0]: crossed[0]}
        advance(len(settings) * field.trying.folds * field.trying.times)
    return [
        (one.blocks, crossed)
        for one, by_key in zip(places, done, strict=True)
        for crossed in in_order_of(kinds, by_key)
    ]


def _cross_some(
    one: Candidate, kinds: Sequence[HeadKind], trying: CrossValidation
) -> list[OutOfFold]:
    return cross(kinds, one.rows, one.folds, task=trying.task, seed=trying.seed, jobs=1)


def keep(
    context: Context,
    dataset: str,
    found: list[tuple[Blocks, OutOfFold]],
    fitted: int,
    started: float,
    trying: CrossValidation,
) -> Sweep:
    """Put what was tried in order, and into the database; see `in_order`.

    Args:
        context: whose database.
        dataset: its name.
        found: features and what heads said, for each setting.
        fitted: heads in all.
        started: by `time.monotonic`.
        trying: on which folds.
    """
    done = in_order(dataset, found, fitted, started, trying)
    record = SweepRecord(
        dataset,
        context.datasets.get(dataset).digest,
        trying.describe(),
        fitted,
        done.seconds,
        versions(),
    )
    best, *others = done.trials
    with weights_kept():
        records = [best.to_record(done.winner), *(trial.to_record() for trial in others)]
    return replace(done, id=context.sweeps.add(record, records).id)


def in_order(
    dataset: str,
    found: list[tuple[Blocks, OutOfFold]],
    fitted: int,
    started: float,
    trying: CrossValidation,
) -> Sweep:
    """What was tried, from the best down; see `keep`."""
    found.sort(key=lambda pair: pair[1].order(trying.objective))
    tried = [result.outcomes(trying.objective) for _, result in found]
    worse = worse_than_best(tried, is_loss=trying.is_loss).tolist()
    trials = [
        Trial(blocks, crossed, is_worse)
        for (blocks, crossed), is_worse in zip(found, worse, strict=True)
    ]
    winner = _winner(tried, trials[0], trying)
    seconds = round(time.monotonic() - started, 3)
    return Sweep(dataset, trials, fitted, seconds, trying, winner)


def _winner(tried: Sequence[Outcomes], best: Trial, trying: CrossValidation) -> Winner | None:
    """What the best of all that was tried is worth, for it was also lucky."""
    ends = best.metrics["intervals"].get(trying.objective)
    return winner_of(
        tried,
        trying.objective,
        is_loss=trying.is_loss,
        bounds=trying.bounds,
        interval=None if ends is None else (ends[0], ends[1]),
        seed=trying.seed,
    )
