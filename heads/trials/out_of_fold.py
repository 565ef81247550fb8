"""The seam of what is compared: what heads of one setting said of rows that others were fitted to.

A sweep, a search, a ranking and `auto` ask no more of it than this, whatever the task: `Crossed`
is of classes and labels, `CrossedNumbers` of numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.clusters import Clusters, assumption_of
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.kind import Complexity
from headstart.heads.tasks import Task
from headstart.heads.trials.objective import OBJECTIVES, objectives_of
from headstart.values.showable import Showable


class OutOfFold(Showable, ABC):
    """What came of a setting. Names of objectives are those of `objectives_of(task)`.

    Attributes:
        task: what the labels mean.
        settings: of the heads, as `HeadKind.describe` gives them, with `kind`.
        targets: as the task reads them, a row each.
        draws: by which fold's heads each row was tried, numbered through all repeats, (repeats,
            rows).
        groups: of each row, (rows,), rows of which are no evidence of their own; None without.
        complexity: of the heads, see `complexity_of`.
    """

    task: Task
    settings: dict[str, Any]
    targets: np.ndarray
    draws: np.ndarray
    groups: np.ndarray | None
    complexity: Complexity

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
            self.outcomes(name).mean * (1 if OBJECTIVES[name].is_loss else -1)
            for name in [objective, *others][:2]
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
