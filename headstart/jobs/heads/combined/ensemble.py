"""`ws.heads.train_ensemble`: several heads of a sweep as one, chosen by what they said of samples
that they were not trained on, and scored on the test split, which took no part in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.cached import answered_in, features_of_blocks, of_samples
from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.combined.ensemble import ENSEMBLE, Ensemble, Member, slices_of
from headstart.heads.combined.greedy import ROUNDS, select
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.intervals import SHARES
from headstart.heads.evaluation.paired import often_right
from headstart.heads.evaluation.provenance import MAIN_SCORES
from headstart.heads.kind import HeadKind, Part
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.models.train import Trained, measure, parts_of
from headstart.heads.models.train import train as fit
from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.values import told_on, values_of
from headstart.jobs.heads.combined.kept_trials import Tried, tried_again
from headstart.jobs.heads.compare import interval_of_difference
from headstart.jobs.heads.cross_validation import CrossValidation
from headstart.jobs.heads.sweep import Sweep
from headstart.jobs.heads.train import register, weights_told
from headstart.origins.blocks import Block, Blocks
from headstart.origins.of_head import blocks_of_members, member_features
from headstart.progress import Progress, silent
from headstart.registry.names import check_name
from headstart.storage.joined.rows import factor_of
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead


@dataclass(frozen=True)
class Chosen:
    """A member that is to be fitted.

    Attributes:
        blocks: the features that it takes.
        kind: of the head.
        weight: of what it says.
    """

    blocks: Blocks
    kind: HeadKind
    weight: float

    def to_json(self) -> dict[str, Any]:
        """As a head's settings have it."""
        return {
            **member_features(self.blocks),
            "precision": self.blocks.precision,
            "kind": self.kind.kind,
            "settings": self.kind.describe(),
            "weight": self.weight,
        }


@dataclass(frozen=True)
class Fitting:
    """How members are fitted.

    Attributes:
        task: what the labels mean.
        seed: of all fits.
        windows: see `Heads.train`.
    """

    task: Task = field(default_factory=Classification)
    seed: int = 0
    windows: str | None = None

    @staticmethod
    def of(head: TrainedHead) -> Fitting:
        """As those of an ensemble were."""
        return Fitting(head.task, head.record.seed, head.windows.get("pooled"))


def train_ensemble(
    context: Context,
    name: str,
    sweep: int | Sweep,
    *,
    rounds: int = ROUNDS,
    progress: Progress = silent,
) -> TrainedHead:
    """See `Heads.train_ensemble`."""
    check_name(name, "head")
    tried = Tried.of(sweep) if isinstance(sweep, Sweep) else tried_again(context, sweep, progress)
    _check_tried(tried.trying)
    crossed = [one.crossed for one in tried.trials]
    objective = tried.trying.objective
    task, said = tried.trying.task, [one.outputs for one in crossed]
    taken = select(said, crossed[0].targets, objective, rounds, task)
    order = sorted(np.flatnonzero(taken.counts), key=lambda n: crossed[n].order(objective))
    chosen = [
        Chosen(
            tried.trials[number].blocks,
            tried.trials[number].kind,
            float(taken.weights[number]),
        )
        for number in order
    ]
    told = {
        "selected_on": len(crossed[0].targets),
        "selected_from": len(crossed),
        "selected_by": objective,
        "sweep": tried.number,
    }
    told |= {"selection": dict(taken.scores)}  # of samples that it fits a little
    how = Fitting(task, tried.seed, tried.windows)
    return fit_members(context, name, tried.dataset, chosen, told, how)


def _check_tried(trying: CrossValidation) -> None:
    """See that heads were tried as those of an ensemble are trained.

    Raises:
        HeadError: they were not.
    """
    if trying.shots is not None:
        raise HeadError(
            f"the sweep tried heads on {trying.shots} samples per class",
            hint="An ensemble is trained on all: sweep again without --shots.",
        )
    if trying.ignore_weights:
        raise HeadError(
            "the sweep counted all samples alike, and an ensemble counts them by their weights",
            hint="Sweep again without --ignore-weights.",
        )


def fit_again(
    head: TrainedHead, name: str | None = None, progress: Progress = silent
) -> TrainedHead:
    """A next version, with the same members and weights, on its dataset as it is now."""
    record = head.record
    return fit_members(
        head.context,
        name or record.name,
        record.dataset,
        chosen_of(head),
        {key: record.settings[key] for key in TOLD if key in record.settings},
        Fitting.of(head),
        progress,
    )


TOLD = ("selected_on", "selected_from", "selected_by", "sweep", "selection")
"""Of the selection, in a head's settings."""


def again(head: TrainedHead) -> Trained:
    """The ensemble fitted again, and not registered."""
    chosen, how = chosen_of(head), Fitting.of(head)
    view = view_of(head.context, head.record.dataset, chosen, how)
    return fitted(head.context, view, chosen, how)


def chosen_of(head: TrainedHead) -> list[Chosen]:
    """The members of an ensemble, as its settings have them.

    Raises:
        HeadError: a backbone was removed, or is another one now.
    """
    members = head.record.settings["members"]
    each = zip(blocks_of_members(head.record, head.blocks()), members, strict=True)
    return [
        Chosen(blocks, kind_of(one["kind"], one["settings"]), one["weight"]) for blocks, one in each
    ]


