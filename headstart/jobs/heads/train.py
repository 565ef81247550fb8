"""`ws.heads.train`: a head is fitted to a view's features and labels, and registered."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from headstart.cached import answered_in, features_in_views, of_samples
from headstart.context import Context
from headstart.errors import HeadError, InvalidHeadSetting, NotFound
from headstart.extractors.datasets import window_options
from headstart.extractors.runtime import versions
from headstart.heads.combined.bagged import Bagged
from headstart.heads.kind import HeadKind, classes_named
from headstart.heads.kinds.every_kind import one_kind
from headstart.heads.tasks import Classification, Task, one_task
from headstart.jobs.backbones.class_names import with_class_names
from headstart.jobs.backbones.masks import refuse_lost_masks
from headstart.jobs.heads.care.head_record import with_record
from headstart.jobs.heads.looks import TESTED_ON, samples_key
from headstart.notices import warn
from headstart.origins.blocks import JoinedOrigin, Origin
from headstart.origins.of_head import place_of, settings_of
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.entities import Run
from headstart.registry.names import check_name
from headstart.registry.selection.tags import Tags
from headstart.storage.views import FeatureView
from headstart.trained_head import IGNORED, SAMPLE_WEIGHTS, SUFFIX, TrainedHead
from headstart.values.options import taken
from headstart.values.showable import brief

if TYPE_CHECKING:
    from headstart.heads.models.train import Trained


def train(
    context: Context,
    name: str,
    features: FeatureView,
    kind: HeadKind | Bagged | str | None = None,
    *,
    seed: int = 0,
    task: Task | str | None = None,
    views: int = 0,
    windows: str | None = None,
) -> TrainedHead:
    """See `Heads.train`."""
    fitted = fit(context, name, features, kind, seed=seed, task=task, views=views, windows=windows)
    return fitted.register()


@dataclass(frozen=True)
class Fitted:
    """A head that was trained and is not registered yet.

    Attributes:
        context: where.
        name: that it is to have.
        view: that it was trained on, with its origin.
        trained: the head.
        seed: of its fit.
        started: by `time.monotonic`.
    """

    context: Context
    name: str
    view: FeatureView
    trained: Trained
    seed: int
    started: float

    def register(self, tags: Tags | None = None) -> TrainedHead:
        """Keep it as the next version of its name, with tags from the first moment on."""
        given = self.context, self.name, self.view, self.trained
        return register(*given, self.seed, self.started, tags)


def fit(
    context: Context,
    name: str,
    features: FeatureView,
    kind: HeadKind | Bagged | str | None = None,
    *,
    seed: int = 0,
    task: Task | str | None = None,
    views: int = 0,
    windows: str | None = None,
) -> Fitted:
    """As `train`, without registering it: whoever trains as a job may have been told to stop."""
    from headstart.heads.models.train import train as fitted

    check_name(name, "head")
    seed, task = taken("seed", seed, "int", InvalidHeadSetting), one_task(task)
    origin = getattr(features, "origin", None)
    if not isinstance(origin, Origin | JoinedOrigin):
        raise HeadError(
            f"{brief(features)} does not know its backbone and dataset",
            hint="Train on what ws.extract or ws.features gives, not on a part of it.",
        )
    if other := find_of_other(context, name, origin.dataset.name):
        warn(
            f"head {name!r} was trained on dataset {other.dataset!r} so far: its next version is "
            f"of {origin.dataset.name!r}"
        )
    chosen = None if kind is None else one_kind(kind)
    if chosen is not None:
        refuse_lost_masks(context, [chosen], [origin.blocks])
    started = time.monotonic()
    ignores = features.is_unweighted
    features = of_samples(features, windows)
    told = {SAMPLE_WEIGHTS: IGNORED} if ignores else weights_told(features)
    (features,) = answered_in(task, features)
    if classes_named(chosen):
        features = _with_named_classes(name, features)
    if chosen is not None:
        chosen = with_class_names(context, chosen, features, task or Classification())
    more = features_in_views(
        context,
        origin.blocks.reference,
        origin.dataset.name,
        origin.blocks.precision,
        views,
        origin.scales,
    )
    more = [of_samples(one, features.windows) for one in more]
    more = [one.unweighted() for one in more] if ignores else more
    _, *more = answered_in(task, features, *more)
    trained = fitted(features, chosen, seed, task, more)
    trained = replace(trained, settings=trained.settings | told)
    return Fitted(context, name, features, trained, seed, started)


def _with_named_classes(name: str, view: FeatureView) -> FeatureView:
    """By what a head of given classes can be judged: the samples with labels, if there are any.

    Warns:
        HeadstartWarning: what is not known of the head.
    """
    if any(label is not None for label in view.labels):
        if not len(view.split("test")):
            warn(
                f"{view.origin.dataset.name} has no label in its test split: how often head "
                f"{name!r} is right is not known; `headstart head evaluate` tells it on samples "
                "with labels"
            )
        return view
    warn(
        f"{view.origin.dataset.name} has no label: how often head {name!r} is right is not known, "
        "and its probabilities are not calibrated; `headstart head evaluate` tells it on samples "
        "with labels"
    )
    return view.labelled()


def weights_told(view: FeatureView) -> dict[str, Any]:
    """What a head's settings have of the weights of the samples that it is trained on: the least
    and the largest; nothing where there are none."""
    train = view.samples.of_split("train")
    if not view.samples.has_weights or not len(train):
        return {}
    weights = train.weights
    return {SAMPLE_WEIGHTS: {"least": float(weights.min()), "largest": float(weights.max())}}


def register(
    context: Context,
    name: str,
    view: FeatureView,
    trained: Trained,
    seed: int,
    started: float,
    tags: Tags | None = None,
) -> TrainedHead:
    """Keep a head that was trained, and record that it was.

    Args:
        context: where.
        name: of the head.
        view: that it was trained on, with its origin.
        trained: the head.
        seed: of its fit.
        started: by `time.monotonic`.
        tags: of the head.
    """
    origin, seconds = view.origin, round(time.monotonic() - started, 3)
    settings = trained.settings | windows_of(view) | {"seconds": seconds} | settings_of(origin)
    metrics = trained.metrics | {TESTED_ON: samples_key(view.split("test").samples)}
    record = keep(
        context,
        HeadRecord(
            name=name,
            kind=trained.kind,
            **place_of(origin.blocks),
            feature_key=view.key,
            dataset=origin.dataset.name,
            dataset_digest=origin.dataset.digest,
            settings=settings,
            metrics=metrics,
            classes=list(trained.stack.classes),
            seed=seed,
            versions=versions(),
            artifact_digest="",
            artifact_size=0,
        ),
        trained.stack.to_bytes(),
        tags,
    )
    context.runs.add(
        Run(
            "train",
            f"{record.name}:{record.version}",
            record.dataset,
            "done",
            {name: metrics[name] for name in ("n_train", "n_validation", "n_test", TESTED_ON)},
            seconds,
            record.versions,
        )
    )
    return TrainedHead(context, record)


def find_of_other(context: Context, name: str, dataset: str) -> HeadRecord | None:
    """The latest head of a name, if it was trained on another dataset than the next is to be."""
    with suppress(NotFound):
        latest = context.heads.get(name)
        if latest.name == name and latest.dataset != dataset:
            return latest
    return None


def windows_of(features: FeatureView) -> dict[str, Any]:
    """How the samples of a view were cut, and what became of their windows, as a head's settings
    have it; nothing where they were not cut."""
    if features.windows is None:
        return {}
    told = window_options(features.origin.dataset.options)[0]
    return {"windows": {**told, "pooled": features.windows}}


def keep(
    context: Context, record: HeadRecord, content: bytes, tags: Tags | None = None
) -> HeadRecord:
    """Register a head as the next version of its name, with what its artifact holds; the record
    goes into that, too.

    Args:
        context: where.
        record: whose artifact, version, time and number are set here.
        content: of the artifact.
        tags: of the head.
    """
    artifact = context.artifacts.put_bytes(with_record(content, record), SUFFIX)
    named = replace(record, artifact_digest=artifact.digest, artifact_size=artifact.size)
    return context.heads.add(named, tags)
