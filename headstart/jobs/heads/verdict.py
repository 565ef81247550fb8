"""How what fine-tuning made compares with what it began with, in sentences."""

from __future__ import annotations

import numpy as np

from headstart.heads.evaluation.clusters import Clusters, assumption_of
from headstart.heads.evaluation.intervals import CONFIDENCE, share_text
from headstart.heads.evaluation.paired import mean_difference, often_right, right_of
from headstart.heads.evaluation.provenance import TUNED, words_of
from headstart.heads.evaluation.reliability import ValueOf
from headstart.heads.evaluation.scores import decided
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.kinds.mlp import MLP
from headstart.heads.kinds.ridge import Ridge
from headstart.heads.models.finetune import Course, has_learned_validation
from headstart.heads.regression import SCORES, Regression
from headstart.heads.tasks import MultiLabel, Task
from headstart.jobs.heads.tuning import Tuning
from headstart.registry.entities import Head as HeadRecord
from headstart.trained_head import TrainedHead


def verdict_lines(head: TrainedHead, tuning: Tuning, kept: HeadRecord | None) -> tuple[str, ...]:
    """How the result compares with the start, in sentences."""
    course, record = tuning.course, head.record
    which = "held-out" if tuning.splits.is_held_out else "validation"
    which = f"{which} {course.loss_name}"
    early = [_early(course)] if course.is_stopped else []
    losses = [one for one in course.history["val_loss"] if one == one]
    least = f"{min(losses):.3f}" if losses else "no number"
    name = f"{record.name}:{record.version}"
    if kept is None:
        return (
            f"No epoch was better than the start: {which} {course.start_loss:.3f}, "
            f"the best of {course.epochs} epochs had {least}.",
            *early,
            f"Nothing was registered; head {name} stays as it is.",
        )
    return (
        f"Epoch {course.best_epoch} of {course.epochs} was the best: {which} {least}, "
        f"at the start {course.start_loss:.3f}.",
        *early,
        _on_test(head.task, tuning),
        f"Registered as {kept.name}:{kept.version}, fine-tuned from {name}.",
    )


def start_text(head: TrainedHead, tuning: Tuning) -> str:
    """What the training began with, and why it may be another head."""
    record = head.record
    name, favour = f"{record.name}:{record.version}", favour_text(record)
    has_seen = tuning.splits.is_held_out or has_learned_validation(record.kind, head.task)
    if head.is_tuned or not has_seen:
        return f"the head {name} itself, whose weights were not trained on what judges{favour}"
    return (
        f"a {record.kind} head with the settings of {name}, fitted on the train split without what "
        f"judges: {name} has seen that{favour}"
    )


def favour_text(record: HeadRecord) -> str:
    """What of the start was chosen on the samples that judge, and what that does."""
    settings = record.settings
    has_choice = record.kind == Ridge.kind and settings.get("penalties") is None
    has_choice |= any(len(settings.get(name) or ()) > 1 for name in ("strengths", "penalties"))
    chosen = ["setting"] if has_choice else []
    chosen += ["epoch"] if record.kind in (MLP.kind, TUNED) else []
    is_scaled = record.kind not in (Linear.kind, TUNED) and bool(record.classes)
    chosen += ["temperature"] if is_scaled else []
    if not chosen:
        return ""
    were = "were" if len(chosen) > 1 else "was"
    return f"; its {' and '.join(chosen)} {were} chosen on what judges, and that favours the start"


def _early(course: Course) -> str:
    """That the training ended before its last epoch, and why."""
    behind = course.epochs - course.best_epoch
    better = f"epoch {course.best_epoch}" if course.best_epoch else "the start"
    return (
        f"Training stopped early, after epoch {course.epochs} of at most {course.most}: the last "
        f"{behind} were no better than {better}."
    )


def _on_test(task: Task, tuning: Tuning) -> str:
    """Of numbers by what is made small, sample by sample; of all others by how often it is right,
    of several labels by their log loss, too: all of them are seldom right."""
    (was, now), targets = tuning.said, tuning.splits.test.targets
    if isinstance(task, Regression):
        name = words_of(SCORES.get(task.loss, "squared_error"))
        return f"{_loss_text(name, was, now, targets, tuning.clusters, task.losses_of)}."
    right, is_right = (right_of(decided(task, said), targets) for said in (was, now))
    several = isinstance(task, MultiLabel)
    score = words_of("exact" if several else "accuracy")
    line = right_text(right, is_right, tuning.clusters, score)
    if several:
        told = _loss_text("log loss", was, now, targets, tuning.clusters, log_losses_of)
        return f"{line}. {told}."
    losses = [one["test"]["log_loss"] for one in (tuning.start, tuning.result)]
    if losses[1] > losses[0]:
        line += f", and its log loss is higher: {losses[1]:.3f}, it was {losses[0]:.3f}"
    return f"{line}."


def _loss_text(
    name: str,
    was: np.ndarray,
    now: np.ndarray,
    targets: np.ndarray,
    clusters: Clusters | None,
    losses_of: ValueOf,
) -> str:
    """Whether a mean loss is less, on the test split, than that of what it began with, by the
    differences on each sample."""
    losses = [float(losses_of(said, targets).mean()) for said in (was, now)]
    key = "log_loss" if name == "log loss" else name
    found, _ = mean_difference(key, was, now, targets, clusters, losses_of)
    ends, is_significant = "no interval", False
    if found is not None:
        ends = f"95 %: {found[0]:+.3g} to {found[1]:+.3g}"
        is_significant = not found[0] <= 0 <= found[1]
    if clusters is not None:
        ends += f", {assumption_of(clusters)}"
    which = "lower" if losses[1] < losses[0] else "higher"
    told = f"significantly {which}" if is_significant else "not significantly lower or higher"
    return (
        f"On the test split its {name} is {told} than the start's: {losses[1]:.4g}, it was "
        f"{losses[0]:.4g}, difference {losses[1] - losses[0]:+.3g} ({ends})"
    )


def right_text(
    was: np.ndarray, now: np.ndarray, clusters: Clusters | None, score: str = "accuracy"
) -> str:
    """Whether it is right more often, on the test split, than what it began with.

    Args:
        was: where the start is right, bool, (n,).
        now: where the result is, likewise.
        clusters: which samples belong together; then the interval of the difference decides.
        score: what the share of samples that are right is called.
    """
    found = often_right(was, now, clusters)
    fixed, broken = int(found.fixed.sum()), int(found.broken.sum())
    by = "" if found.p_value is None else f" (McNemar's mid-p {share_text(found.p_value)})"
    interval = "no interval"
    is_significant = found.p_value is not None and found.p_value < 1 - CONFIDENCE
    if found.interval is not None:
        low, high = found.interval
        interval = f"95 %: {low:+.3f} to {high:+.3f}"
        is_significant |= found.p_value is None and not low <= 0 <= high
    if clusters is not None:
        interval += f", {assumption_of(clusters)}"
    which = "more" if fixed > broken else "less"
    told = f"significantly {which}" if is_significant else "not significantly more or less"
    return (
        f"On the test split it is {told} often right than the start: {fixed:,} samples fixed, "
        f"{broken:,} broken{by}, {score} {found.difference:+.3f} ({interval})"
    )