def fit_members(
    context: Context,
    name: str,
    dataset: str,
    chosen: Sequence[Chosen],
    told: dict[str, Any],
    how: Fitting,
    progress: Progress = silent,
) -> TrainedHead:
    """Fit the members, measure the ensemble on the test split, and register it. `progress` may
    raise: nothing is registered then."""
    started = time.monotonic()
    view = view_of(context, dataset, chosen, how)
    trained = fitted(context, view, chosen, how, progress)
    progress(len(chosen), len(chosen))
    settings = trained.settings | told | weights_told(view)
    made = Trained(trained.stack, trained.kind, trained.metrics, settings)
    return register(context, name, view, made, how.seed, started)


def view_of(context: Context, dataset: str, chosen: Sequence[Chosen], how: Fitting) -> FeatureView:
    """The features of all members side by side, each block once and as it is."""
    blocks = dict[str, Block]()
    for one in chosen:
        blocks |= {own.reference: own for own in one.blocks}
    every = Blocks(blocks.values())
    view = features_of_blocks(context, every, context.datasets.get(dataset), 0, [1.0] * len(every))
    (view,) = answered_in(how.task, of_samples(view, how.windows))
    return view


def fitted(
    context: Context,
    view: FeatureView,
    chosen: Sequence[Chosen],
    how: Fitting,
    progress: Progress = silent,
) -> Trained:
    """The members fitted, each as `head train` would, and what they say together measured.

    Args:
        context: whose cache.
        view: of `view_of`.
        chosen: the members, the best by itself first.
        how: to fit them.
        progress: called before each member is fitted, with (fitted, all).
    """
    every, entity, task = view.origin.blocks, view.origin.dataset, how.task
    places = {one.reference: place for place, one in enumerate(every)}
    widths = [int(np.prod(one.cut.shape, dtype=np.int64)) for one in every]
    members = []
    for number, one in enumerate(chosen):
        progress(number, len(chosen))
        own = of_samples(features_of_blocks(context, one.blocks, entity), how.windows)
        own = own.take(_rows_of(own, view))  # others may lack some, or all of a class
        scales = own.origin.scales or (1.0,)
        stack = fit(own, one.kind, how.seed, task).stack
        assert isinstance(stack, DenseStack)  # of a kind, which gives layers
        factors = [float(factor_of(scale)) for scale in scales]
        taken = slices_of([places[block.reference] for block in one.blocks], widths, factors)
        members.append(Member(stack, one.weight, taken))
    ensemble = Ensemble(tuple(members), sum(widths))
    parts, classes = parts_of(view, task)
    settings = {
        **task.describe(),
        "members": [one.to_json() for one in chosen],
        "judged_on": "what heads that were not trained on them said of train and validation split",
        "beside": beside_best(ensemble, parts["test"], view, chosen[0], task),
        "given": {},
        "views": 0,
    }
    return Trained(ensemble, ENSEMBLE, measure(ensemble, view, task, parts, classes), settings)


def _rows_of(own: FeatureView, view: FeatureView) -> np.ndarray:
    """Which rows of a member's features are of the samples of all."""
    rows = {id_: row for row, id_ in enumerate(own.ids)}
    return np.array([rows[id_] for id_ in view.ids], np.int64)


def beside_best(
    ensemble: Ensemble, tested: Part, view: FeatureView, best: Chosen, task: Task
) -> dict[str, Any]:
    """An ensemble beside the best of its members alone, on the test split, as a head's settings
    have it.

    The first member is the best: the selection began with it.

    Args:
        ensemble: the heads.
        tested: the test split.
        view: of all features.
        best: the first member.
        task: what the labels mean.

    Returns:
        `features` and `kind` of that member; `score`, the name of the one by which they are
        compared, and by this name what the member has; the `difference`, the ensemble's less
        that; the `interval` of it, 95 %, over pairs, None of a single group; the `p_value`, mid-p
        of McNemar's test, None where samples stand in groups or none is right or wrong; and how
        many `samples` were compared.
    """
    samples, name = view.split("test").samples, _main_score(task, tested.targets)
    x, first = tested.features[:].reshape(len(tested), -1), ensemble.members[0]
    outputs = [first.stack.predict_proba(first.features(x)), ensemble.predict_proba(x)]
    was, now = (float(values_of(task, name, one, tested.targets).mean()) for one in outputs)
    clusters = clusters_of(samples)
    interval, _ = interval_of_difference(task, name, outputs, tested.targets, clusters)
    p_value = None
    if name in SHARES:
        was_right, is_right = (values_of(task, name, one, tested.targets) for one in outputs)
        p_value = often_right(was_right, is_right, clusters).p_value
    return {
        "features": best.blocks.name,
        "kind": best.kind.kind,
        "score": name,
        name: was,
        "difference": now - was,
        "interval": None if interval is None else list(interval),
        "p_value": p_value,
        "samples": len(samples),
    }


def _main_score(task: Task, targets: np.ndarray) -> str:
    """The one that is told of a head in a line: of several labels how often all are right; of
    numbers of which one is the same in all samples, the first that has a value."""
    names = told_on(task, targets)
    return next((one for one in MAIN_SCORES if one in names), names[0])
