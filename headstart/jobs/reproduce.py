"""`head.reproduce`: a head trained again from the cached features, with its settings and seed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.heads.dense_stack import DenseStack

if TYPE_CHECKING:
    from headstart.head import Head

SAME_METRIC = 1e-6


def reproduce(head: Head) -> dict[str, Any]:
    """See `Head.reproduce`."""
    head.origin()
    metrics, again = _tune_again(head) if head.is_tuned else _train_again(head)
    before = head.tuned_top.arrays() if head.is_tuned else arrays_of(head.stack)
    names = [name for name, value in head.metrics.items() if isinstance(value, float)]
    apart = [abs(metrics[name] - head.metrics[name]) for name in names]
    pairs = zip(again, before, strict=True)
    return {
        "metrics": metrics,
        "max_abs_diff": max(float(np.abs(one - other).max()) for one, other in pairs),
        "agrees": max(apart) <= SAME_METRIC,
    }


def arrays_of(stack: DenseStack) -> Iterable[np.ndarray]:
    """All weights of a stack."""
    return [weights for layer in stack.layers for weights in (layer.kernel, layer.bias)]


def _train_again(head: Head) -> tuple[dict[str, Any], Iterable[np.ndarray]]:
    from headstart.heads.kinds.every_kind import kind_of
    from headstart.heads.train import train

    record = head.record
    _, cut = head.origin()
    more = head.workspace.features_in_views(
        f"{record.backbone}@{record.cut}",
        record.dataset,
        cut.precision,
        record.settings.get("views", 0),
    )
    kind = kind_of(record.kind, record.settings)
    trained = train(head.features(), kind, record.seed, head.task, more)
    return trained.metrics, arrays_of(trained.stack)


def _tune_again(head: Head) -> tuple[dict[str, Any], Iterable[np.ndarray]]:
    """What the head came from, fine-tuned again."""
    from headstart.heads.models.finetune import FineTuning
    from headstart.jobs.finetune import tune

    settings = head.record.settings
    parent = head.workspace.heads.get(settings["parent"])
    fields = {name: settings[name] for name in FineTuning().describe()}
    tuning = tune(parent, head.workspace, settings["from"], FineTuning(**fields))
    return tuning.result["test"] | tuning.splits.counts, tuning.top.arrays()
