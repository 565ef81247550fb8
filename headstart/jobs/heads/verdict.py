"""How what fine-tuning made compares with what it began with, in sentences."""

from __future__ import annotations

from headstart.heads.evaluation.intervals import is_worse
from headstart.heads.kinds.linear import Linear
from headstart.jobs.heads.tuning import Tuning
from headstart.registry.entities import Head as HeadRecord
from headstart.trained_head import TrainedHead


def verdict(head: TrainedHead, tuning: Tuning, kept: HeadRecord | None) -> tuple[str, ...]:
    """How the result compares with the start, in sentences."""
    course, record = tuning.course, head.record
    losses = [one for one in course.history["val_loss"] if one == one]
    least = f"{min(losses):.3f}" if losses else "no number"
    name = f"{record.name}:{record.version}"
    if kept is None:
        return (
            f"No epoch was better than the start: validation log loss {course.start_loss:.3f}, "
            f"the best of {len(course.history['loss'])} epochs had {least}.",
            f"Nothing was registered; head {name} stays as it is.",
        )
    return (
        f"Epoch {course.best_epoch} of {len(course.history['loss'])} was the best: validation log "
        f"loss {least}, at the start {course.start_loss:.3f}.",
        _on_test(tuning),
        f"Registered as {kept.name}:{kept.version}, fine-tuned from {name}.",
    )


def start_text(head: TrainedHead, tuning: Tuning) -> str:
    """What the training began with, and why it may be another head."""
    record = head.record
    name = f"{record.name}:{record.version}"
    if head.is_tuned or (record.kind != Linear.kind and not tuning.splits.is_held_out):
        return f"the head {name} itself, whose weights were not trained on what judges"
    return (
        f"a {record.kind} head with the settings of {name}, fitted on the train split without what "
        f"judges: {name} has seen that"
    )


def _on_test(tuning: Tuning) -> str:
    was_right, is_right = tuning.right
    losses = [one["test"]["log_loss"] for one in (tuning.start, tuning.result)]
    if is_worse(is_right, was_right):
        told = "surely less often right than the start"
    elif is_worse(was_right, is_right):
        told = "surely more often right than the start"
    else:
        told = "not surely more or less often right than the start"
    line = f"On the test split it is {told} (McNemar, 95 %)"
    if losses[1] > losses[0]:
        line += f", and its log loss is higher: {losses[1]:.3f}, it was {losses[0]:.3f}"
    return f"{line}."
