"""By what scores heads of a task are compared that were tried on the same folds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headstart.heads.generalised import SQUARED
from headstart.heads.regression import SCORES, Regression
from headstart.heads.tasks import MultiLabel, Task

ACCURACY, EXACT, LOG_LOSS = "accuracy", "exact", "log_loss"
R2, ABSOLUTE, ROOT = "r2", "mean_absolute_error", "root_mean_squared_error"


@dataclass(frozen=True)
class Objective:
    """A score that is the mean of a value of each sample, by which heads may be chosen.

    Attributes:
        name: of the score.
        is_loss: whether less is better.
        low: what it is at the least.
        high: at the most.
    """

    name: str
    is_loss: bool
    low: float
    high: float


OBJECTIVES = {
    one.name: one
    for one in (
        Objective(ACCURACY, is_loss=False, low=0.0, high=1.0),
        Objective(EXACT, is_loss=False, low=0.0, high=1.0),
        Objective(LOG_LOSS, is_loss=True, low=0.0, high=math.inf),
        Objective(R2, is_loss=False, low=-math.inf, high=1.0),
        Objective(ABSOLUTE, is_loss=True, low=0.0, high=math.inf),
        *(Objective(name, is_loss=True, low=0.0, high=math.inf) for name in SCORES.values()),
    )
}


def ascending(name: str, value: float) -> float:
    """A score such that less is better."""
    return value if OBJECTIVES[name].is_loss else -value


def objectives_of(task: Task) -> tuple[str, ...]:
    """The names of those of a task; the first unless another is asked for. That of numbers is their
    own loss: R2, where that is the squared error, of which it is a function."""
    if isinstance(task, Regression):
        own = () if task.loss == SQUARED else (SCORES[task.loss],)
        return (*own, R2, ABSOLUTE)
    return (LOG_LOSS, EXACT) if isinstance(task, MultiLabel) else (ACCURACY, LOG_LOSS)


def columns_of(task: Task) -> tuple[str, ...]:
    """The names of the scores that a table of such heads shows."""
    return (*objectives_of(task), ROOT) if isinstance(task, Regression) else objectives_of(task)
