"""What is shown of a head, by what its labels mean: the table of a report's sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.evaluation.areas import areas_of
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.intervals import (
    interval_text,
    score_text,
    share_text,
    wilson_interval,
)
from headstart.heads.evaluation.per_class import ClassShare, class_scores
from headstart.heads.evaluation.provenance import balanced_text, words_of
from headstart.heads.generalised import SQUARED
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification, MultiLabel, Ordinal, Task
from headstart.heads.trials.judged import Judged
from headstart.plots.judgements import draw_head, draw_labels, draw_numbers, draw_residuals
from headstart.plots.misses import Misses, of_classes, of_labels, of_numbers, wrong_labels
from headstart.registry.entities import Head as HeadRecord
from headstart.storage.manifest import Label

Drawing = Callable[[Judged, HeadRecord, str], Any]
"""A picture of what a head says of its test split, with a title."""
Row = tuple[str, str, str]
"""Name, value and what is to be said of it."""


@dataclass(frozen=True)
class Table:
    """Scores of each class, label or number.

    Attributes:
        title: what each row is of.
        columns: names, the first of which is of the rows' own.
        rows: words.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class TaskView:
    """What is shown of heads of a task.

    Attributes:
        pictures: each with its heading; the first is what `head plot` draws.
        chance: what is scored without a head.
        table: of each class, label or number; None where scores have all.
        misses: where it is wrong.
        by: in which order those are, in words.
        missed: their heading.
        wrong: where what is said, (n, outputs), is not what is true; None where that is of no use.
        judged: the task by which labels are found to be worth a look; None where none is.
        found: how, and what is meant by it.
        suspect: what is said of such a label, of `label` and `guess`.
    """

    pictures: tuple[tuple[str, Drawing], ...]
    chance: Callable[[Judged], Row]
    table: Callable[[Judged, Mapping[str, Any], Sequence[Label]], Table | None]
    misses: Callable[[Judged, Task, Sequence[Label]], Misses]
    by: str
    missed: str = "The surest mistakes"
    wrong: Callable[[Task, np.ndarray, np.ndarray], np.ndarray] | None = None
    judged: Callable[[Task], Task | None] = lambda _task: None
    found: str = ""
    suspect: str = ""


def view_of(task: Task) -> TaskView:
    """What is shown of heads of a task."""
    return VIEWS[task.name]


def told(score: ClassShare | None) -> str:
    """A share with its interval; of nothing there is none."""
    if score is None:
        return "-"
    value, low, high = score
    if low is None or high is None:
        return f"{share_text(value)} (no interval)"
    return f"{share_text(value)} ({share_text(low)} to {share_text(high)})"


def _confusion(judged: Judged, record: HeadRecord, title: str) -> Any:
    return draw_head(judged, record.classes, title, balanced_text(record))


def _labels(judged: Judged, record: HeadRecord, title: str) -> Any:
    return draw_labels(judged.probabilities, judged.targets, record.classes, title)


def _numbers(judged: Judged, record: HeadRecord, title: str) -> Any:
    return draw_numbers(judged.probabilities, judged.targets, title)


def _residuals(judged: Judged, record: HeadRecord, title: str) -> Any:
    return draw_residuals(judged.probabilities, judged.targets, title)


def _largest_class(judged: Judged) -> Row:
    largest, total = int(np.bincount(judged.targets).max()), len(judged.targets)
    value = told((largest / total, *wilson_interval(largest, total)))
    return "always the largest class", value, "accuracy without a head"


def _by_chance(judged: Judged) -> Row:
    occurs = judged.targets.any(axis=0) & ~judged.targets.all(axis=0)
    share = float(judged.targets[:, occurs].mean()) if occurs.any() else 0.0
    return "labels by chance", share_text(share), "mean average precision without a head"


