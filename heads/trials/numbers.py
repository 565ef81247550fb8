"""What heads of one setting said of the rows that they were not trained on, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval, r2_interval, roots_interval
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.scores import widened
from headstart.heads.kind import HeadKind, Part
from headstart.heads.regression import Regression
from headstart.heads.trials.objective import ABSOLUTE, OBJECTIVES, R2, ROOT, objectives_of
from headstart.heads.trials.out_of_fold import UNKNOWN, Gathering, OutOfFold
from headstart.heads.trials.values import values_of


@dataclass(frozen=True, kw_only=True)
class CrossedNumbers(OutOfFold):
    """Numbers of each row. The task is a regression, with its loss; targets are (rows, outputs),
    float64.

    Attributes:
        said: in each repeat, (repeats, rows, outputs), float64.
    """

    said: np.ndarray

    @property
    def outputs(self) -> np.ndarray:
        return self.said.mean(axis=0)

    def outcomes(self, objective: str) -> Outcomes:
        """Of each sample in each repeat: its part of R2, which is 1 less its squared error over the
        variance of the numbers, the mean over several; or its absolute error, or the task's own
        loss."""
        return self._outcomes[objective]

    @cached_property
    def _outcomes(self) -> dict[str, Outcomes]:
        return {
            name: Outcomes(self._values(name), self.draws, self.taken, self.clusters)
            for name in objectives_of(self.task)
        }

    def _values(self, objective: str) -> np.ndarray:
        """(repeats, rows), float64."""
        return np.stack([values_of(self.task, objective, one, self.targets) for one in self.said])

    @property
    def _squares(self) -> np.ndarray:
        return (self.said - self.targets) ** 2

    def metrics(self) -> dict[str, Any]:
        """The task's own score, R2, mean absolute error and root mean squared error, with their
        intervals; see `_interval`."""
        scores = {name: self.outcomes(name).mean for name in objectives_of(self.task)}
        scores[ROOT] = float(np.sqrt(self._squares.mean(axis=1)).mean())
        return self._metrics(scores, {name: self._interval(name, scores) for name in scores})

    def _interval(self, name: str, scores: dict[str, float]) -> Interval | None:
        """As of a head's score, as much wider as folds are alike. Of repeats that of the mean of
        the samples' parts, which knows of the training sets that were drawn, and takes the variance
        of the numbers for known."""
        if name in (R2, ROOT) and self.repeats == 1:
            find = r2_interval if name == R2 else _roots
            ends, reach = find(self.said[0], self.targets, self.clusters), self._reach
        elif name == ROOT:
            ends = roots_interval(self._squares.mean(axis=0), self.clusters)
            reach = self._reach
        else:
            ends, reach = self.outcomes(name).interval, 1.0
        if ends is None:
            return None
        told = widened({name: scores[name], "intervals": {name: ends}}, reach)
        low, high = told["intervals"][name]
        # widened for the likeness of folds, it may reach beyond what the score can be
        of = OBJECTIVES[ABSOLUTE if name == ROOT else name]
        return max(low, of.low), min(high, of.high)

    @property
    def _reach(self) -> float:
        """How much wider, see `Outcomes.reach`: that of the squared errors."""
        return self.outcomes(R2).reach

    def saying(self, outputs: np.ndarray, settings: dict[str, Any]) -> CrossedNumbers:
        said = outputs[None].astype(np.float64)
        return replace(self, settings=settings, said=said, complexity=UNKNOWN)

    def _facts(self) -> dict[str, Any]:
        """The settings and what they are worth; what was said is of many samples."""
        drawn = {"repeats": self.repeats, "spread_between_draws": self.spread}
        scores = self.metrics()
        known = {name: one for name, one in scores.items() if name in (*OBJECTIVES, ROOT)}
        return {
            **self.settings,
            **known,
            "intervals": scores["intervals"],
            "samples": len(self.targets),
            **drawn,
        }

    def _line(self) -> str:
        name = objectives_of(self.task)[0]
        return f"{self.settings['kind']}, {name} {self.outcomes(name).mean:.3f}"


def _roots(said: np.ndarray, targets: np.ndarray, clusters: Clusters | None) -> Interval | None:
    return roots_interval((said - targets) ** 2, clusters)


class GatheredNumbers(Gathering):
    """See there; of numbers.

    Args:
        task: the regression.
        rows: see `Gathering`.
        folds: likewise.
        draws: likewise.
    """

    def __init__(
        self, task: Regression, rows: Part, folds: Sequence[Fold], draws: np.ndarray
    ) -> None:
        super().__init__(rows, folds, draws)
        self._task = task
        self._said = np.zeros((*draws.shape, rows.targets.shape[1]))

    def _take(self, number: int, repeat: int, tried: np.ndarray, said: np.ndarray) -> None:
        self._said[repeat, tried] = said

    def result(self, settings: dict[str, Any], kind: HeadKind) -> CrossedNumbers:
        facts = self._shared(settings, kind, self._rows.targets.shape[1])
        return CrossedNumbers(**facts, task=self._task, said=self._said)
