"""What learning curves have in common, by whatever score: heads of growing parts of the samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Generic, TypeVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.kind import Fitted, HeadKind, Part, tokens_for
from headstart.heads.labelled import sample_weights
from headstart.heads.models.train import part_of, parts_of
from headstart.heads.origins import fit_near_zero
from headstart.heads.tasks import Task
from headstart.heads.trials.objective import Objective
from headstart.progress import Progress
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView
from headstart.values.showable import Showable

POINTS = 7
FOLDS = 5
DRAWS = 5
"""Heads a size, each trained on samples drawn anew and scored on a fold that it has not seen."""
LEAST_R2 = -1.0
"""Heads of few samples may be far worse than the mean, and hide where the others differ."""
LARGEST_LOSS = 3.0
"""The same of losses: times the median point's."""


@dataclass(frozen=True)
class ScorePoint(Showable):
    """Heads trained on some of the samples.

    Attributes:
        samples: how many train samples each had.
        objective: the name of the score: accuracy of classes; R2 of numbers, or the loss that is
            fitted; the log loss of several labels.
        train_score: on those, the mean over the heads.
        score: on samples of the train and validation splits that a head has not seen, the mean over
            the heads.
        interval: of that mean; of classes see `curve_interval`, of others it is as a sweep has it
            (`OutOfFold.metrics`).
        draws: the score of each head.
        scored: how many samples are behind `score`.
        groups: in how many groups those stand; None where each is on its own.
    """

    samples: int
    objective: str
    train_score: float
    score: float
    interval: tuple[float, float]
    draws: tuple[float, ...] = ()
    scored: int = 0
    groups: int | None = None


class NoCurve(HeadError):
    """There is no learning curve: the samples are too few or too much alike, or such a head has
    none."""


T = TypeVar("T", bound=Task)


@dataclass(frozen=True)
class Recipe(Generic[T]):
    """How a head is fitted.

    Attributes:
        kind: its settings.
        task: what its labels mean.
        classes: the label of each output.
        seed: of everything that chance decides.
    """

    kind: HeadKind
    task: T
    classes: tuple[Label, ...]
    seed: int = 0

    def fit(self, train: Part, validation: Part) -> Fitted:
        """Fit to some rows, whose features may lie anywhere."""
        width = len(self.classes) or train.targets.shape[1]
        return fit_near_zero(
            lambda train, validation: self.task.fit(self.kind, train, validation, width, self.seed),
            train,
            validation,
            tokens_for(self.kind, train),
        )


@dataclass(frozen=True)
class Draw:
    """One order of the samples to train on, and the ones to score on: row numbers.

    Attributes:
        repeat: of the folds.
        train: those that heads are fitted to.
        validation: those that they choose on.
        asked: those that they are scored on.
    """

    repeat: int
    train: np.ndarray
    validation: np.ndarray
    asked: np.ndarray

    def first(self, pool: Part, size: int) -> tuple[Part, Part]:
        """So many samples to train on, and as large a share of those to choose on."""
        chosen = round(len(self.validation) * size / len(self.train))
        train, validation = np.sort(self.train[:size]), np.sort(self.validation[:chosen])
        return pool.rows(train), pool.rows(validation)


def pool_of(view: FeatureView, kind: HeadKind, seed: int, task: T) -> tuple[Part, int, Recipe[T]]:
    """The rows of the train and validation splits, how many of them are of the train split, and
    how heads are fitted to them. Weights are the samples' own: classes are balanced in each draw.

    Raises:
        HeadError: the labels or splits do not allow training.
    """
    parts, classes = parts_of(view, task)
    both = view.split("train"), view.split("validation")
    own = sample_weights(*(one.samples for one in both))
    pool = replace(part_of(both, task, classes), weights=own)
    return pool, len(parts["train"]), Recipe(kind, task, tuple(classes), seed)


def check_draws(draws: int) -> None:
    """See that there are several heads a point.

    Raises:
        HeadError: there are not.
    """
    if draws < 2:
        raise HeadError(f"draws is {draws}", hint="Give 2 or more: a band takes several heads.")


P = TypeVar("P", bound=ScorePoint)


def at_each_size(
    least: int, drawn: Sequence[Draw], point: Callable[[int], P], progress: Progress
) -> list[P]:
    """Points of growing numbers of samples, by equal factors.

    Args:
        least: of the first; no more than there are.
        drawn: what is trained on.
        point: gives that of so many samples.
        progress: called with (points done, points in all).
    """
    most = min(len(draw.train) for draw in drawn)
    sizes = np.unique(np.geomspace(min(least, most), most, POINTS).round().astype(int)).tolist()
    points = []
    for number, size in enumerate(sizes, start=1):
        points.append(point(size))
        progress(number, len(sizes))
    return points


def band_text(points: Sequence[ScorePoint]) -> str:
    """What the points and the band of a curve are, in words."""
    last = points[-1]
    in_groups = "" if last.groups is None else f", in {last.groups:,} groups"
    shares = ", the classes in their own shares" if last.objective == "accuracy" else ""
    return (
        f"{len(last.draws)} heads per point, each trained on newly drawn samples{shares}, and "
        "scored on others of the train and validation splits "
        f"({last.scored:,} in all{in_groups}); the band is of 95 %, for which samples train and "
        "which score; the test split was not looked at"
    )


def limits_of(
    points: Sequence[ScorePoint], objective: Objective
) -> tuple[float | None, float | None]:
    """Where the axis of a score ends in a picture; None for where all that is drawn does."""
    ends = [end for point in points for end in (*point.interval, *point.draws)]
    if objective.is_loss:
        most = LARGEST_LOSS * median(point.score for point in points)
        return (objective.low, most) if max(ends) > most > 0 else (None, None)
    return (LEAST_R2 if min(ends) < LEAST_R2 else None), objective.high
