"""Which heads go into an ensemble, and how often: greedy selection with replacement.

Caruana, Niculescu-Mizil, Crew and Ksikes: Ensemble selection from libraries of models, 2004. The
mean of what they say grows by the head, taken again or anew, with which it is best on samples that
no head was trained on; how often a head was taken is its weight. Such a choice fits these samples a
little, as any does: what an ensemble is worth is to be told by others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.tasks import Classification, Task
from headstart.heads.trials.objective import ascending
from headstart.heads.trials.values import told_on, values_of

ROUNDS = 50
"""Heads that are taken, one after the other; the shortest of the best beginnings counts."""


@dataclass(frozen=True)
class Taken:
    """What was selected.

    Attributes:
        counts: how often each head was taken, (heads,) int64.
        scores: of the ensemble on the samples of the selection, which it fits a little: the first
            two objectives of the task, by name.
    """

    counts: np.ndarray
    scores: Mapping[str, float]

    @property
    def weights(self) -> np.ndarray:
        """Of each head, (heads,); they add up to 1."""
        return self.counts / self.counts.sum()


def select(
    said: Sequence[np.ndarray],
    targets: np.ndarray,
    objective: str = "",
    rounds: int = ROUNDS,
    task: Task | None = None,
) -> Taken:
    """Take heads one after the other, each as often as it helps; of equally good ones the first.

    Args:
        said: by each head, probabilities or numbers of samples that it was not trained on, (rows,
            outputs).
        targets: as the task reads them: class numbers, (rows,), or (rows, outputs).
        objective: what is to be best, see `objectives_of`; the task's first without it, or where
            it has no value on these samples. Where that is equal, the first of the others.
        rounds: see `ROUNDS`.
        task: what the labels mean; classes without it.
    """
    task = task or Classification()
    names = told_on(task, targets)
    asked = sorted(names, key=lambda name: name != objective)[:2]

    def scores_of(mean: np.ndarray) -> tuple[float, ...]:
        """The less, the better."""
        return tuple(
            ascending(name, float(values_of(task, name, mean, targets).mean())) for name in asked
        )

    total = np.zeros(said[0].shape, np.float64)
    taken, scores = list[int](), list[tuple[float, ...]]()
    for number in range(1, rounds + 1):
        each = [scores_of((total + one) / number) for one in said]
        best = min(range(len(said)), key=lambda place: each[place])
        total += said[best]
        taken.append(best)
        scores.append(each[best])
    end = scores.index(min(scores)) + 1
    counts = np.bincount(taken[:end], minlength=len(said))
    told = {name: ascending(name, value) for name, value in zip(asked, min(scores), strict=True)}
    return Taken(counts, told)
