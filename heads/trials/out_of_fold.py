"""The seam of what is compared: what heads of one setting said of rows that others were fitted to.

A sweep, a search, a ranking and `auto` ask no more of it than this, whatever the task: `Crossed`
is of classes and labels, `CrossedNumbers` of numbers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.clusters import Clusters, assumption_of
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.simplicity import complexity_of
from headstart.heads.kind import Complexity, HeadKind, Part
from headstart.heads.tasks import Task
from headstart.heads.trials.objective import ascending, objectives_of
from headstart.values.showable import Showable

UNKNOWN: Complexity = (math.inf, math.inf)
"""Of heads that do not say how complex they are: beyond all others."""


@dataclass(frozen=True, kw_only=True)
class OutOfFold(Showable, ABC):
    """What came of a setting. Names of objectives are those of `objectives_of(task)`.

    Scores are those of single heads: each repeat is scored by itself, then the scores are averaged.

    Attributes:
        task: what the labels mean.
        settings: of the heads, as `HeadKind.describe` gives them, with `kind`.
        targets: as the task reads them, a row each.
        draws: by which fold's heads each row was tried, numbered through all repeats, (repeats,
            rows).
        taken: which share of the rows a fold trains on.
        groups: of each row, (rows,), rows of which are no evidence of their own; None without.
        complexity: of the heads, see `complexity_of`.
    """

    task: Task
    settings: dict[str, Any]
    targets: np.ndarray
    draws: np.ndarray
    taken: float = 0.0
    groups: np.ndarray | None = None
    complexity: Complexity = UNKNOWN

    @cached_property
    def clusters(self) -> Clusters | None:
        """Which rows belong together."""
        return Clusters.of(self.groups)

    @property
    def repeats(self) -> int:
        return len(self.draws)

    @property
    @abstractmethod
    def outputs(self) -> np.ndarray:
        """What was said, the mean over the repeats, (rows, outputs)."""

    @abstractmethod
    def outcomes(self, objective: str) -> Outcomes:
        """What is compared where heads are chosen by an objective."""

    @abstractmethod
    def metrics(self) -> dict[str, Any]:
        """The scores of single heads with their intervals, as a head's metrics."""

    @abstractmethod
    def saying(self, outputs: np.ndarray, settings: dict[str, Any]) -> OutOfFold:
        """What came of the same rows and folds, tried once, where this was said of them, (rows,
        outputs)."""

    @property
    def spread(self) -> float | None:
        """Standard deviation of a head's first score between draws of its training rows; None
        where nothing was repeated."""
        return self.outcomes(objectives_of(self.task)[0]).spread

    def order(self, objective: str) -> tuple[float, float]:
        """The less, the better: by the objective, and where that is equal by the first of the
        task's others."""
        others = (one for one in objectives_of(self.task) if one != objective)
        first, second = (
            ascending(name, self.outcomes(name).mean) for name in [objective, *others][:2]
        )
        return first, second

    def _metrics(
        self, scores: Mapping[str, float], ends: Mapping[str, Interval | None]
    ) -> dict[str, Any]:
        """Scores with their intervals and the number of samples, as a head's metrics."""
        clusters = self.clusters
        return {
            **scores,
            "intervals": {name: list(one) for name, one in ends.items() if one is not None},
            "interval_assumes": assumption_of(clusters),
            **({} if clusters is None else {"groups": len(clusters)}),
            "n_test": len(self.targets),
            "spread": self.spread,
        }


class Gathering(ABC):
    """What the folds' heads of one setting say, until the last has said it.

    Args:
        rows: what is tried.
        folds: which rows each trains on and tries.
        draws: of the folds, see `draws_of`.
    """

    def __init__(self, rows: Part, folds: Sequence[Fold], draws: np.ndarray) -> None:
        self._rows, self._folds, self._draws = rows, folds, draws
        self._left = len(folds)

    def add(self, number: int, said: np.ndarray) -> bool:
        """What a fold's head says, (rows, outputs); whether all folds are done."""
        tried = self._folds[number].test
        repeat = int((self._draws[:, tried[0]] == number).argmax())
        self._take(number, repeat, tried, said)
        self._left -= 1
        return not self._left

    @abstractmethod
    def _take(self, number: int, repeat: int, tried: np.ndarray, said: np.ndarray) -> None:
        """Keep what a fold's head says of the rows that it tries, in a repeat."""

    @abstractmethod
    def result(self, settings: dict[str, Any], kind: HeadKind) -> OutOfFold:
        """Once, when all folds are done."""

    def _shared(self, settings: dict[str, Any], kind: HeadKind, outputs: int) -> dict[str, Any]:
        """What every result has, whatever the task."""
        rows, trained = self._rows, max(len(fold.train) for fold in self._folds)
        return {
            "settings": settings,
            "targets": rows.targets,
            "draws": self._draws,
            "taken": trained / len(rows),
            "groups": rows.groups,
            "complexity": complexity_of(kind, rows, trained, outputs),
        }
