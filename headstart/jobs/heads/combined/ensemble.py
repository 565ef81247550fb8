"""`ws.heads.train_ensemble`: several heads of a sweep as one, chosen by what they said of samples
that they were not trained on, and scored on the test split, which took no part in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from headstart.cached import features_of_blocks, labelled_in, of_samples
from headstart.context import Context
from headstart.errors import HeadError
from headstart.heads.combined.ensemble import ENSEMBLE, Ensemble, Member, slices_of
from headstart.heads.combined.greedy import ROUNDS, Taken, select
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.paired import often_right
from headstart.heads.kind import HeadKind
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.models.train import Trained, measure, parts_of
from headstart.heads.models.train import train as fit
from headstart.heads.tasks import Classification
from headstart.heads.trials.by_task import is_plain
from headstart.jobs.heads.combined.kept_trials import Tried, tried_again
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
    taken = select([one.outputs for one in crossed], crossed[0].targets, objective, rounds)
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
    return fit_members(
        context, name, tried.dataset, chosen, told | _scores(taken), tried.seed, tried.windows
    )


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
    if not is_plain(trying.task):
        raise HeadError(
            f"the sweep is of the task {trying.task.name}",
            hint="An ensemble is of heads that say one class; train the sweep's best head: "
            "`headstart head train NAME --from-sweep ID`.",
        )


def _scores(taken: Taken) -> dict[str, Any]:
    """What it had on the samples of the selection, which says little of others."""
    return {"selection": {"accuracy": taken.accuracy, "log_loss": taken.log_loss}}


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
        record.seed,
        head.windows.get("pooled"),
        progress,
    )


TOLD = ("selected_on", "selected_from", "selected_by", "sweep", "selection")
"""Of the selection, in a head's settings."""


def again(head: TrainedHead) -> Trained:
    """The ensemble fitted again, and not registered."""
    record, windows = head.record, head.windows.get("pooled")
    chosen = chosen_of(head)
    view = view_of(head.context, record.dataset, chosen, windows)
    return fitted(head.context, view, record.dataset, chosen, record.seed, windows)


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
    seed: int,
    windows: str | None,
    progress: Progress = silent,
) -> TrainedHead:
    """Fit the members, measure the ensemble on the test split, and register it. `progress` may
    raise: nothing is registered then."""
    started = time.monotonic()
    view = view_of(context, dataset, chosen, windows)
    trained = fitted(context, view, dataset, chosen, seed, windows, progress)
    progress(len(chosen), len(chosen))
    settings = trained.settings | told | weights_told(view)
    made = Trained(trained.stack, trained.kind, trained.metrics, settings)
    return register(context, name, view, made, seed, started)


def view_of(
    context: Context, dataset: str, chosen: Sequence[Chosen], windows: str | None
) -> FeatureView:
    """The features of all members side by side, each block once and as it is."""
    blocks = dict[str, Block]()
    for one in chosen:
        blocks |= {own.reference: own for own in one.blocks}
    every = Blocks(blocks.values())
    view = features_of_blocks(context, every, context.datasets.get(dataset), 0, [1.0] * len(every))
    return labelled_in(of_samples(view, windows))


def fitted(
    context: Context,
    view: FeatureView,
    dataset: str,
    chosen: Sequence[Chosen],
    seed: int,
    windows: str | None,
    progress: Progress = silent,
) -> Trained:
    """The members fitted, each as `head train` would, and what they say together measured.

    Args:
        context: whose cache.
        view: of `view_of`.
        dataset: its name.
        chosen: the members, the best by itself first.
        seed: of all fits.
        windows: see `Heads.train`.
        progress: called before each member is fitted, with (fitted, all).
    """
    task, entity = Classification(), context.datasets.get(dataset)
    every = view.origin.blocks
    places = {one.reference: place for place, one in enumerate(every)}
    widths = [int(np.prod(one.cut.shape, dtype=np.int64)) for one in every]
    members = []
    for number, one in enumerate(chosen):
        progress(number, len(chosen))
        own = of_samples(features_of_blocks(context, one.blocks, entity), windows)
        own = own.take(_rows_of(own, view))  # others may lack some, or all of a class
        scales = own.origin.scales or (1.0,)
        stack = fit(own, one.kind, seed, task).stack
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
        "beside": beside_best(ensemble, view, chosen[0]),
        "given": {},
        "views": 0,
    }
    return Trained(ensemble, ENSEMBLE, measure(ensemble, view, task, parts, classes), settings)


def _rows_of(own: FeatureView, view: FeatureView) -> np.ndarray:
    """Which rows of a member's features are of the samples of all."""
    rows = {id_: row for row, id_ in enumerate(own.ids)}
    return np.array([rows[id_] for id_ in view.ids], np.int64)


@dataclass(frozen=True)
class Beside:
    """An ensemble beside the best of its members alone, on the test split.

    Attributes:
        features: of that member.
        kind: of it.
        accuracy: of it.
        difference: the ensemble's accuracy less its.
        interval: of that, 95 %, over pairs; None of a single group.
        p_value: mid-p of McNemar's test; None where samples stand in groups.
        samples: how many were compared.
    """

    features: str
    kind: str
    accuracy: float
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    samples: int


def beside_best(ensemble: Ensemble, view: FeatureView, best: Chosen) -> dict[str, Any]:
    """See `Beside`; the first member is the one that the selection began with."""
    tested = view.split("test")
    x, first = tested.to_numpy().reshape(len(tested), -1), ensemble.members[0]
    numbers = {label: place for place, label in enumerate(ensemble.classes)}
    targets = np.array([numbers[label] for label in tested.labels])  # type: ignore[index]
    now = ensemble.predict_proba(x).argmax(axis=1) == targets
    was = first.stack.predict_proba(first.features(x)).argmax(axis=1) == targets
    found = often_right(was, now, clusters_of(tested.samples))
    told = Beside(
        best.blocks.name,
        best.kind.kind,
        float(was.mean()),
        found.difference,
        found.interval,
        found.p_value,
        len(targets),
    )
    return asdict(told) | {"interval": None if found.interval is None else list(found.interval)}
