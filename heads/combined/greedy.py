"""Which heads go into an ensemble, and how often: greedy selection with replacement.

Caruana, Niculescu-Mizil, Crew and Ksikes: Ensemble selection from libraries of models, 2004. The
mean of probabilities grows by the head, taken again or anew, with which it is best on samples that
no head was trained on; how often a head was taken is its weight. Such a choice fits these samples a
little, as any does: what an ensemble is worth is to be told by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.kinds.losses import losses_of
from headstart.heads.trials.objective import ACCURACY

ROUNDS = 50
"""Heads that are taken, one after the other; the shortest of the best beginnings counts."""


@dataclass(frozen=True)
class Taken:
    """What was selected.

    Attributes:
        counts: how often each head was taken, (heads,) int64.
        accuracy: of the ensemble on the samples of the selection, which it fits a little.
        log_loss: likewise.
    """

    counts: np.ndarray
    accuracy: float
    log_loss: float

    @property
    def weights(self) -> np.ndarray:
        """Of each head, (heads,); they add up to 1."""
        return self.counts / self.counts.sum()


def select(
    said: Sequence[np.ndarray],
    targets: np.ndarray,
    objective: str = ACCURACY,
    rounds: int = ROUNDS,
) -> Taken:
    """Take heads one after the other, each as often as it helps; of equally good ones the first.

    Args:
        said: by each head, probabilities of samples that it was not trained on, (rows, classes).
        targets: class numbers, (rows,).
        objective: what is to be best, `accuracy` or `log_loss`; where that is equal, the other.
        rounds: see `ROUNDS`.
    """
    total = np.zeros(said[0].shape, np.float64)
    taken, scores = list[int](), list[tuple[float, float]]()
    for number in range(1, rounds + 1):
        each = [_scores((total + one) / number, targets, objective) for one in said]
        best = min(range(len(said)), key=lambda place: each[place])
        total += said[best]
        taken.append(best)
        scores.append(each[best])
    end = scores.index(min(scores)) + 1
    counts = np.bincount(taken[:end], minlength=len(said))
    first, second = scores[end - 1]
    wrong, loss = (first, second) if objective == ACCURACY else (second, first)
    return Taken(counts, 1 - wrong, loss)


def _scores(mean: np.ndarray, targets: np.ndarray, objective: str) -> tuple[float, float]:
    """The less, the better: by the objective, and where that is equal by the other score."""
    wrong = float((mean.argmax(axis=1) != targets).mean())
    loss = float(losses_of("softmax", mean, targets).mean())
    return (wrong, loss) if objective == ACCURACY else (loss, wrong)
