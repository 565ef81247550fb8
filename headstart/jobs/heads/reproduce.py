"""`head.reproduce`: a head trained again from the cached features, with its settings and seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.cached import answered_in, features_in_views, of_samples
from headstart.extractors.difference import largest
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.models.finetune import FineTuning
from headstart.heads.models.train import train
from headstart.jobs.backbones.class_names import with_class_names
from headstart.jobs.heads.combined.ensemble import again
from headstart.jobs.heads.tuning import tune
from headstart.notices import tell
from headstart.trained_head import TrainedHead
from headstart.values.showable import Record

SAME_METRIC = 1e-6


@dataclass(frozen=True)
class Reproduced(Record):
    """How a head that was trained again compares with the one that is stored.

    Attributes:
        metrics: of now.
        max_abs_diff: between the weights.
        agrees: whether the metrics are the same within 1e-6.
    """

    metrics: dict[str, Any]
    max_abs_diff: float
    agrees: bool

    def _line(self) -> str:
        agrees = "agrees" if self.agrees else "does not agree"
        return f"{agrees}, the weights differ by at most {self.max_abs_diff:.1g}"


def reproduce(head: TrainedHead) -> Reproduced:
    """See `Head.reproduce`."""
    head.blocks()
    metrics, again = _tune_again(head) if head.is_tuned else _train_again(head)
    before = head.tuned_top.arrays() if head.is_tuned else arrays_of(head.stack)
    names = [name for name, value in head.metrics.items() if isinstance(value, float)]
    apart = [abs(metrics[name] - head.metrics[name]) for name in names]
    pairs = zip(again, before, strict=True)
    difference = max(largest(one, other) for one, other in pairs)
    return Reproduced(metrics, difference, max(apart, default=0.0) <= SAME_METRIC)


def arrays_of(stack: DenseStack | Ensemble) -> Iterable[np.ndarray]:
    """All kernels, biases and queries of a stack; a head of before there were origins has as
    many."""
    arrays = [weights for layer in stack.layers for weights in (layer.kernel, layer.bias)]
    attention = [one.attention for one in stack.layers if one.attention is not None]
    return [*arrays, *(one.queries for one in attention)]


def tell_of_bounds(before: DenseStack | Ensemble, again: DenseStack | Ensemble) -> None:
    """Say why a head of before there were bounds is another one now."""
    bounds = again.layers[0].bounds
    if bounds is not None and before.layers[0].bounds is None:
        tell(
            f"{bounds.count:,} of {again.width:,} features hardly vary in training and are held "
            "within bounds; the stored head is of before that, and says what it always said"
        )


def _train_again(head: TrainedHead) -> tuple[dict[str, Any], Iterable[np.ndarray]]:
    record = head.record
    blocks = head.blocks()
    more = features_in_views(
        head.context,
        blocks.reference,
        record.dataset,
        blocks.precision,
        record.settings.get("views", 0),
        head.scales,
    )
    if head.is_ensemble:
        found = again(head)
        return found.metrics, arrays_of(found.stack)
    features, kind = head.features(), kind_of(record.kind, record.settings)
    kind = with_class_names(head.context, kind, features, head.task)
    grouped = [of_samples(one, head.windows.get("pooled")) for one in more]
    features, *grouped = answered_in(head.task, features, *grouped)
    grouped = [one.unweighted() for one in grouped] if head.ignores_weights else grouped
    trained = train(features, kind, record.seed, head.task, grouped)
    tell_of_bounds(head.stack, trained.stack)
    return trained.metrics, arrays_of(trained.stack)


def _tune_again(head: TrainedHead) -> tuple[dict[str, Any], Iterable[np.ndarray]]:
    """What the head came from, fine-tuned again."""
    settings = head.record.settings
    parent = TrainedHead(head.context, head.context.heads.get(settings["parent"]))
    fields = {name: settings[name] for name in FineTuning().describe()}
    tuning = tune(parent, settings["from"], FineTuning(**fields))
    return tuning.result["test"] | tuning.splits.counts, tuning.top.arrays()
