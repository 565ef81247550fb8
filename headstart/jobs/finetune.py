"""`head.finetune`: a trained head and the layers below it, trained from cached features."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.backbones.cuts import Cut, resolve
from headstart.extractors.runtime import versions
from headstart.heads.dense_stack import DenseStack, flat
from headstart.heads.evaluation.provenance import TUNED
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.kind import Part
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.tasks import Classification, task_of
from headstart.jobs.description import describe
from headstart.jobs.splits import Splits, split
from headstart.jobs.verdict import start_text, verdict
from headstart.registry.entities import Backbone, Run
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.names import check_name

if TYPE_CHECKING:
    from headstart.head import Head
    from headstart.heads.models.finetune import Course, FineTuning
    from headstart.heads.models.tuned_top import TunedTop
    from headstart.workspace import Workspace


@dataclass(frozen=True)
class FineTuned:
    """What came of it.

    Attributes:
        model: the whole model, from preprocessed inputs to class probabilities; of the best epoch,
            or the start where no epoch was better.
        metrics: on the test split, as `Head.metrics`.
        history: of the training, a number an epoch.
        seconds: that the training took, features read.
        difference: of the whole model's probabilities from those of the trained part, the largest.
        validation: scores on the samples that judged the epochs, as `metrics`.
        start: `validation` and `test`: the scores of what it began with.
        start_is: what that is, as the head may have seen what judges.
        begun: its dense layers.
        best_epoch: from 1; 0 where none was better than the start.
        judged_on: which samples judged the epochs.
        verdict: how it compares with the start, a sentence each.
        head: the new version; None where no epoch was better than the start.
    """

    model: Any
    metrics: dict[str, Any]
    history: dict[str, list[float]]
    seconds: float
    difference: float
    validation: dict[str, Any]
    start: dict[str, dict[str, Any]]
    start_is: str
    begun: DenseStack
    best_epoch: int
    judged_on: str
    verdict: tuple[str, ...]
    head: Head | None

    @property
    def is_better(self) -> bool:
        """Whether an epoch was better than the start, on the samples that judged."""
        return self.best_epoch > 0

    def to_json(self) -> dict[str, Any]:
        record = None if self.head is None else self.head.record
        return {
            "head": None if record is None else f"{record.name}:{record.version}",
            "is_better": self.is_better,
            "best_epoch": self.best_epoch,
            "judged_on": self.judged_on,
            "verdict": list(self.verdict),
            "metrics": self.metrics,
            "validation": self.validation,
            "start": self.start,
            "start_is": self.start_is,
            "history": self.history,
            "seconds": self.seconds,
            "max_abs_diff": self.difference,
        }


@dataclass(frozen=True)
class Tuning:
    """A training that is done.

    Attributes:
        graph: the backbone's, whose upper layers have the new weights now.
        model: from the start's features to class probabilities.
        top: its weights.
        begun: the dense layers that it began with.
        splits: what it was trained and judged on.
        course: how it went.
        start: scores of what it began with, by `validation` and `test`.
        result: likewise, of what came of it.
        right: on the test split, where the start and where the result is right.
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
    right: tuple[np.ndarray, np.ndarray]
    seconds: float


def finetune(
    head: Head,
    workspace: Workspace,
    start: str,
    path: str | Path | None,
    settings: FineTuning | None,
    name: str | None,
) -> FineTuned:
    """See `Head.finetune`."""
    from headstart.heads.models.export import format_of
    from headstart.heads.models.finetune import FineTuning

    target = None if path is None else Path(path)
    if target is not None:
        format_of(target)
    name = check_name(name or head.record.name, "head")
    chosen = settings or FineTuning()
    tuning = tune(head, workspace, start, chosen)
    made = _record(head, tuning, chosen, name)
    kept, whole, difference = _keep(head, workspace, tuning, made, target)
    counts = {"from": tuning.top.start, **chosen.describe()}
    counts |= {"best_epoch": tuning.course.best_epoch, "accuracy": made.metrics["accuracy"]}
    subject = f"{head.record.name}:{head.record.version}"
    workspace.runs.add(
        Run("finetune", subject, made.dataset, "done", counts, tuning.seconds, versions())
    )
    return FineTuned(
        model=whole,
        metrics=made.metrics,
        history=tuning.course.history,
        seconds=tuning.seconds,
        difference=difference,
        validation=tuning.result["validation"],
        start=tuning.start,
        start_is=start_text(head, tuning),
        begun=tuning.begun,
        best_epoch=tuning.course.best_epoch,
        judged_on=tuning.splits.judged_on,
        verdict=verdict(head, tuning, kept),
        head=kept,
    )


def tune(head: Head, workspace: Workspace, start: str, settings: FineTuning) -> Tuning:
    """Train the layers above a cut; nothing is stored.

    Raises:
        HeadError: see `Head.finetune`.
    """
    from headstart.heads.models.finetune import build_top, fine_tune
    from headstart.heads.models.tuned_top import TunedTop, in_batches

    backbone, origin = head.origin()
    below = resolve(backbone.cuts, start)
    if below.pooling is not None:
        raise HeadError(f"{start!r} is pooled", hint="Name the cut alone.")
    _check_kind(head)
    head.dataset()  # in other splits, the head may have seen what is to judge
    task, classes = task_of(head.record.settings), head.record.classes
    graph, stack, cut = _begin(head, workspace, backbone, origin)
    model = build_top(graph, below.point, cut, stack)
    splits = split(head, workspace, backbone, replace(below, precision=cut.precision), settings)
    begun = _start(head, model, stack, splits)
    parts = {"validation": splits.judging, "test": splits.test}

    def measure() -> tuple[dict[str, dict[str, Any]], np.ndarray]:
        found, right = {}, np.empty(0, bool)
        for name, part in parts.items():
            outputs = in_batches(model, np.asarray(part.features))
            found[name] = scores_of(task, outputs, part.targets, classes) | {"n": len(part)}
            right = outputs.argmax(axis=1) == part.targets
        return found, right

    before, was_right = measure()
    started = time.monotonic()
    course = fine_tune(model, splits.train, splits.judging, settings, head.record.seed)
    seconds = round(time.monotonic() - started, 3)
    after, is_right = measure()
    top = TunedTop.of(model, below.name, cut.name, stack)
    return Tuning(
        graph, model, top, begun, splits, course, before, after, (was_right, is_right), seconds
    )


