"""`head.conformal`: how sure a head has to be, for its sets of classes to hold the right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.conformal import sets_of, threshold_of
from headstart.heads.dense_stack import outputs_of, stack_of
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import clusters_of, groups_of
from headstart.heads.evaluation.intervals import share_text
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.models.train import part_of
from headstart.heads.origins import fit_near_zero
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification, MultiLabel, Ordinal
from headstart.jobs.heads.care.number_intervals import check_level, check_single, judging_split
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable


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


def conformal(head: TrainedHead, level: float = 0.9) -> Conformal:
    """As `Head.conformal`, of a head that says one class a sample."""
    check_level(level)
    if not isinstance(head.task, Classification):
        raise HeadError(
            f"head {head.record.name!r} is for {head.task.name}",
            hint="Sets are of heads that say one class per sample.",
        )
    view = head.features()
    judging = judging_split(head, view)
    of = BySample.of(judging)
    outputs = of.mean(said_of_judging(head, view, judging))
    targets = of.first(head.task.read(judging.labels, head.record.classes))
    threshold = threshold_of(
        outputs, head.task.guess(outputs), targets, level, groups_of(of.samples)
    )
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


def said_of_judging(head: TrainedHead, view: FeatureView, judging: FeatureView) -> np.ndarray:
    """What the head says of the validation split, (rows, outputs). A linear one was fitted on it,
    too: one of the same strength is asked that was fitted on the train split alone; of several
    labels, each of its own strength.

    Args:
        head: who says it.
        view: its features.
        judging: the validation split of these.

    Raises:
        HeadError: it is of several heads, which were chosen by that split, or fitted to it.
    """
    check_single(head)
    refit = _refit_of(head)
    if refit is None:
        return head.judge.predict_proba(judging.to_numpy())
    classes = list(head.record.classes)
    train, asked = (part_of([part], head.task, classes) for part in (view.split("train"), judging))
    nobody = asked.only(np.zeros(len(asked), bool))
    fitted = fit_near_zero(refit, train, nobody)
    return outputs_of(stack_of(fitted.layers, classes), asked)


def _refit_of(head: TrainedHead) -> Callable[[Part, Part], Fitted] | None:
    """Fits the head as it is, to other rows; None where it was not fitted to the validation split:
    nothing but a linear one of classes or labels is."""
    task, settings = head.task, head.record.settings
    if head.record.kind != Linear.kind or isinstance(task, Ordinal):
        return None
    if isinstance(task, MultiLabel):
        kinds = [Linear((one,)) for one in settings["chosen"]]
        return lambda train, nobody: task.fit_each(kinds, train, nobody, head.record.seed)
    if "strength" not in settings or isinstance(task, Regression):
        return None
    kind, count = Linear((settings["strength"],)), len(head.record.classes)
    return lambda train, nobody: task.fit(kind, train, nobody, count, head.record.seed)
