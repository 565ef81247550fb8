"""The seam of what is compared: what heads of one setting said of rows that others were fitted to.

A sweep, a search, a ranking and `auto` ask no more of it than this, whatever the task: `Crossed`
is of classes and labels, `CrossedNumbers` of numbers.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.kind import Complexity
from headstart.heads.tasks import Task


class OutOfFold(Protocol):
    """What came of a setting.

    Names of objectives are those of `objectives_of(task)`.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """Of the heads, as `HeadKind.describe` gives them, with `kind`."""
        ...

    @property
    def task(self) -> Task: ...

    @property
    def targets(self) -> np.ndarray:
        """As the task reads them, a row each."""
        ...

    @property
    def outputs(self) -> np.ndarray:
        """What was said, the mean over the repeats, (rows, outputs)."""
        ...

    @property
    def groups(self) -> np.ndarray | None: ...

    @property
    def clusters(self) -> Clusters | None: ...

    @property
    def complexity(self) -> Complexity: ...

    @property
    def repeats(self) -> int: ...

    @property
    def spread(self) -> float | None:
        """Standard deviation of a head's first score between draws of its training rows; None
        where nothing was repeated."""
        ...

    def outcomes(self, objective: str) -> Outcomes:
        """What is compared where heads are chosen by an objective."""
        ...

    def order(self, objective: str) -> tuple[float, float]:
        """The less, the better: by the objective, and where that is equal by the first of the
        task's others."""
        ...

    def metrics(self) -> dict[str, Any]:
        """The scores of single heads with their intervals, as a head's metrics."""
        ...
