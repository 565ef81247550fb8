"""`head.conformal` of a head of several labels: yes, no or unknown for each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.label_answers import UNKNOWN, Between, fewest_for
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import Clusters, clusters_of, groups_of
from headstart.heads.evaluation.intervals import share_text
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.tasks import SAID_FROM
from headstart.jobs.heads.care.conformal import said_of_judging
from headstart.jobs.heads.care.number_intervals import check_level, judging_split
from headstart.notices import warn
from headstart.storage.manifest import Label
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable

SHOWN = 6
"""Labels that a line tells of, those first whose answers are wrong most often."""


@dataclass(frozen=True)
class Held(Showable):
    """How often answers are not wrong, which they are not where it is unknown.

    Attributes:
        coverage: the share of samples whose answer is not wrong; None where there are none.
        interval: of that, 95 %; None of a single group.
        samples: how many there are.
    """

    coverage: float | None
    interval: tuple[float, float] | None
    samples: int

    @staticmethod
    def of(held: np.ndarray, clusters: Clusters | None) -> Held:
        """Of samples, (n,) bool."""
        if not len(held):
            return Held(None, None, 0)
        return Held(float(held.mean()), share_interval_of(held, clusters), len(held))

    def to_text(self) -> str:
        """Share and interval, in words."""
        if self.coverage is None:
            return "no test sample"
        ends = " to ".join(map(share_text, self.interval)) if self.interval else "no interval"
        return f"{share_text(self.coverage)} (95 %: {ends})"


@dataclass(frozen=True)
class OfLabel(Showable):
    """The answers about one label.

    Attributes:
        label: which.
        is_calibrated: whether enough validation samples have it, and are without it; else it is
            unknown of every sample, and nothing is counted.
        yes_from: the least probability at which yes may be right.
        no_to: the largest at which no may be right; where both may, it is unknown.
        unknown: the share of test samples of which it is.
        held: how often answers are not wrong, of the test samples.
        held_with: of those with the label.
        held_without: of those without it.
    """

    label: Label
    is_calibrated: bool
    yes_from: float
    no_to: float
    unknown: float
    held: Held
    held_with: Held
    held_without: Held

    @property
    def between(self) -> Between:
        """Between which probabilities it is unknown."""
        return Between(self.yes_from, self.no_to, SAID_FROM)


@dataclass(frozen=True)
class LabelAnswers(Showable):
    """Answers of a head of several labels.

    Attributes:
        level: the share of samples with a label, and of those without it, whose answer is not to be
            wrong.
        labels: each by itself.
        calibrated_on: validation samples that told when to answer.
        tested_on: test samples on which wrong answers were counted.
    """

    level: float
    labels: tuple[OfLabel, ...]
    calibrated_on: int
    tested_on: int

    def answers_of(self, row: np.ndarray) -> tuple[str, ...]:
        """`yes`, `no` or `unknown` for each label, of a row of probabilities, (labels,)."""
        return tuple(
            str(one.between.answers(row[place : place + 1])[0])
            for place, one in enumerate(self.labels)
        )

    def to_text(self) -> str:
        """What answers are worth, in a line."""
        told_of = [one for one in self.labels if one.is_calibrated]
        worst = sorted(told_of, key=lambda one: one.held.coverage or 0.0)
        told = worst if len(worst) <= SHOWN else worst[: SHOWN // 2]
        each = ", ".join(f"{one.label} {one.held.to_text()}" for one in told)
        more = f", and more often for {len(worst) - len(told)} others" if told != worst else ""
        unknown = float(np.mean([one.unknown for one in self.labels]))
        return (
            f"answers at level {self.level:g}, apart with and without each label, are not wrong of "
            f"{self.tested_on:,} test samples for {each}{more}; {share_text(unknown)} of answers "
            f"are {UNKNOWN}{self._untold}; calibrated on {self.calibrated_on:,} validation samples"
        )

    @property
    def _untold(self) -> str:
        """Of which labels all answers are unknown, in words."""
        untold = [str(one.label) for one in self.labels if not one.is_calibrated]
        more = f" and {len(untold) - SHOWN} more" if len(untold) > SHOWN else ""
        return f", all of {', '.join(untold[:SHOWN])}{more} among them" if untold else ""

    def _facts(self) -> dict[str, Any]:
        return dict(vars(self))

    def _line(self) -> str:
        return self.to_text()


def label_answers(head: TrainedHead, level: float = 0.9) -> LabelAnswers:
    """As `Head.conformal`, of a head that says several labels.

    Raises:
        HeadError: of every label too few validation samples have it, or are without it.

    Warns:
        HeadstartWarning: so it is of some: these are unknown of every sample.
    """
    check_level(level)
    view = head.features()
    judging = judging_split(head, view)
    of = BySample.of(judging)
    outputs = of.mean(said_of_judging(head, view, judging))
    has = of.first(head.task.read(judging.labels, head.record.classes)) > 0
    groups = groups_of(of.samples)
    scarce = _scarce(head, has, level, groups)
    judged = head.held_out()
    clusters = clusters_of(judged.samples)
    labels = []
    for place, label in enumerate(head.record.classes):
        if label in scarce:
            labels.append(_untold(label))
            continue
        between = Between.of(outputs[:, place], has[:, place], level, SAID_FROM, groups)
        said, truth = judged.probabilities[:, place], judged.targets[:, place] > 0
        labels.append(_of_label(label, between, said, truth, clusters))
    return LabelAnswers(level, tuple(labels), len(of), len(judged.samples))


def _untold(label: Label) -> OfLabel:
    """Of a label of which nothing can be told."""
    always, nothing = Between.untold(SAID_FROM), Held(None, None, 0)
    ends = always.yes_from, always.no_to
    return OfLabel(label, False, *ends, 1.0, nothing, nothing, nothing)


def _of_label(
    label: Label, between: Between, said: np.ndarray, truth: np.ndarray, clusters: Clusters | None
) -> OfLabel:
    """What answers about one label are worth on test samples, (n,)."""
    yes, no = between.may_be(said)
    held = np.where(truth, yes, no)
    apart = [
        Held.of(held[own], None if clusters is None else clusters.rows(own))
        for own in (truth, ~truth)
    ]
    unknown = float((yes & no).mean())
    ends = between.yes_from, between.no_to
    return OfLabel(label, True, *ends, unknown, Held.of(held, clusters), *apart)


def _scarce(
    head: TrainedHead, has: np.ndarray, level: float, groups: np.ndarray | None
) -> set[Label]:
    """The labels that cannot be calibrated: of which too few samples, or groups, have them, or are
    without them; they are named.

    Raises:
        HeadError: none can.
    """
    needed, found, scarce = fewest_for(level), list[tuple[int, str]](), set[Label]()
    for place, label in enumerate(head.record.classes):
        for own, how in ((has[:, place], "with"), (~has[:, place], "without")):
            count = int(own.sum()) if groups is None else len(np.unique(groups[own]))
            if count < needed:
                found.append((count, f"{count} {how} {label!r}"))
                scarce.add(label)
    if not found:
        return scarce
    found.sort(key=lambda one: one[0])  # the first are named
    least = found[0][0]
    what = "samples" if groups is None else "groups of samples"
    lower = f"Take a level of {_floor(least)} or less, or " if least else ""
    told = (
        f"level {level:g} needs {needed:,} {what} of the validation split with each label and "
        f"without it, and head {head.record.name!r} has {_listed(found)}"
    )
    hint = f"{lower}{'g' if lower else 'G'}ive the validation split more"
    if len(scarce) == len(head.record.classes):
        raise HeadError(told, hint=f"{hint}, or train without what is so rare.")
    warn(f"{told}: that is answered {UNKNOWN} of every sample. {hint}")
    return scarce


def _listed(found: Sequence[tuple[int, str]]) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(text for _, text in found[:SHOWN]) + more


def _floor(count: int) -> str:
    """The highest level that so many samples can tell, in a few digits."""
    return f"{math.floor(1000 * count / (count + 1) + 1e-9) / 1000:g}"
