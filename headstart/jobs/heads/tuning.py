"""The training of `head.finetune`: nothing is stored here."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from headstart.backbone_model import load_graph
from headstart.errors import FeaturesMissing, HeadError
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.backbones.masks import MASKED, is_bottleneck_with_mask
from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import ENSEMBLE
from headstart.heads.dense_stack import DenseStack, flat
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.kind import Part
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.kinds.of_names.tip_adapter import TipAdapter
from headstart.heads.kinds.of_names.zero_shot import ZeroShot
from headstart.heads.models.aims import aim_of
from headstart.heads.models.finetune import (
    Course,
    FineTuning,
    build_top,
    check_below,
    fine_tune,
    put_on,
    start_of,
)
from headstart.heads.models.tuned_top import TunedTop, below_head, in_batches
from headstart.heads.tasks import task_of
from headstart.jobs.heads.splits import Splits, split
from headstart.registry.entities import Backbone, CutPoint
from headstart.trained_head import TrainedHead

UNTUNED = (Neighbours.kind, TipAdapter.kind, ZeroShot.kind, ENSEMBLE, Bagged.kind)
"""Kinds whose heads have no start that steps could improve."""


@dataclass(frozen=True)
class Tuning:
    """A training that is done.

    Attributes:
        graph: the backbone's, whose upper layers have the new weights now.
        model: from the start's features to what the head says.
        top: its weights.
        begun: the dense layers that it began with.
        splits: what it was trained and judged on.
        course: how it went.
        start: scores of what it began with, by `validation` and `test`.
        result: likewise, of what came of it.
        said: what the start and what the result say of the test split, (n, outputs).
        clusters: which samples of the test split belong together; None where each is on its own.
        seconds: that the training took.
    """

    graph: Any
    model: Any
    top: TunedTop
    begun: DenseStack
    splits: Splits
    course: Course
    start: dict[str, dict[str, Any]]
    result: dict[str, dict[str, Any]]
    said: tuple[np.ndarray, np.ndarray]
    clusters: Clusters | None
    seconds: float


def tune(head: TrainedHead, start: str, settings: FineTuning) -> Tuning:
    """Train the layers above a cut; nothing is stored.

    Raises:
        HeadError: see `Head.finetune`.
    """
    backbone, origin = head.origin()
    below = check_start(head, start)
    head.dataset()  # in other splits, the head may have seen what is to judge
    task, classes = task_of(head.record.settings), head.record.classes
    graph, stack, cut = _begin(head, backbone, origin)
    model = build_top(graph, below, cut, stack)
    try:
        splits = split(head, backbone, replace(below, precision=cut.precision), settings)
    except FeaturesMissing as error:
        asked = f"'{backbone.label}@{below.name}' {head.record.dataset}"
        raise FeaturesMissing(error.message, hint=f"Run `headstart extract {asked}`.") from error
    begun = _start(head, model, stack, splits)
    parts = {"validation": splits.judging, "test": splits.test}

    def measure() -> tuple[dict[str, dict[str, Any]], np.ndarray]:
        found, outputs = {}, np.empty(0)
        for name, part in parts.items():
            outputs = in_batches(model, np.asarray(part.features))
            clusters = Clusters.of(part.groups)
            scores = scores_of(task, outputs, part.targets, classes, clusters)
            found[name] = scores | {"n": len(part)}
        return found, outputs

    before, was_said = measure()
    started = time.monotonic()
    aim = aim_of(task, splits.train, stack.outputs)
    course = fine_tune(model, splits.train, splits.judging, settings, aim, head.record.seed)
    seconds = round(time.monotonic() - started, 3)
    after, is_said = measure()
    top = TunedTop.of(model, below.name, cut.name, stack)
    return Tuning(
        graph,
        model,
        top,
        begun,
        splits,
        course,
        before,
        after,
        (was_said, is_said),
        Clusters.of(splits.test.groups),
        seconds,
    )


def check_start(head: TrainedHead, start: str) -> Cut:
    """The cut to train from: as it is named, or with its mask, `|masked`, where it needs that.

    The model is loaded only if the cut is no bottleneck by itself.

    Raises:
        HeadError: it is pooled, or the head is none that steps can improve, or was trained on
            features in int8.
        BackboneError: it is no bottleneck, or does not lie below the head's own cut.
        LayerNotFound: there is no such cut.
    """
    backbone, origin = head.origin()
    head.refuse_int8(origin, "its fine-tuning")
    below = resolve(backbone.cuts, start)
    if below.pooling not in (None, MASKED):
        raise HeadError(f"{start!r} is pooled", hint="Name the cut alone.")
    _check_kind(head)
    settings = head.record.settings
    own = resolve(backbone.cuts, settings.get("head_cut", head.record.cut))
    places = {point.name: place for place, point in enumerate(backbone.cuts)}
    is_below = places[below.point.name] < places[own.point.name]
    if is_below and not below.point.is_bottleneck and _is_sequence(below.point):
        graph = load_graph(head.context, backbone)
        if is_bottleneck_with_mask(graph, below.point, own.point):
            return Cut(below.point, MASKED)
    check_below(below.point, own, is_below)
    return below


def _is_sequence(point: CutPoint) -> bool:
    return len(point.shape) == 2


def _check_kind(head: TrainedHead) -> None:
    record = head.record
    if head.windows:
        raise HeadError(
            f"head {record.name!r} was trained on windows of samples, which fine-tuning does not "
            "know how to score",
            hint="Add the source by another name without --window (or cut into files, a sample "
            "each), train a head there, and fine-tune that.",
        )
    if record.kind in UNTUNED:
        raise HeadError(
            f"head {record.name!r} is of kind {record.kind}, which steps cannot improve",
            hint="Fine-tune a linear head or an mlp.",
        )


def _begin(head: TrainedHead, backbone: Backbone, origin: Cut) -> tuple[Any, Any, Cut]:
    """The backbone's graph with the weights that the head has been tuned to so far, the head's
    dense layers, and its own cut.

    The features of a head that is fine-tuned are held no more: steps move them, and a feature
    beyond its bounds would have no gradient.
    """
    graph = load_graph(head.context, backbone)
    if not head.is_tuned:
        stack = head.stack
        assert isinstance(stack, DenseStack)  # no ensemble, see `_check_kind`
        return graph, stack.unheld(), origin
    top = head.tuned_top
    top.build(graph, backbone.cuts)
    return graph, top.stack, replace(top.cut_of(backbone.cuts), precision=origin.precision)


def _start(head: TrainedHead, model: Any, stack: DenseStack, splits: Splits) -> DenseStack:
    """Put the head that the training begins with on the model; gives it."""
    if head.is_tuned:  # on the train split alone, with the same samples held out
        return stack

    def below(part: Part) -> Part:
        found = in_batches(below_head(model, stack), np.asarray(part.features))
        return replace(part, features=flat(found))

    record = head.record
    held = partial(below, splits.judging) if splits.is_held_out else None
    train = partial(below, splits.train)
    task = task_of(record.settings)
    begun = start_of(record.kind, record.settings, task, stack, train, held, record.seed)
    put_on(model, begun)
    return begun
