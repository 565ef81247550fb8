"""Intervals of a head of numbers that hold the right one as often as is asked: split conformal.

Lei, G'Sell, Rinaldo, Tibshirani and Wasserman: Distribution-free predictive inference for
regression, JASA 2018: as wide as all but a few of the errors on samples that the head was not
fitted on. Where those and the new samples are alike, and nothing of the head was chosen by them, an
interval holds the right number with the probability that was asked or more, on average over
samples. Of samples in groups, on average over new groups: those of one are no evidence of their own
(Lee, Barber, Willett: Distribution-free inference with hierarchical data, 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.conformal import score_at
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import clusters_of, groups_of
from headstart.heads.evaluation.intervals import share_text
from headstart.heads.evaluation.provenance import need_scores
from headstart.heads.evaluation.scores import share_interval_of
from headstart.storage.views import FeatureView
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable


@dataclass(frozen=True)
class OfNumber(Showable):
    """The interval of one of the numbers that a head says.

    Attributes:
        half_width: that it reaches to either side; None where there are too few samples to tell, so
            that it holds every number.
        coverage: the share of test samples whose interval holds the right number.
        interval: of that, 95 %; None of a single group.
    """

    half_width: float | None
    coverage: float
    interval: tuple[float, float] | None

    def to_text(self) -> str:
        """What it is worth, in words."""
        ends = " to ".join(map(share_text, self.interval)) if self.interval else "no interval"
        width = "any number" if self.half_width is None else f"± {self.half_width:.4g}"
        return f"{width} holds the right one of {share_text(self.coverage)} (95 %: {ends})"


@dataclass(frozen=True)
class NumberIntervals(Showable):
    """Intervals of a head of numbers.

    Attributes:
        level: the share of intervals that are to hold the right number.
        numbers: of each number that the head says, in order; each by itself.
        calibrated_on: validation samples that told how wide they are.
        tested_on: test samples on which their coverage was counted.
    """

    level: float
    numbers: tuple[OfNumber, ...]
    calibrated_on: int
    tested_on: int

    def ends_of(self, outputs: np.ndarray) -> tuple[tuple[float | None, float | None], ...]:
        """The lower and the upper end for each of a row of numbers, (numbers,); None where there
        is none."""
        pairs = zip(outputs.tolist(), (one.half_width for one in self.numbers), strict=True)
        return tuple(
            (None, None) if half is None else (value - half, value + half) for value, half in pairs
        )

    def to_text(self) -> str:
        """What intervals are worth, in a line."""
        several = len(self.numbers) > 1
        each = [
            f"{f'number {place}: ' if several else ''}{one.to_text()}"
            for place, one in enumerate(self.numbers, start=1)
        ]
        return (
            f"intervals at level {self.level:g}: {'; '.join(each)} of {self.tested_on:,} test "
            f"samples; calibrated on {self.calibrated_on:,} validation samples"
        )

    def _line(self) -> str:
        return self.to_text()


def check_level(level: float) -> None:
    """See that a level is a share.

    Raises:
        HeadError: it is not.
    """
    if not 0 < level < 1:
        raise HeadError(f"level is {level}", hint="Give a share above 0 and below 1, such as 0.9.")


def check_single(head: TrainedHead) -> None:
    """See that a head was neither chosen by the validation split, sample by sample, nor fitted to
    it, as those of several are.

    Raises:
        HeadError: it was.
    """
    if not head.is_of_several:
        return
    how = (
        "an ensemble, whose members were chosen by"
        if head.is_ensemble
        else "bagged, and its members were fitted to"
    )
    raise HeadError(
        f"head {head.record.name!r} is {how} samples of the validation split, too: none is left "
        "to calibrate on",
        hint="Take a single head.",
    )


def judging_split(head: TrainedHead, view: FeatureView) -> FeatureView:
    """The validation split of a head's features, which tells how sure the head has to be.

    Raises:
        HeadError: it has no sample, or the head is of several, which know that split.
    """
    need_scores(head.record)
    check_single(head)
    judging = view.split("validation")
    if not len(judging):
        raise HeadError(
            f"dataset {head.record.dataset!r} has no validation split to calibrate on",
            hint="Say in the source which samples of the train split are `validation` (a column, a "
            "folder), refresh it and train the head again; `headstart dataset resplit` deals all "
            "samples again, those of the test split too.",
        )
    return judging


def number_intervals(head: TrainedHead, level: float = 0.9) -> NumberIntervals:
    """As `Head.conformal`, of a head that says numbers: by its errors on the validation split."""
    check_level(level)
    judging = judging_split(head, head.features())
    of = BySample.of(judging)
    outputs = of.mean(head.judge.predict_proba(judging.to_numpy()))
    targets = of.first(head.task.read(judging.labels, []))
    errors = np.abs(outputs.astype(np.float64) - targets)
    judged = head.held_out()
    missed = np.abs(judged.probabilities.astype(np.float64) - judged.targets)
    clusters, groups = clusters_of(judged.samples), groups_of(of.samples)
    numbers = []
    for place in range(errors.shape[1]):
        half = score_at(errors[:, place], level, groups)
        held = missed[:, place] <= half
        told = None if math.isinf(half) else half
        numbers.append(OfNumber(told, float(held.mean()), share_interval_of(held, clusters)))
    return NumberIntervals(level, tuple(numbers), len(of), len(missed))
