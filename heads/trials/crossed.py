"""What heads of one setting said of the rows that they were not trained on, as classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.heads.evaluation.bootstrap import Unseen
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.paired import right_of
from headstart.heads.evaluation.reliability import unseen_of
from headstart.heads.evaluation.scores import decided
from headstart.heads.evaluation.simplicity import complexity_of
from headstart.heads.kind import Complexity, HeadKind, Part
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.objective import ACCURACY, EXACT, LOG_LOSS, objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold


@dataclass(frozen=True)
class Crossed(OutOfFold):
    """What heads of one setting said of the rows that they were not trained on: one class, or
    several labels. Of numbers see `CrossedNumbers`, which has the same methods.

    Scores are those of single heads: each repeat is scored by itself, then the scores are averaged.
    The mean of the repeats' probabilities is what an ensemble of them says, which is surer and more
    often right than any of its heads; it is for judging labels, not heads.

    Attributes:
        settings: of the heads, as `HeadKind.describe` gives them, with `kind`.
        probabilities: the mean over the repeats, (rows, classes): an ensemble's.
        targets: class numbers, (rows,); of several labels 0 and 1, (rows, classes).
        hits: whether the class that is said was the right one, or all labels were, bool, (repeats,
            rows).
        losses: the log loss, float32, (repeats, rows).
        draws: by which fold's heads, numbered through all repeats, (repeats, rows).
        taken: which share of the rows a fold trains on.
        groups: of each row, (rows,), rows of which are no evidence of their own; None without.
        complexity: of the heads, see `complexity_of`.
        unseen: what a head may lose on a row that is of no kind among these, see `unseen_of`: the
            mean over the heads, each of which is surer than their ensemble.
        task: what the labels mean.
    """

    settings: dict[str, Any]
    probabilities: np.ndarray
    targets: np.ndarray
    hits: np.ndarray
    losses: np.ndarray
    draws: np.ndarray
    taken: float = 0.0
    groups: np.ndarray | None = None
    complexity: Complexity = (math.inf, math.inf)
    unseen: Unseen | None = None
    task: Task = field(default_factory=Classification)

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


class Gathered:
    """What the folds' heads of one setting say, until the last has said it.

    Args:
        rows: what is tried.
        folds: which rows each trains on and tries.
        draws: of the folds, see `draws_of`.
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
        self._rows, self._folds, self._draws = rows, folds, draws
        self._task = task or Classification()
        self._left = len(folds)
        # a sum of one is as exact in float32, which it is of
        kept = np.float32 if len(draws) == 1 else np.float64
        self._probabilities = np.zeros((len(rows), classes), kept)
        self._hits = np.zeros(draws.shape, bool)
        self._losses = np.zeros(draws.shape, np.float32)
        self._unseen = np.zeros(len(folds))

    def add(self, number: int, said: np.ndarray) -> bool:
        """Probabilities (rows, classes) from a fold's head; whether all folds are done."""
        tried = self._folds[number].test
        repeat = int((self._draws[:, tried[0]] == number).argmax())
        targets = self._rows.targets[tried]
        if targets.ndim == 1:
            said = said / said.sum(axis=1, keepdims=True)
        self._hits[repeat, tried] = right_of(decided(self._task, said), targets)
        self._losses[repeat, tried] = log_losses_of(said, targets)
        self._probabilities[tried] += said
        self._unseen[number] = unseen_of(log_losses_of, said, targets).high * len(tried)
        self._left -= 1
        return not self._left

    def result(self, settings: dict[str, Any], kind: HeadKind) -> Crossed:
        """Once, when all folds are done."""
        rows, trained = self._rows, max(len(fold.train) for fold in self._folds)
        self._probabilities /= len(self._draws)
        return Crossed(
            settings,
            self._probabilities,
            rows.targets,
            self._hits,
            self._losses,
            self._draws,
            trained / len(rows),
            rows.groups,
            complexity_of(kind, rows, trained, self._probabilities.shape[1]),
            Unseen(0.0, float(self._unseen.sum()) / self._draws.size),
            self._task,
        )


def draws_of(folds: Sequence[Fold], rows: int) -> np.ndarray:
    """Which fold tries each row, repeat by repeat, (repeats, rows) int32; each row is tried once a
    repeat."""
    seen = np.zeros(rows, np.int64)
    found = np.full((sum(len(fold.test) for fold in folds) // rows, rows), -1, np.int32)
    for number, fold in enumerate(folds):
        found[seen[fold.test], fold.test] = number
        seen[fold.test] += 1
    return found
