"""What heads of one setting said of the rows that they were not trained on, as classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart.heads.evaluation.bootstrap import Unseen
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.reliability import unseen_of
from headstart.heads.kind import HeadKind, Part
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.objective import ACCURACY, EXACT, LOG_LOSS, objectives_of
from headstart.heads.trials.out_of_fold import UNKNOWN, Gathering, OutOfFold
from headstart.heads.trials.values import values_of


@dataclass(frozen=True, kw_only=True)
class Crossed(OutOfFold):
    """One class, or several labels, of each row. Targets are class numbers, (rows,); of several
    labels 0 and 1, (rows, classes).

    The mean of the repeats' probabilities is what an ensemble of them says, which is surer and more
    often right than any of its heads; it is for judging labels, not heads.

    Attributes:
        probabilities: the mean over the repeats, (rows, classes): an ensemble's.
        hits: whether the class that is said was the right one, or all labels were, bool, (repeats,
            rows).
        losses: the log loss, float32, (repeats, rows).
        unseen: what a head may lose on a row that is of no kind among these, see `unseen_of`: the
            mean over the heads, each of which is surer than their ensemble.
    """

    task: Task = field(default_factory=Classification)
    probabilities: np.ndarray
    hits: np.ndarray
    losses: np.ndarray
    unseen: Unseen | None = None

    @cached_property
    def accuracies(self) -> Outcomes:
        """Where it was right, in each repeat."""
        return Outcomes(self.hits, self.draws, self.taken, self.clusters)

    @cached_property
    def log_losses(self) -> Outcomes:
        """The log loss of each row in each repeat."""
        return Outcomes(self.losses, self.draws, self.taken, self.clusters, self.unseen)

    def outcomes(self, objective: str) -> Outcomes:
        """What is compared where heads are chosen by an objective."""
        return self.log_losses if objective == LOG_LOSS else self.accuracies

    @property
    def outputs(self) -> np.ndarray:
        """What was said, the mean over the repeats, (rows, classes)."""
        return self.probabilities

    def metrics(self) -> dict[str, Any]:
        """The scores that heads are compared by, with their intervals, as a head's metrics."""
        share, loss = self.interval, self.log_losses.interval
        ends = {name: loss if name == LOG_LOSS else share for name in objectives_of(self.task)}
        return self._metrics({name: self.outcomes(name).mean for name in ends}, ends)

    @property
    def right(self) -> np.ndarray:
        """In which share of the repeats the most probable class is the right one, (rows,)."""
        return self.accuracies.by_sample

    @property
    def accuracy(self) -> float:
        """The mean of the repeats' accuracies."""
        return self.accuracies.mean

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy; see `Outcomes.share_interval`."""
        return self.accuracies.share_interval

    @property
    def log_loss(self) -> float:
        """The mean of the repeats' log losses."""
        return self.log_losses.mean

    def saying(self, outputs: np.ndarray, settings: dict[str, Any]) -> Crossed:
        said = _as_shares(outputs, self.targets)
        unseen = sum(
            unseen_of(log_losses_of, said[inside], self.targets[inside]).high * inside.mean()
            for inside in (self.draws[0] == number for number in np.unique(self.draws))
        )
        return replace(
            self,
            settings=settings,
            probabilities=said,
            hits=values_of(self.task, self._share, said, self.targets)[None],
            losses=values_of(self.task, LOG_LOSS, said, self.targets)[None].astype(np.float32),
            unseen=Unseen(0.0, float(unseen)),
            complexity=UNKNOWN,
        )

    def _facts(self) -> dict[str, Any]:
        """The settings and what they are worth; of probabilities there are many."""
        scores = {self._share: self.accuracy, "interval": self.interval, "log_loss": self.log_loss}
        drawn = {"repeats": self.repeats, "spread_between_draws": self.spread}
        return {**self.settings, **scores, "samples": len(self.targets), **drawn}

    def _line(self) -> str:
        low, high = self.interval
        share = f"{self._share} {self.accuracy:.2f}"
        return f"{self.settings['kind']}, {share} [{low:.2f}, {high:.2f}]"

    @property
    def _share(self) -> str:
        """What the share of right answers is called."""
        return ACCURACY if self.targets.ndim == 1 else EXACT


class Gathered(Gathering):
    """See there; of classes and labels.

    Args:
        rows: see `Gathering`.
        folds: likewise.
        draws: likewise.
        classes: how many.
        task: what the labels mean.
    """

    def __init__(
        self,
        rows: Part,
        folds: Sequence[Fold],
        draws: np.ndarray,
        classes: int,
        task: Task | None = None,
    ) -> None:
        super().__init__(rows, folds, draws)
        self._task = task or Classification()
        # a sum of one is as exact in float32, which it is of
        kept = np.float32 if len(draws) == 1 else np.float64
        self._probabilities = np.zeros((len(rows), classes), kept)
        self._hits = np.zeros(draws.shape, bool)
        self._losses = np.zeros(draws.shape, np.float32)
        self._unseen = np.zeros(len(folds))

    def _take(self, number: int, repeat: int, tried: np.ndarray, said: np.ndarray) -> None:
        targets = self._rows.targets[tried]
        said = _as_shares(said, targets)
        share = ACCURACY if targets.ndim == 1 else EXACT
        self._hits[repeat, tried] = values_of(self._task, share, said, targets)
        self._losses[repeat, tried] = values_of(self._task, LOG_LOSS, said, targets)
        self._probabilities[tried] += said
        self._unseen[number] = unseen_of(log_losses_of, said, targets).high * len(tried)

    def result(self, settings: dict[str, Any], kind: HeadKind) -> Crossed:
        self._probabilities /= len(self._draws)
        return Crossed(
            **self._shared(settings, kind, self._probabilities.shape[1]),
            task=self._task,
            probabilities=self._probabilities,
            hits=self._hits,
            losses=self._losses,
            unseen=Unseen(0.0, float(self._unseen.sum()) / self._draws.size),
        )


def _as_shares(said: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Probabilities of one class a row, which add up to 1; those of several labels as they are."""
    return said / said.sum(axis=1, keepdims=True) if targets.ndim == 1 else said


def draws_of(folds: Sequence[Fold], rows: int) -> np.ndarray:
    """Which fold tries each row, repeat by repeat, (repeats, rows) int32; each row is tried once a
    repeat."""
    seen = np.zeros(rows, np.int64)
    found = np.full((sum(len(fold.test) for fold in folds) // rows, rows), -1, np.int32)
    for number, fold in enumerate(folds):
        found[seen[fold.test], fold.test] = number
        seen[fold.test] += 1
    return found
