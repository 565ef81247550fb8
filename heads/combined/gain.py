"""What features side by side are worth beside the best of them alone, on the same folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.intervals import CONFIDENCE
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.paired import grouped_difference, share_difference
from headstart.heads.trials.crossed import Crossed
from headstart.heads.trials.objective import ACCURACY, OBJECTIVES, objectives_of
from headstart.heads.trials.out_of_fold import OutOfFold
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Gain(Showable):
    """What joining gives, and what it costs.

    Attributes:
        over: the best of the features by themselves. It was chosen by the same samples,
            which favours it: what joining gives is more than told, if anything.
        difference: of the score of linear heads that features are ranked by, accuracy for classes:
            by how much joined is better than alone.
        interval: of it, 95 %, over pairs; None of a single group.
        helps: whether joining is better beyond chance, however many joins were tried together; see
            `shown_to_help`.
        seconds: extraction time per sample that is added; None where it was never measured.
        size: bytes per sample that are added.
        objective: the name of the score.
    """

    over: str
    difference: float
    interval: Interval | None
    helps: bool
    seconds: float | None
    size: int
    objective: str = ACCURACY

    def _line(self) -> str:
        if self.objective == ACCURACY:
            return f"{100 * self.difference:+.1f} points over {self.over}"
        return f"{self.objective} better by {self.difference:.3f} than {self.over}"


def difference(joined: OutOfFold, alone: OutOfFold) -> tuple[float, Interval | None]:
    """By how much heads on some features are better than heads on others, on the same samples and
    folds, by the first score of the task, and the 95 % interval of that, over pairs; None of a
    single group. Of numbers that is of the differences of what each sample adds to the score, such
    as its squared error.
    """
    if isinstance(joined, Crossed) and isinstance(alone, Crossed) and joined.targets.ndim == 1:
        return joined.accuracy - alone.accuracy, accuracy_difference(joined, alone)
    name = objectives_of(joined.task)[0]
    own, other = joined.outcomes(name), alone.outcomes(name)
    sign = -1.0 if OBJECTIVES[name].is_loss else 1.0
    apart = sign * (own.values.astype(np.float64) - other.values)
    found = Outcomes(apart, own.draws, own.taken, own.clusters)
    return found.mean, found.interval


def accuracy_difference(joined: Crossed, alone: Crossed) -> Interval | None:
    """The 95 % interval of how much more often heads on some features are right than heads on
    others, on the same samples and folds; None of a single group.

    Of what was tried once it is that of pairs, which reaches as much further as heads of folds are
    alike (`Outcomes.alike`); of repeats, and of few samples, `Outcomes.interval` of the
    differences, which knows of the training sets that were drawn.
    """
    own = joined.accuracies
    if len(own.values) > 1 or own.are_few:
        apart = joined.hits.astype(np.float64) - alone.hits
        return Outcomes(apart, own.draws, own.taken, own.clusters).interval
    now, was = joined.hits[0], alone.hits[0]
    fixed, broken = now & ~was, was & ~now
    if own.clusters is not None:
        found = grouped_difference(fixed, broken, own.clusters)
    else:
        found = share_difference(int(fixed.sum()), int(broken.sum()), len(now))
    if found is None:
        return None
    middle, reach = sum(found) / 2, math.sqrt(own.alike) * (found[1] - found[0]) / 2
    return max(middle - reach, -1.0), min(middle + reach, 1.0)


def shown_to_help(joins: Sequence[tuple[OutOfFold, Interval | None]]) -> list[bool]:
    """Which of several joins are better beyond chance: the chance to say so of any that is not is
    that of an interval alone, however many there are.

    Holm: A simple sequentially rejective multiple test procedure, 1979: from the clearest one down,
    each is asked as strictly as so many that are left need it, until one is not shown.

    Args:
        joins: what linear heads said on each, and the interval that `difference` gives.
    """
    lines = [(one, *_middle(found)) for one, found in joins if found is not None]
    shown = [False] * len(joins)
    places = [place for place, (_, found) in enumerate(joins) if found is not None]
    order = sorted(range(len(lines)), key=lambda n: -lines[n][1] / lines[n][2])
    for done, number in enumerate(order):
        one, middle, reach = lines[number]
        stricter = 1 - (1 - CONFIDENCE) / (len(lines) - done)
        if middle <= reach * _quantile(one, stricter) / _quantile(one, CONFIDENCE):
            break
        shown[places[number]] = True
    return shown


def _middle(interval: Interval) -> tuple[float, float]:
    """The middle, and how far the ends are from there; more than nothing."""
    low, high = interval
    return (low + high) / 2, max((high - low) / 2, 1e-12)


def _quantile(one: OutOfFold, confidence: float) -> float:
    own = one.outcomes(objectives_of(one.task)[0])
    groups = 0.0 if own.clusters is None else own.clusters.t(confidence)
    return max(own.quantile(confidence), groups)


def best_of(found: Sequence[OutOfFold]) -> int:
    """The number of the best one by the first score of the task; of equal ones the first."""
    return int(np.argmin([one.order(objectives_of(one.task)[0])[0] for one in found]))
