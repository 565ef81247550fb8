"""What trials of features and kinds share: the parts of the samples, and the time that is left."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from headstart.errors import HeadstartError
from headstart.extractors.datasets import window_options
from headstart.heads.kind import HeadKind
from headstart.heads.labelled import groups_of
from headstart.heads.trials.subsample import (
    FEWEST,
    in_nested_order,
    is_labelled,
    sizes_of,
    strata_of,
)
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import Budget, OutOfTime, in_seconds
from headstart.jobs.auto.pool import Pool
from headstart.origins.blocks import Blocks
from headstart.registry.entities import Dataset
from headstart.storage.manifest import SPLITS

LEAST_KEPT = 2
"""Features, or kinds of heads, that go on to more samples at least."""
MOMENT = 1000
"""Samples of a part on which fits take a moment."""
NO_TIME = "no time was left for trials"
SETTLED = (
    "the best so far is right on so many samples that no head can be shown to be better on them "
    "beyond chance"
)


class Race:
    """Makes trials while there is time for them.

    Args:
        dataset: on which.
        pool: the features.
        attempts: where heads are tried.
        budget: the time that there is.

    Attributes:
        sizes: samples of each part, from the smallest to all.
    """

    def __init__(self, dataset: Dataset, pool: Pool, attempts: Attempts, budget: Budget) -> None:
        self._dataset, self.pool = dataset, pool
        self.attempts, self.budget = attempts, budget
        self._order, self.sizes = self._parts()

    @cached_property
    def no_time(self) -> str:
        """Why trials are left out once there is no time for any, by when that was so first."""
        budget = self.budget
        return (
            f"{NO_TIME}: {in_seconds(budget.spent)} of {in_seconds(budget.seconds)} were taken, "
            f"{in_seconds(budget.kept_back)} are kept back for the end; what was computed is "
            "cached, so that more is tried if you run it again, or with more minutes"
        )

    def _parts(self) -> tuple[np.ndarray, list[int]]:
        """Rows of the train and validation split, nested, and how many of them are in each part;
        samples with windows are taken together."""
        columns, task = self.pool.samples, self.pool.task
        has_label = is_labelled(columns, task)
        rows = np.flatnonzero((columns.split_codes != SPLITS.index("test")) & has_label)
        if window_options(self._dataset.options)[0] or not len(rows):
            return rows, [len(rows)]
        part = columns.take(rows)
        strata = strata_of(task, task.read(part.labels, task.find_classes(part)))
        trying = self.pool.trying
        least = trying.folds + 1
        order = in_nested_order(strata, groups_of(part), least, trying.seed)
        fewest = max(FEWEST, 2 * least * (int(strata.max()) + 1))
        return rows[order], sizes_of(min(len(rows), trying.limit), fewest)

    def sizes_for(self, count: int) -> list[int]:
        """The parts that so many are tried on: where all of them go on anyway, the smallest ones,
        which tell less than the next and take a moment, are left out."""
        if count > LEAST_KEPT:
            return self.sizes
        small = [size for size in self.sizes[:-1] if size <= MOMENT]
        return self.sizes[max(len(small) - 1, 0) :]

    def rows(self, size: int) -> np.ndarray | None:
        """Those of a part; None of all."""
        return None if size == self.sizes[-1] else np.sort(self._order[:size])

    def make(
        self, blocks: Blocks, kinds: Sequence[HeadKind], rows: np.ndarray | None, size: int
    ) -> int | None:
        """Try heads, if there is time for them; gives the number of the attempt."""
        what, left = f"{kinds[0].kind} on {blocks.name}", self.budget.left
        if self.is_over(what):
            return None
        try:
            return self.attempts.make(blocks, kinds, rows, left)
        except OutOfTime:
            self.attempts.drop(what, f"its fits took longer than the {left:,.1f} s that were left")
        except HeadstartError as error:
            self.attempts.drop(what, str(error))
        return None

    def is_over(self, what: str) -> bool:
        """Whether something is not tried any more, which is told."""
        is_late = self.budget.left <= 0
        if is_late or self.attempts.is_settled:
            self.attempts.drop(what, self.no_time if is_late else SETTLED)
            return True
        return False

    def need(self, blocks: Blocks, kinds: Sequence[HeadKind], size: int) -> float:
        """Seconds that heads take by what was measured on fewer samples; 0 where nothing was."""
        rows = min(size, self.pool.trying.limit)
        return self.attempts.forecast(kinds[0].kind, blocks, rows) or 0.0
