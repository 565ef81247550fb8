"""`head.finetune`: a trained head and the layers below it, trained from cached features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbone_model import pipeline_of
from headstart.cached import features_of
from headstart.extractors.backbones.trunk import build_trunk
from headstart.extractors.runtime import versions
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.provenance import MAIN_SCORES, TUNED
from headstart.heads.evaluation.scores import few_trained
from headstart.heads.models.attach import TOLERANCES, attach, check_parity, predict
from headstart.heads.models.export import check_free, format_of, write_checked
from headstart.heads.models.finetune import FineTuning
from headstart.heads.tasks import task_of
from headstart.jobs.heads.description import Told, describe
from headstart.jobs.heads.inputs import is_inside, what_goes_in, with_arithmetic
from headstart.jobs.heads.looks import TESTED_ON, samples_key
from headstart.jobs.heads.train import keep
from headstart.jobs.heads.tuning import Tuning, tune
from headstart.jobs.heads.verdict import start_text, verdict_lines
from headstart.registry.entities import Head as HeadRecord
from headstart.registry.entities import Run
from headstart.registry.names import check_name
from headstart.trained_head import SAMPLE_WEIGHTS, TrainedHead
from headstart.values.showable import Showable


@dataclass(frozen=True)
class FineTuned(Showable):
    """What came of it.

    Attributes:
        model: the whole model, from preprocessed inputs to what the head says; of the best epoch,
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
        is_held_out: whether those are of the train split.
        is_stopped: whether the training ended before its last epoch, as none was better any more.
        verdict: how it compares with the start, a sentence each.
        head: the new version; None where no epoch was better than the start.
        start_cut: the cut from which it was trained.
        file: where the whole model was saved; None where it was not.
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
    is_held_out: bool
    is_stopped: bool
    verdict: tuple[str, ...]
    head: TrainedHead | None
    start_cut: str
    file: Path | None = None

    @property
    def is_better(self) -> bool:
        """Whether an epoch was better than the start, on the samples that judged."""
        return self.best_epoch > 0

    def _line(self) -> str:
        what = "no epoch was better than the start" if self.head is None else repr(self.head)
        return f"from {self.start_cut}, {what}"

    def _facts(self) -> dict[str, Any]:
        record = None if self.head is None else self.head.record
        return {
            "file": self.file,
            "from": self.start_cut,
            "head": None if record is None else f"{record.name}:{record.version}",
            "is_better": self.is_better,
            "best_epoch": self.best_epoch,
            "judged_on": self.judged_on,
            "stopped_early": self.is_stopped,
            "verdict": self.verdict,
            "metrics": self.metrics,
            "validation": self.validation,
            "start": self.start,
            "start_is": self.start_is,
            "history": self.history,
            "seconds": self.seconds,
            "max_abs_diff": self.difference,
        }


def finetune(
    head: TrainedHead,
    start: str,
    path: str | Path | None,
    settings: FineTuning | None,
    name: str | None,
    *,
    overwrite: bool = False,
) -> FineTuned:
    """See `Head.finetune`."""
    target = None if path is None else Path(path)
    if target is not None:
        format_of(target)
        check_free(target, overwrite=overwrite)
    name = check_name(name or head.record.name, "head")
    chosen = settings or FineTuning()
    tuning = tune(head, start, chosen)
    made = _record(head, tuning, chosen, name)
    kept, whole, difference = _keep(head, tuning, made, target)
    counts = {"from": tuning.top.start, **chosen.describe()}
    main = next(name for name in MAIN_SCORES if name in made.metrics)
    counts |= {"best_epoch": tuning.course.best_epoch, main: made.metrics[main]}
    counts |= {name: made.metrics[name] for name in ("n_test", TESTED_ON)}
    counts["head"] = None if kept is None else f"{kept.name}:{kept.version}"
    subject = f"{head.record.name}:{head.record.version}"
    head.context.runs.add(
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
        is_held_out=tuning.splits.is_held_out,
        is_stopped=tuning.course.is_stopped,
        verdict=verdict_lines(head, tuning, kept),
        head=None if kept is None else TrainedHead(head.context, kept),
        start_cut=start,
        file=target,
    )


def _record(head: TrainedHead, tuning: Tuning, settings: FineTuning, name: str) -> HeadRecord:
    """What is stored of it, its artifact not yet."""
    record = head.record
    below = f"{record.backbone}@{tuning.top.start}"
    view = features_of(head.context, below, record.dataset, head.origin()[1].precision)
    scores = {f"start_{split}": _short(found) for split, found in tuning.start.items()}
    lineage = {
        "from": tuning.top.start,
        "head_cut": tuning.top.cut,
        "parent": f"{record.name}:{record.version}",
        "parent_kind": record.settings.get("parent_kind", record.kind),
        "judged_on": tuning.splits.judged,
        "best_epoch": tuning.course.best_epoch,
        "history": tuning.course.history,
        "seconds": tuning.seconds,
        **{key: record.settings[key] for key in (SAMPLE_WEIGHTS,) if key in record.settings},
        "validation": _short(tuning.result["validation"]),
        **scores,
    }
    metrics = {key: value for key, value in tuning.result["test"].items() if key != "n"}
    task, splits = task_of(record.settings), tuning.splits
    few = few_trained(task, splits.train.targets[: splits.samples], record.classes)
    metrics["few"] = [list(pair) for pair in few]
    metrics[TESTED_ON] = samples_key(view.split("test").samples)
    return replace(
        record,
        name=name,
        kind=TUNED,
        cut=tuning.top.start,
        feature_key=view.key,
        settings={**task.describe(), **settings.describe(), **lineage},
        metrics=metrics | tuning.splits.counts,
        versions=versions(),
        aliases=(),
    )


def _short(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if name not in ("confusion", "per_class")}


def _keep(
    head: TrainedHead,
    tuning: Tuning,
    made: HeadRecord,
    target: Path | None,
) -> tuple[HeadRecord | None, Any, float]:
    """Check the whole model on real samples, register what is better than the start, and write
    the file if one is asked for; gives the new head, the model, and the largest difference."""
    backbone, cut = head.origin()
    own = replace(tuning.top.cut_of(backbone.cuts), precision=cut.precision)
    pipeline = pipeline_of(head.context, backbone)
    trunk = build_trunk(tuning.graph, [own], pipeline.output_size)
    name = f"{backbone.name}_{made.name}_tuned".replace(".", "_")
    whole = attach(trunk, tuning.top.stack, name)
    view = features_of(
        head.context, f"{backbone.reference}@{made.cut}", made.dataset, cut.precision
    )
    raw, rows = head.cached_samples(backbone, view)
    inputs, expected = pipeline.finish(raw), predict(tuning.model, view[rows])

    def compare(given: np.ndarray) -> float:
        return check_parity(given, expected, TOLERANCES[cut.precision])

    difference = compare(predict(whole, inputs))
    inside = is_inside(head, backbone, raw, None)
    if inside:
        whole, inputs = with_arithmetic(head, backbone, whole, raw), raw
        difference = max(difference, compare(predict(whole, inputs)))
    if target is not None:  # first: a file that cannot be written or is not right keeps nothing
        difference = max(difference, write_checked(whole, target, inputs, compare))
    kept = None
    if tuning.course.best_epoch:
        kept = keep(head.context, made, tuning.top.to_bytes())
    if target is not None:
        told = replace(made, name=head.record.name) if kept is None else kept
        takes = what_goes_in(backbone, raw, inside=inside)
        of = Told(difference, takes, inside)
        describe(head.context, told, target, backbone, of)
    return kept, whole, difference
