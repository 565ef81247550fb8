"""`head.conformal`: how sure a head has to be, for its sets of classes to hold the right one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.conformal import sets_of, threshold_of
from headstart.heads.dense_stack import outputs_of, stack_of
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.intervals import share_text
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.kinds.linear import Linear
from headstart.heads.models.train import part_of
from headstart.heads.origins import fit_near_zero
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification
from headstart.jobs.heads.care.number_intervals import (
    NumberIntervals,
    UnsureNumbers,
    check_level,
    judging_split,
    number_intervals,
)
from headstart.jobs.heads.predicted import Prediction
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable

REJECT, SET = "reject", "set"
"""What may be said of a sample of which a head is not sure: nothing, or several classes."""


@dataclass(frozen=True)
class Conformal(Showable):
    """Sets of classes of a head.

    Attributes:
        level: the share of sets that are to hold the right class.
        threshold: classes go into a set until their probabilities pass it; None where a set holds
            every class, as there are too few samples to tell.
        calibrated_on: validation samples that told it.
        coverage: the share of test samples whose set holds the right class.
        interval: of that, 95 %; None of a single group.
        tested_on: how many there are.
        mean_size: classes in a set, on average over those.
        classes: the label of each.
        task: what the head says by, which is in every set.
    """

    level: float
    threshold: float | None
    calibrated_on: int
    coverage: float
    interval: tuple[float, float] | None
    tested_on: int
    mean_size: float
    classes: tuple[Label, ...]
    task: Classification

    def set_of(self, row: np.ndarray) -> tuple[Label, ...]:
        """The classes in the set of a row of probabilities, (classes,), the likeliest first."""
        limit = np.inf if self.threshold is None else self.threshold
        (held,) = sets_of(row[None], self.task.guess(row[None]), limit)
        order = np.argsort(-row, kind="stable")
        return tuple(self.classes[place] for place in order.tolist() if held[place])

    def to_text(self) -> str:
        """What sets are worth, in a line."""
        ends = " to ".join(map(share_text, self.interval)) if self.interval else "no interval"
        few = "; too few to tell, so that sets hold every class" if self.threshold is None else ""
        return (
            f"sets of classes at level {self.level:g} hold the right one of "
            f"{share_text(self.coverage)} (95 %: {ends}) of {self.tested_on:,} test samples, with "
            f"{self.mean_size:.2f} classes on average; calibrated on {self.calibrated_on:,} "
            f"validation samples{few}"
        )

    def _facts(self) -> dict[str, Any]:
        facts = dict(vars(self))
        del facts["task"]
        return facts

    def _line(self) -> str:
        return self.to_text()


@dataclass(frozen=True)
class Unsure:
    """What is said of samples of which a head is not sure.

    Attributes:
        sets: of classes.
        rejects: whether no class is said of a sample whose set is of several.
    """

    sets: Conformal
    rejects: bool

    def of(self, one: Prediction) -> Prediction:
        """A prediction with its set."""
        likely = self.sets.set_of(one.outputs)
        is_rejected = self.rejects and len(likely) != 1
        return replace(one, likely=likely, label=None if is_rejected else one.label)


def unsure_of(head: TrainedHead, how: str | None, level: float) -> Unsure | UnsureNumbers | None:
    """What was asked for of samples of which a head is not sure.

    Raises:
        HeadError: it is neither `reject` nor `set`, numbers are to be rejected, or see `conformal`.
    """
    if how is None:
        return None
    if how not in (REJECT, SET):
        raise HeadError(f"unsure is {how!r}", hint=f"Give {REJECT} or {SET}.")
    if how == REJECT and isinstance(head.task, Regression):
        raise HeadError(
            f"head {head.record.name!r} gives numbers, of which none is rejected",
            hint="--unsure set (unsure='set') gives each an interval.",
        )
    if isinstance(head.task, Regression):
        return UnsureNumbers(number_intervals(head, level))
    return Unsure(conformal(head, level), how == REJECT)


def sets_or_intervals(head: TrainedHead, level: float = 0.9) -> Conformal | NumberIntervals:
    """See `Head.conformal`."""
    of_numbers = isinstance(head.task, Regression)
    return number_intervals(head, level) if of_numbers else conformal(head, level)


def conformal(head: TrainedHead, level: float = 0.9) -> Conformal:
    """As `Head.conformal`, of a head that says one class a sample."""
    check_level(level)
    if not isinstance(head.task, Classification):
        raise HeadError(
            f"head {head.record.name!r} is for {head.task.name}",
            hint="Sets are of heads that say one class per sample, intervals of heads of numbers.",
        )
    view = head.features()
    judging = judging_split(head, view)
    of = BySample.of(judging)
    outputs = of.mean(_said(head, view, judging))
    targets = of.first(head.task.read(judging.labels, head.record.classes))
    threshold = threshold_of(outputs, head.task.guess(outputs), targets, level)
    judged = head.held_out()
    held = sets_of(judged.probabilities, judged.guesses, threshold)
    right = held[np.arange(len(held)), judged.targets]
    return Conformal(
        level,
        None if np.isinf(threshold) else threshold,
        len(of),
        float(right.mean()),
        share_interval_of(right, clusters_of(judged.samples)),
        len(held),
        float(held.sum(axis=1).mean()),
        tuple(head.record.classes),
        head.task,
    )


def _said(head: TrainedHead, view: FeatureView, judging: FeatureView) -> np.ndarray:
    """What the head says of the validation split. A linear one was fitted on it, too: one of the
    same strength is asked that was fitted on the train split alone."""
    if head.is_ensemble:
        raise HeadError(
            f"head {head.record.name!r} is an ensemble, whose members were chosen by samples of "
            "the validation split, too: none is left to calibrate sets on",
            hint="Take the sets of a single head.",
        )
    if head.is_of_several:
        raise HeadError(
            f"head {head.record.name!r} is bagged, and its members were fitted to samples of the "
            "validation split, too: none is left to calibrate sets on",
            hint="Take the sets of a single head.",
        )
    is_refitted = head.record.kind == Linear.kind and "strength" in head.record.settings
    if not is_refitted or head.record.settings.get("task") == "ordinal":
        return head.judge.predict_proba(judging.to_numpy())
    classes = list(head.record.classes)
    train, asked = (part_of([part], head.task, classes) for part in (view.split("train"), judging))
    kind = Linear((head.record.settings["strength"],))
    nobody = asked.only(np.zeros(len(asked), bool))
    fitted = fit_near_zero(
        lambda one, other: head.task.fit(kind, one, other, len(classes), head.record.seed),
        train,
        nobody,
    )
    return outputs_of(stack_of(fitted.layers, classes), asked)
