"""The value of each sample whose mean is a score by which heads are compared."""

from __future__ import annotations

import numpy as np

from headstart.heads.evaluation.paired import right_of
from headstart.heads.evaluation.scores import decided
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.regression import Regression
from headstart.heads.tasks import Task
from headstart.heads.trials.objective import ABSOLUTE, LOG_LOSS, R2, objectives_of


def values_of(task: Task, name: str, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of each row, (n,): whether it is right, bool; or its loss, or its part of R2, float64.

    Its part of R2 is 1 less its squared error over the variance of the numbers; of several numbers
    the mean.

    Args:
        task: what the labels mean.
        name: of an objective of the task.
        outputs: of a head, (n, outputs).
        targets: as the task reads them.
    """
    if not isinstance(task, Regression):
        if name == LOG_LOSS:
            return log_losses_of(outputs, targets)
        return right_of(decided(task, outputs), targets)
    if name == R2:
        return 1 - ((outputs - targets) ** 2 / targets.var(axis=0)).mean(axis=1)
    if name == ABSOLUTE:
        return np.abs(outputs - targets).mean(axis=1)
    return task.losses_of(outputs, targets)


def told_on(task: Task, targets: np.ndarray) -> tuple[str, ...]:
    """The objectives of a task that have a value on some samples: R2 has none where a number is the
    same of all of them."""
    names = objectives_of(task)
    if R2 in names and not targets.var(axis=0).all():
        return tuple(name for name in names if name != R2)
    return names
