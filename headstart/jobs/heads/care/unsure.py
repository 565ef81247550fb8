"""`head predict --unsure`: what is said of samples of which a head is not sure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headstart.errors import HeadError
from headstart.heads.regression import Regression
from headstart.heads.tasks import MultiLabel
from headstart.jobs.heads.care.conformal import Conformal, conformal
from headstart.jobs.heads.care.label_answers import LabelAnswers, label_answers
from headstart.jobs.heads.care.novelty import Novelty, novelty
from headstart.jobs.heads.care.number_intervals import NumberIntervals, number_intervals
from headstart.jobs.heads.predicted import Prediction
from headstart.trained_head import TrainedHead

REJECT, SET = "reject", "set"
"""What may be said of a sample of which a head is not sure: nothing, or several classes."""
Sets = Conformal | LabelAnswers | NumberIntervals
"""What holds the right answer as often as is asked, by what a head says."""


@dataclass(frozen=True)
class UnsureClasses:
    """Sets of classes; who `rejects` says no class of a sample whose set is of several."""

    sets: Conformal
    rejects: bool

    def of(self, one: Prediction) -> Prediction:
        """A prediction with its set."""
        likely = self.sets.set_of(one.outputs)
        is_rejected = self.rejects and len(likely) != 1
        return replace(one, likely=likely, label=None if is_rejected else one.label)


@dataclass(frozen=True)
class UnsureLabels:
    """Yes, no or unknown for each label."""

    sets: LabelAnswers

    def of(self, one: Prediction) -> Prediction:
        """A prediction with its answers."""
        return replace(one, answers=self.sets.answers_of(one.outputs))


@dataclass(frozen=True)
class UnsureNumbers:
    """What is said of numbers besides themselves."""

    sets: NumberIntervals

    def of(self, one: Prediction) -> Prediction:
        """A prediction with its intervals."""
        return replace(one, intervals=self.sets.ends_of(one.outputs))


@dataclass(frozen=True)
class RejectsNew:
    """No label is said of a sample that is unlike all that the head knows."""

    novelty: Novelty
    sets: None = None

    def of(self, one: Prediction) -> Prediction:
        """A prediction, without labels if the sample is new."""
        is_new = one.novelty is not None and one.novelty >= self.novelty.level
        return replace(one, label=None) if is_new else one


Unsure = UnsureClasses | UnsureLabels | UnsureNumbers | RejectsNew


def unsure_of(head: TrainedHead, how: str | None, level: float) -> Unsure | None:
    """What was asked for of samples of which a head is not sure.

    Raises:
        HeadError: it is neither `reject` nor `set`, numbers are to be rejected, or see
            `Head.conformal` and, where labels are to be rejected, `Head.novelty`.
    """
    if how is None:
        return None
    if how not in (REJECT, SET):
        raise HeadError(f"unsure is {how!r}", hint=f"Give {REJECT} or {SET}.")
    if isinstance(head.task, MultiLabel):
        if how == REJECT:
            return RejectsNew(novelty(head, level))
        return UnsureLabels(label_answers(head, level))
    if not isinstance(head.task, Regression):
        return UnsureClasses(conformal(head, level), how == REJECT)
    if how == REJECT:
        raise HeadError(
            f"head {head.record.name!r} gives numbers, of which none is rejected",
            hint="--unsure set (unsure='set') gives each an interval.",
        )
    return UnsureNumbers(number_intervals(head, level))


def sets_of_head(head: TrainedHead, level: float = 0.9) -> Sets:
    """See `Head.conformal`."""
    if isinstance(head.task, Regression):
        return number_intervals(head, level)
    return (label_answers if isinstance(head.task, MultiLabel) else conformal)(head, level)
