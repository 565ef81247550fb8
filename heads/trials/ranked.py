"""How features do for numbers and several labels: quick heads, neighbours, and LogME."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.transferability import log_me
from headstart.heads.generalised import QUANTILE
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.largest import largest
from headstart.heads.nearest import AT_ONCE
from headstart.heads.origins import near_zero
from headstart.heads.projection import of_length_one
from headstart.heads.regression import Regression
from headstart.heads.rows import Rows
from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.by_task import gathering_of
from headstart.heads.trials.crossed import draws_of
from headstart.heads.trials.objective import objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold


@dataclass(frozen=True)
class Quick:
    """What is known of features without much work.

    Attributes:
        linear: the best of some heads; see `quick_heads`.
        neighbours: the nearest neighbours; None where there are too many rows to compare all.
        log_me: see there; of numbers of mean 0 and variance 1, so that their unit does not count.
    """

    linear: OutOfFold
    neighbours: OutOfFold | None
    log_me: float


def quick_heads(
    rows: Part,
    folds: Sequence[Fold],
    task: Task,
    strengths: Sequence[float],
    count: int | None,
) -> Quick:
    """What `rank_features` asks of features for classes, for other tasks.

    Args:
        rows: features, (rows, width), float32, with targets as the task reads them.
        folds: which rows to train on, and which to try.
        task: what the targets mean.
        strengths: of the linear heads; of numbers a ridge head chooses its penalty itself.
        count: how many neighbours are asked; None for none.
    """
    is_number = isinstance(task, Regression)
    kind = task.default_kind() if is_number else Linear(tuple(strengths))
    found = cross([kind], rows, folds, task=task, jobs=1)
    best = min(found, key=lambda one: one.order(objectives_of(task)[-1 if _is_class(task) else 0]))
    near = None if count is None else cross_neighbours(rows, folds, task, count)
    y = rows.targets.astype(np.float64)
    if is_number:
        y = (y - y.mean(axis=0)) / y.std(axis=0)
    return Quick(best, near, log_me(rows.features, rows.targets if _is_class(task) else y))


def _is_class(task: Task) -> bool:
    return isinstance(task, Classification)


def cross_neighbours(rows: Part, folds: Sequence[Fold], task: Task, count: int) -> OutOfFold:
    """What the nearest training rows by the angle have on average, or as the quantile that is asked
    for: scikit-learn's `KNeighborsRegressor(metric="cosine")`.

    Args:
        rows: features, (rows, width), float32, with targets (rows, outputs), or class numbers.
        folds: which rows to train on, and which to try.
        task: what the targets mean.
        count: how many neighbours are asked.
    """
    rows = near_zero(rows)
    targets = rows.targets
    if targets.ndim == 1:
        targets = np.eye(int(targets.max()) + 1)[targets]
    gathered = gathering_of(task, rows, folds, draws_of(folds, len(rows)))
    for number, fold in enumerate(folds):
        near = _nearest(rows.features, fold, count)
        own = targets[near]
        gathered.add(number, _said(own, task))
    kind = Neighbours(count, calibrated=False)
    return gathered.result({"kind": kind.kind, "neighbours": count}, kind)


def _said(own: np.ndarray, task: Task) -> np.ndarray:
    """Of what neighbours have, (rows, neighbours, outputs)."""
    if isinstance(task, Regression) and task.loss == QUANTILE:
        return np.quantile(own, task.quantile, axis=1)
    return own.mean(axis=1)


def _nearest(features: Rows, fold: Fold, count: int) -> np.ndarray:
    """The rows to train on that are nearest to each that is tried, (tried, count)."""
    known = of_length_one(features[fold.train])
    count, step = min(count, len(known)), max(1, AT_ONCE // len(known))
    found = []
    for start in range(0, len(fold.test), step):
        alike = of_length_one(features[fold.test[start : start + step]]) @ known.T
        found.append(largest(alike, count))
    return fold.train[np.concatenate(found)]