def _median(judged: Judged) -> Row:
    apart = np.abs(judged.targets - np.median(judged.targets, axis=0)).mean()
    value = score_text("mean_absolute_error", float(apart))
    return "always the median", value, "mean absolute error without a head; R2 of the mean is 0"


def _of_classes(judged: Judged, metrics: Mapping[str, Any], classes: Sequence[Label]) -> Table:
    columns = ("class", "held-out samples", "precision (95 %)", "recall (95 %)", "F1 (95 %)")
    return Table("Each class", columns, _shares(metrics, classes))


def _shares(metrics: Mapping[str, Any], classes: Sequence[Label]) -> list[tuple[str, ...]]:
    return [
        (
            str(one.label),
            f"{one.support:,}",
            *(told(score) for score in (one.precision, one.recall, one.f1)),
        )
        for one in class_scores(metrics, classes)
    ]


def _of_labels(judged: Judged, metrics: Mapping[str, Any], classes: Sequence[Label]) -> Table:
    """With the average precision of each label, whose interval is as that of the mean."""
    clusters = clusters_of(judged.samples)
    areas = [
        areas_of(judged.probabilities[:, [one]], judged.targets[:, [one]], clusters).auprc
        for one in range(len(classes))
    ]
    columns = (
        *("label", "held-out samples with it", "precision (95 %)", "recall (95 %)"),
        *("F1 (95 %)", "average precision (95 %)"),
    )
    rows = [
        (*row, told(None if area is None else (area[0], *(area[1] or (None, None)))))
        for row, area in zip(_shares(metrics, classes), areas, strict=True)
    ]
    return Table("Each label", columns, rows)


def _of_numbers(
    judged: Judged, metrics: Mapping[str, Any], classes: Sequence[Label]
) -> Table | None:
    each = metrics.get("of_each", [])
    if not each:
        return None
    names = [name for name, value in each[0].items() if isinstance(value, float)]
    rows = [
        (
            f"number {number}",
            *(f"{score_text(name, one[name])} ({interval_text(one, name)})" for name in names),
        )
        for number, one in enumerate(each, start=1)
    ]
    return Table("Each number", ("", *(f"{words_of(name)} (95 %)" for name in names)), rows)


def _not_said(task: Task, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    assert isinstance(task, Classification)
    return task.guess(outputs) != targets


def _any_wrong(task: Task, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.asarray(wrong_labels(outputs, targets).any(axis=1))


CLASSES = TaskView(
    pictures=(("What it confuses, and whether it can be believed", _confusion),),
    chance=_largest_class,
    table=_of_classes,
    misses=of_classes,
    by="mistakes on the test split, those first of which the head is surest",
    wrong=_not_said,
    judged=lambda task: Classification(),
    found="by confident learning (Northcutt et al., 2021) with heads that were not trained on the "
    "sample: they find another class more probable than the label",
    suspect="labelled {label}, looks like {guess}",
)
LABELS = TaskView(
    pictures=(("How well it finds each label, and whether it can be believed", _labels),),
    chance=_by_chance,
    table=_of_labels,
    misses=of_labels,
    by="samples of the test split with a wrong label, those first of which the head is surest",
    wrong=_any_wrong,
)
NUMBERS = TaskView(
    pictures=(
        ("What it predicts", _numbers),
        ("How far it is off", _residuals),
    ),
    chance=_median,
    table=_of_numbers,
    misses=of_numbers,
    by="predictions on the test split that are not the number given, the farthest off first, by "
    "the loss that is fitted",
    missed="The largest misses",
    judged=lambda task: Regression() if getattr(task, "loss", None) == SQUARED else None,
    found="far from what a ridge head predicts that was not trained on the sample (3.5 robust "
    "standard deviations), and the nearest neighbours agree",
    suspect="given {label}, predicted {guess}",
)
VIEWS = {
    Classification.name: CLASSES,
    Ordinal.name: CLASSES,
    MultiLabel.name: LABELS,
    Regression.name: NUMBERS,
}
