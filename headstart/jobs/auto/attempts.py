"""Heads that are tried on folds: what they gave, how long they took, how long others would take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from headstart.heads.evaluation.cross_validation import Crossed, cross
from headstart.heads.kind import HeadKind
from headstart.heads.kinds.linear import Linear
from headstart.heads.kinds.words import setting_words
from headstart.jobs.auto.budget import Budget
from headstart.jobs.auto.found import Attempt, Dropped
from headstart.jobs.auto.pool import Pool, Told
from headstart.origins.blocks import Blocks

GROWING = 1.2
"""A fit of more rows takes longer than in proportion: neighbours of each are looked for among all,
and linear ones take more steps."""


class Attempts:
    """Tries heads, and keeps what came of it.

    Args:
        pool: the features.
        budget: the time that there is.
        tell: told what is done now.

    Attributes:
        tried: in order.
        dropped: what was not tried, or not to its end.
        found: features and results of every setting that was tried on all samples.
        fitted: heads behind those.
    """

    def __init__(self, pool: Pool, budget: Budget, tell: Told) -> None:
        self._pool, self._budget, self._tell = pool, budget, tell
        self.tried = list[Attempt]()
        self.dropped = list[Dropped]()
        self.found = list[tuple[Blocks, Crossed]]()
        self.fitted = 0
        self._paces = dict[str, tuple[int, float]]()

    def drop(self, what: str, why: str) -> None:
        """Take note of something that is left out."""
        self.dropped.append(Dropped(what, why))

    def judge(self, number: int, verdict: str) -> None:
        """Say what became of an attempt."""
        self.tried[number] = replace(self.tried[number], verdict=verdict)

    def forecast(self, kind: str, width: int, rows: int) -> float | None:
        """Seconds that heads of a kind take on so many rows; None where none was tried yet."""
        if kind not in self._paces:
            return None
        known, seconds = self._paces[kind]
        return seconds * width * rows * max(rows / known, 1.0) ** (GROWING - 1)

    def make(
        self,
        blocks: Blocks,
        kinds: Sequence[HeadKind],
        rows: np.ndarray | None,
        seconds: float | None = None,
    ) -> int:
        """Try heads of one kind; gives the number of the attempt.

        Args:
            blocks: the features.
            kinds: settings of the kind.
            rows: of the samples; all of train and validation split without them.
            seconds: that it may take; as long as it takes without it.

        Raises:
            OutOfTime: it takes longer.
            HeadError: the kind is not for such features.
        """
        one = self._pool.load(blocks, rows)
        check = None if seconds is None else self._budget.until(seconds)
        started, fitted = time.monotonic(), 0
        name = f"{kinds[0].kind} heads on {blocks.name}"

        def advance(count: int) -> None:
            nonlocal fitted
            fitted += count
            self._tell(f"fitting {name}, {len(one.rows):,} samples")
            if check is not None:
                check()

        trying = self._pool.trying
        self._tell(f"fitting {name}, {len(one.rows):,} samples")
        results = cross(kinds, one.rows, one.folds, seed=trying.seed, progress=advance)
        took = time.monotonic() - started
        self._paces[kinds[0].kind] = (len(one.rows), took / one.features.shape[1] / len(one.rows))
        if rows is None:
            self.found += [(blocks, result) for result in results]
            self.fitted += fitted
        best = min(results, key=lambda result: result.order(trying.objective))
        self.tried.append(_told(blocks, best, fitted, took))
        return len(self.tried) - 1


def _told(blocks: Blocks, best: Crossed, heads: int, seconds: float) -> Attempt:
    return Attempt(
        blocks.name,
        setting_words(best.settings),
        len(best.targets),
        best.accuracy,
        best.interval,
        best.log_loss,
        heads,
        round(seconds, 3),
    )


def default_kind() -> Linear:
    """What is fitted first, and kept unless something is better beyond chance."""
    return Linear()
