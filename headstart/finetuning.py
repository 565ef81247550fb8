"""`head.finetune`: a trained head and the layers below it, trained from cached features."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.cuts import resolve
from headstart.extractors.runtime import versions
from headstart.extractors.trunk import build_trunk
from headstart.heads.labelled import numbers_of
from headstart.heads.nearest import Neighbours
from headstart.registry.entities import Run
from headstart.storage.manifest import SPLITS
from headstart.storage.views import FeatureView

if TYPE_CHECKING:
    from headstart.head import Head
    from headstart.heads.finetuning import FineTuning
    from headstart.workspace import Workspace


@dataclass(frozen=True)
class FineTuned:
    """What came of it.

    Attributes:
        model: the whole model, from preprocessed inputs to class probabilities.
        metrics: on the test split, as `Head.metrics`.
        history: of the training, a number an epoch.
        seconds: that the training took, features read.
        difference: of the whole model's probabilities from those of the trained part, the largest.
    """

    model: Any
    metrics: dict[str, Any]
    history: dict[str, list[float]]
    seconds: float
    difference: float


def finetune(
    head: Head,
    workspace: Workspace,
    start: str,
    path: str | Path | None,
    settings: FineTuning | None,
) -> FineTuned:
    """See `Head.finetune`."""
    from headstart.heads.attaching import TOLERANCES, attach, check_parity, predict
    from headstart.heads.exporting import format_of, write_checked
    from headstart.heads.finetuning import FineTuning, build_top, fine_tune, head_of
    from headstart.heads.tasks import Classification, task_of

    target = None if path is None else Path(path)
    if target is not None:
        format_of(target)
    backbone, cut = head.origin()
    below = resolve(backbone.cuts, start)
    if below.pooling is not None:
        raise HeadError(f"{start!r} is pooled", hint="Name the cut alone.")
    record, chosen = head.record, settings or FineTuning()
    task = task_of(record.settings)
    if type(task) is not Classification:
        raise HeadError(f"head {record.name!r} is for {task.name}; fine-tuning knows classes alone")
    if record.kind == Neighbours.kind:
        raise HeadError(
            f"head {record.name!r} is of kind {record.kind}, which steps cannot improve",
            hint="Fine-tune a linear head or an mlp.",
        )
    graph = workspace.load_graph(backbone)
    top = build_top(graph, below.point, cut, head.stack)
    view = workspace.features(f"{backbone.reference}@{below.name}", record.dataset, cut.precision)
    more = workspace.features_in_views(
        f"{backbone.reference}@{below.name}", record.dataset, cut.precision, chosen.views
    )
    parts = {
        name: _part([view.split(name), *(more if name == "train" else ())], record.classes)
        for name in SPLITS
    }
    for name in ("train", "test"):
        if not len(parts[name][1]):
            raise HeadError(f"the {name} split is empty", hint="Add samples.")
    started = time.monotonic()
    history = fine_tune(top, parts["train"], parts["validation"], chosen, record.seed)
    seconds = round(time.monotonic() - started, 3)
    features, targets = parts["test"]
    metrics = task.evaluate(top.predict(features, verbose=0), targets, record.classes)
    metrics |= {f"n_{name}": len(part[1]) for name, part in parts.items()}

    trunk = build_trunk(graph, [cut], workspace.pipeline(backbone).output_size)
    name = f"{backbone.name}_{record.name}_tuned".replace(".", "_")
    whole = attach(trunk, head_of(top, head.stack), name)
    raw, numbers = head.cached_samples(backbone, view)
    inputs = workspace.pipeline(backbone).finish(raw)
    expected = predict(top, view[numbers])

    def compare(given: np.ndarray) -> float:
        return check_parity(given, expected, TOLERANCES[cut.precision])

    difference = compare(predict(whole, inputs))
    if target is not None:
        difference = max(difference, write_checked(whole, target, inputs, compare))
        tuned = replace(
            record, kind=f"{record.kind}, fine-tuned from {below.name}", metrics=metrics
        )
        head.describe(target, backbone, difference, record=tuned)
    counts = {"from": below.name, **chosen.describe(), "accuracy": metrics["accuracy"]}
    subject = f"{record.name}:{record.version}"
    workspace.runs.add(
        Run("finetune", subject, record.dataset, "done", counts, seconds, versions())
    )
    return FineTuned(whole, metrics, history, seconds, difference)


def _part(views: list[FeatureView], classes: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    features = np.concatenate([view.to_numpy() for view in views]).astype(np.float32, copy=False)
    return features, numbers_of([label for view in views for label in view.labels], classes)