def _check_kind(head: Head) -> None:
    record = head.record
    task = task_of(record.settings)
    if type(task) is not Classification:
        raise HeadError(f"head {record.name!r} is for {task.name}; fine-tuning knows classes alone")
    if record.kind == Neighbours.kind:
        raise HeadError(
            f"head {record.name!r} is of kind {record.kind}, which steps cannot improve",
            hint="Fine-tune a linear head or an mlp.",
        )


def _begin(
    head: Head, workspace: Workspace, backbone: Backbone, origin: Cut
) -> tuple[Any, Any, Cut]:
    """The backbone's graph with the weights that the head has been tuned to so far, the head's
    dense layers, and its own cut."""
    graph = workspace.load_graph(backbone)
    if not head.is_tuned:
        return graph, head.stack, origin
    top = head.tuned_top
    top.build(graph, backbone.cuts)
    return graph, top.stack, replace(top.cut_of(backbone.cuts), precision=origin.precision)


def _start(head: Head, model: Any, stack: DenseStack, splits: Splits) -> DenseStack:
    """Put the head that the training begins with on the model; gives it."""
    from headstart.heads.models.finetune import put_on, start_of
    from headstart.heads.models.tuned_top import below_head, in_batches

    if head.is_tuned:  # on the train split alone, with the same samples held out
        return stack

    def below(part: Part) -> Part:
        found = in_batches(below_head(model, stack), np.asarray(part.features))
        return replace(part, features=flat(found))

    record = head.record
    held = partial(below, splits.judging) if splits.is_held_out else None
    train = partial(below, splits.train)
    begun = start_of(record.kind, record.settings, stack, train, held, record.seed)
    put_on(model, begun)
    return begun


def _record(head: Head, tuning: Tuning, settings: FineTuning, name: str) -> HeadRecord:
    """What is stored of it, its artifact not yet."""
    record, workspace = head.record, head.workspace
    below = f"{record.backbone}@{tuning.top.start}"
    key = workspace.features(below, record.dataset, head.origin()[1].precision).key
    scores = {f"start_{split}": _short(found) for split, found in tuning.start.items()}
    lineage = {
        "from": tuning.top.start,
        "head_cut": tuning.top.cut,
        "parent": f"{record.name}:{record.version}",
        "parent_kind": record.settings.get("parent_kind", record.kind),
        "judged_on": tuning.splits.judged_on,
        "best_epoch": tuning.course.best_epoch,
        "history": tuning.course.history,
        "validation": _short(tuning.result["validation"]),
        **scores,
    }
    metrics = {key: value for key, value in tuning.result["test"].items() if key != "n"}
    return replace(
        record,
        name=name,
        kind=TUNED,
        cut=tuning.top.start,
        feature_key=key,
        settings={**task_of(record.settings).describe(), **settings.describe(), **lineage},
        metrics=metrics | tuning.splits.counts,
        versions=versions(),
        aliases=(),
    )


def _short(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if name != "confusion"}


def _keep(
    head: Head,
    workspace: Workspace,
    tuning: Tuning,
    made: HeadRecord,
    target: Path | None,
) -> tuple[Head | None, Any, float]:
    """Check the whole model on real samples, register what is better than the start, and write
    the file if one is asked for; gives the new head, the model, and the largest difference."""
    from headstart.extractors.backbones.trunk import build_trunk
    from headstart.heads.models.attach import TOLERANCES, attach, check_parity, predict
    from headstart.heads.models.export import write_checked

    backbone, cut = head.origin()
    own = replace(tuning.top.cut_of(backbone.cuts), precision=cut.precision)
    pipeline = workspace.pipeline(backbone)
    trunk = build_trunk(tuning.graph, [own], pipeline.output_size)
    name = f"{backbone.name}_{made.name}_tuned".replace(".", "_")
    whole = attach(trunk, tuning.top.stack, name)
    view = workspace.features(f"{backbone.reference}@{made.cut}", made.dataset, cut.precision)
    raw, rows = head.cached_samples(backbone, view)
    inputs, expected = pipeline.finish(raw), predict(tuning.model, view[rows])

    def compare(given: np.ndarray) -> float:
        return check_parity(given, expected, TOLERANCES[cut.precision])

    difference = compare(predict(whole, inputs))
    if target is not None:  # first: a file that cannot be written or is not right keeps nothing
        difference = max(difference, write_checked(whole, target, inputs, compare))
    kept = None
    if tuning.course.best_epoch:
        kept = workspace.heads.keep(made, tuning.top.to_bytes())
    if target is not None:
        told = replace(made, name=head.record.name) if kept is None else kept.record
        describe(told, workspace, target, backbone, difference)
    return kept, whole, difference
