"""`ws.heads.compare`: two heads on the same test samples, with paired procedures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.evaluation.areas import AREAS, area_difference
from headstart.heads.evaluation.clusters import Clusters, clusters_of
from headstart.heads.evaluation.intervals import NONE, SHARES
from headstart.heads.evaluation.paired import (
    PAIRED,
    PROCEDURE,
    VALUES,
    mean_difference,
    often_right,
    paired_interval,
    right_of,
)
from headstart.heads.evaluation.scores import OF_DECISIONS, decided, scores_of
from headstart.heads.regression import SCORES, Regression
from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.judged import Judged
from headstart.storage.manifest import Label, Sample
from headstart.trained_head import TrainedHead
from headstart.values.showable import Showable

BY_BOOTSTRAP = "paired bootstrap, percentiles"
ALIKE = "both say the same number of each sample"
"""By what a difference of numbers is known where there is none to draw from."""
OFTEN_RIGHT = ("accuracy", "exact")
"""Scores that are a share of samples: one of each kind of head that says classes."""


@dataclass(frozen=True)
class Difference(Showable):
    """A score of two heads on the same samples.

    Attributes:
        name: of the score.
        scores: of the two.
        intervals: 95 %, of each by itself; None where there is none.
        difference: the second's less the first's.
        interval: 95 %, of the difference; None where none is known.
        procedure: by which that was found; `none` where it was not.
    """

    name: str
    scores: tuple[float, float]
    intervals: tuple[Any, Any]
    difference: float
    interval: tuple[float, float] | None
    procedure: str

    def _facts(self) -> dict[str, Any]:
        pairs = zip(("a", "b"), self.scores, self.intervals, strict=True)
        return {
            "name": self.name,
            **{name: {"score": score, "interval": ends} for name, score, ends in pairs},
            "difference": self.difference,
            "interval": None if self.interval is None else list(self.interval),
            "procedure": self.procedure,
        }

    def _line(self) -> str:
        if self.interval is None:
            return f"{self.name} {self.difference:+.3f}, no interval"
        low, high = self.interval
        return f"{self.name} {self.difference:+.3f} [{low:.3f}, {high:.3f}]"


@dataclass(frozen=True)
class Compared(Showable):
    """Two heads on the test samples that both were judged on.

    Attributes:
        heads: their names, with versions.
        dataset: of which they are.
        samples: how many were compared.
        groups: in how many groups those stand, which are drawn together; None where each is on its
            own.
        fixed: ids of samples that only the second head is right on; None for numbers, of which none
            is right or wrong.
        broken: ids of samples that only the first is right on; likewise.
        p_value: mid-p of McNemar's test that both are equally often right; likewise, and where
            samples stand in groups, as it takes each for evidence of its own.
        differences: of each score that both have.
        aims: what either predicts of numbers, such as `quantile 0.9`; None where it is the same,
            and for classes.
    """

    heads: tuple[str, str]
    dataset: str
    samples: int
    groups: int | None
    fixed: list[str] | None
    broken: list[str] | None
    p_value: float | None
    differences: list[Difference]
    aims: tuple[str, str] | None = None

    @property
    def warning(self) -> str:
        """That the heads aim at different things, and what scores are worth then; or empty."""
        if self.aims is None:
            return ""
        said = " and ".join(
            f"{of} the {aim}" for of, aim in zip(self.heads, self.aims, strict=True)
        )
        return (
            f"they predict different things, {said}: each is off from what the other aims at, so "
            "that no score here says which is better"
        )

    @property
    def outcomes(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """How many samples the first is right (first row) or wrong on, and of these the second
        right (first column) or wrong; None where none is right or wrong, or where no score says
        how often."""
        right = next((one.scores[0] for one in self.differences if one.name in OFTEN_RIGHT), None)
        if right is None or self.fixed is None or self.broken is None:
            return None
        hits, fixed, broken = round(right * self.samples), len(self.fixed), len(self.broken)
        return (hits - broken, broken), (fixed, self.samples - hits - fixed)

    def _facts(self) -> dict[str, Any]:
        return {
            "a": self.heads[0],
            "b": self.heads[1],
            "dataset": self.dataset,
            "samples": self.samples,
            "groups": self.groups,
            "fixed": self.fixed,
            "broken": self.broken,
            "p_value": self.p_value,
            "test": None if self.p_value is None else PROCEDURE,
            "differences": self.differences,
            "aims": None if self.aims is None else list(self.aims),
        }

    def _line(self) -> str:
        told = f": {self.differences[0]!r}" if self.differences else ""
        return f"{' and '.join(self.heads)} on {self.samples:,} samples{told}"


def compare(one: TrainedHead, other: TrainedHead) -> Compared:
    """See `Heads.compare`."""
    task = _task_of(one, other)
    samples, outputs, targets, classes = _together(one, other)
    clusters = clusters_of(samples)
    fixed = broken = p_value = None
    if not isinstance(task, Regression):
        was, now = (right_of(decided(task, said), targets) for said in outputs)
        found = often_right(was, now, clusters)
        fixed, broken = (
            [samples[row].id for row in np.flatnonzero(where).tolist()]
            for where in (found.fixed, found.broken)
        )
        p_value = found.p_value
    return Compared(
        (_name(one), _name(other)),
        one.record.dataset,
        len(samples),
        None if clusters is None else len(clusters),
        fixed,
        broken,
        p_value,
        _differences(task, outputs, targets, classes, clusters),
        _aims_of(one.task, other.task),
    )


def _aims_of(one: Task, other: Task) -> tuple[str, str] | None:
    """See `Compared.aims`."""
    if not (isinstance(one, Regression) and isinstance(other, Regression)):
        return None
    return (one.aim, other.aim) if one.aim != other.aim else None


def _name(head: TrainedHead) -> str:
    return f"{head.record.name}:{head.record.version}"


def _task_of(one: TrainedHead, other: TrainedHead) -> Task:
    """What both are for: one class a sample, whatever else the one or the other knows of it."""
    names = f"heads {_name(one)} and {_name(other)}"
    if one.record.dataset != other.record.dataset:
        raise HeadError(
            f"{names} are of datasets {one.record.dataset!r} and {other.record.dataset!r}",
            hint="Heads are compared on the same samples: train both on one dataset.",
        )
    if one.task == other.task:
        return one.task
    if isinstance(one.task, Classification) and isinstance(other.task, Classification):
        is_same = type(one.task) is type(other.task)
        return one.task if is_same else Classification()
    if _aims_of(one.task, other.task) is not None:
        return Regression()  # what the one aims at is no score of the other
    if type(one.task) is type(other.task):
        return one.task
    raise HeadError(
        f"{names} are for {one.task.name} and {other.task.name}, which have no score in common",
        hint="Compare heads of one task.",
    )


def _together(
    one: TrainedHead, other: TrainedHead
) -> tuple[list[Sample], list[np.ndarray], np.ndarray, list[Label]]:
    """The samples that both were judged on, what each says of them, the truth, and the classes."""
    judged: list[Judged] = [head.held_out(corrected=True) for head in (one, other)]
    rows = [{sample.id: row for row, sample in enumerate(found.samples)} for found in judged]
    common = [id_ for id_ in rows[0] if id_ in rows[1]]
    if not common:
        raise HeadError(
            f"heads {_name(one)} and {_name(other)} have no test sample in common",
            hint="Extract the features of both backbones for the same samples.",
        )
    chosen = [[of[id_] for id_ in common] for of in rows]
    outputs = [found.probabilities[own] for found, own in zip(judged, chosen, strict=True)]
    classes = list(one.record.classes)
    if set(classes) != set(other.record.classes):
        raise HeadError(
            f"heads {_name(one)} and {_name(other)} tell different classes apart",
            hint="Train both on the dataset as it is now.",
        )
    if classes:
        outputs[1] = outputs[1][:, [other.record.classes.index(label) for label in classes]]
    samples = [judged[0].samples[row] for row in chosen[0]]
    return samples, outputs, judged[0].targets[chosen[0]], classes


def _differences(
    task: Task,
    outputs: list[np.ndarray],
    targets: np.ndarray,
    classes: list[Label],
    clusters: Clusters | None,
) -> list[Difference]:
    first, second = (scores_of(task, said, targets, classes, clusters) for said in outputs)
    found = []
    for name, value in first.items():
        if not isinstance(value, float) or name not in second:
            continue
        interval, procedure = interval_of_difference(task, name, outputs, targets, clusters)
        found.append(
            Difference(
                name,
                (value, second[name]),
                (first["intervals"].get(name), second["intervals"].get(name)),
                second[name] - value,
                interval,
                procedure,
            )
        )
    return found


def interval_of_difference(
    task: Task,
    name: str,
    outputs: list[np.ndarray],
    targets: np.ndarray,
    clusters: Clusters | None,
) -> tuple[tuple[float, float] | None, str]:
    """Of the difference of a score, the second head's less the first's, and by what it was found.

    Args:
        task: what the labels mean.
        name: of the score.
        outputs: of the two heads, (n, outputs) each.
        targets: as the task reads them.
        clusters: which samples belong together.
    """
    if isinstance(task, Regression) and np.array_equal(outputs[0], outputs[1]):
        return (0.0, 0.0), ALIKE
    if name in OF_DECISIONS or name in SHARES:
        outputs = [decided(task, said) for said in outputs]
    if name in SHARES:
        was, now = (right_of(said, targets) for said in outputs)
        found = often_right(was, now, clusters)
        return found.interval, found.procedure
    if name in AREAS:
        return area_difference(name, outputs[0], outputs[1], targets, clusters)
    if isinstance(task, Regression) and name == SCORES.get(task.loss):
        of = task.losses_of
        return mean_difference(name, outputs[0], outputs[1], targets, clusters, of)
    if name in VALUES:
        return mean_difference(name, outputs[0], outputs[1], targets, clusters)
    if name not in PAIRED:  # a calibration error: a distance, of which drawn samples have more
        return None, NONE
    cost = max(outputs[0].shape[1], 1)
    one, other = (PAIRED[name](said, targets) for said in outputs)
    return paired_interval(one, other, len(targets), clusters, cost=cost), BY_BOOTSTRAP
