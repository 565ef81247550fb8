"""How well probabilities put samples in order, class by class: the areas under the ROC curve and
under the curve of precision over recall, each class against all others.

Both come, with their influences, from one search: how many samples of the class lie below each
sample. It sorts the samples of the class alone, so that 1,000 classes of 50,000 samples take
seconds, and there is nothing to draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.clusters import Clusters, influenced_interval
from headstart.heads.evaluation.intervals import CONFIDENCE, NONE, difference_interval

NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
NOISE = 1e-24
"""A variance that is left of the arithmetic where there is none."""


@dataclass(frozen=True)
class Area:
    """One class against all others.

    Attributes:
        value: the area, 0 to 1.
        influence: of each sample on it, (n,): their squares add up to the area's variance.
        worth: of how many independent samples the area is at most, where it is a share of samples.
        is_known: whether its variance can be told: not where the class has one sample.
    """

    value: float
    influence: np.ndarray
    worth: float
    is_known: bool


@dataclass(frozen=True)
class Areas:
    """Of all classes.

    Attributes:
        roc: AUROC of each class; None where all samples are of the class, or none is: there is
            nothing to put in order.
        precision: AUPRC of each class, as scikit-learn's average precision, likewise.
        auroc: the mean of the first, and its interval; None where no class has one.
        auprc: likewise.
    """

    roc: list[float | None]
    precision: list[float | None]
    auroc: tuple[float, Interval] | None
    auprc: tuple[float, Interval] | None


def areas_of(outputs: np.ndarray, truth: np.ndarray, clusters: Clusters | None = None) -> Areas:
    """The areas of each class, and their means over the classes that have one, with intervals.

    Args:
        outputs: probabilities, (n, classes).
        truth: class numbers, (n,); or 0 and 1, (n, labels).
        clusters: which samples belong together.
    """
    roc, precision = _means(outputs, truth, clusters)
    # one of two classes is in the order of the other turned round: one area, not two
    is_one = truth.ndim == 1 and outputs.shape[1] == 2
    return Areas(roc.values, precision.values, roc.scored(is_one), precision.scored(False))


BY_INFLUENCES = "paired infinitesimal jackknife"
BY_BOTH = f"{BY_INFLUENCES} (of AUROC DeLong's) and MOVER, as far as either reaches"
AREAS = {"auroc": 0, "auprc": 1, "mean_average_precision": 1}
"""Scores that are means of areas: which of `_means`."""


def area_difference(
    name: str,
    one: np.ndarray,
    other: np.ndarray,
    truth: np.ndarray,
    clusters: Clusters | None = None,
) -> tuple[Interval | None, str]:
    """The interval of what another head's mean area is above one's on the same samples, from the
    differences of their influences (DeLong, DeLong and Clarke-Pearson: Comparing the areas under
    two or more correlated receiver operating characteristic curves, 1988), and where an area is
    near 1 from their own intervals, as far as either reaches: there few samples tell how much the
    areas differ, and the first alone held the truth in 89 to 93 %.

    None where no sample has any, as where both put all in the same order, or there is a single
    group. With it, by what it was found.

    Args:
        name: of the score, see `AREAS`.
        one: probabilities, (n, classes).
        other: likewise.
        truth: class numbers, (n,); or 0 and 1, (n, labels).
        clusters: which samples belong together.
    """
    first, second = (_means(said, truth, clusters)[AREAS[name]] for said in (one, other))
    return second.above(first, name == "auroc" and truth.ndim == 1 and one.shape[1] == 2)


def _means(
    outputs: np.ndarray, truth: np.ndarray, clusters: Clusters | None
) -> tuple[_Mean, _Mean]:
    """Of AUROC and AUPRC."""
    roc, precision = _Mean(len(outputs), clusters), _Mean(len(outputs), clusters)
    for scores, is_class in _columns(outputs, truth):
        both = _both(scores, is_class) if 0 < is_class.sum() < len(is_class) else (None, None)
        roc.add(both[0])
        precision.add(both[1])
    return roc, precision


def _columns(outputs: np.ndarray, truth: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for number in range(outputs.shape[1]):
        of = truth == number if truth.ndim == 1 else truth[:, number] > 0
        yield np.ascontiguousarray(outputs[:, number]), of


class _Mean:
    """Adds up the areas of classes.

    The mean's variance is that of the mean influences (the infinitesimal jackknife; of AUROC it is
    DeLong, DeLong and Clarke-Pearson's, 1988). Its interval is Wilson's, of a share of so many
    samples as have that variance; at most of as many as the classes are worth: where all is right
    there is no variance to see.
    """

    def __init__(self, samples: int, clusters: Clusters | None) -> None:
        self._clusters = clusters
        self.values: list[float | None] = []
        self._influence = np.zeros(samples)
        self._costs, self._alone = 0.0, []

    def add(self, area: Area | None) -> None:
        self.values.append(None if area is None else area.value)
        if area is None:
            return
        self._influence += area.influence
        self._costs += 1 / area.worth
        self._alone += [] if area.is_known else [len(self.values) - 1]

    @property
    def _count(self) -> int:
        """Classes that have an area."""
        return sum(value is not None for value in self.values)

    def scored(self, is_one: bool) -> tuple[float, Interval] | None:
        known = [value for value in self.values if value is not None]
        if not known:
            return None
        count, mean = len(known), float(np.mean(known))
        # of a class with one sample the others tell how far apart such areas lie
        alone = [value for one in self._alone if (value := self.values[one]) is not None]
        spread = sum((value - mean) ** 2 for value in alone) if count > 1 else 0.0
        most = count / self._costs if is_one else count**2 / self._costs
        influence = self._influence / count
        found = influenced_interval(mean, influence, spread / count**2, most, self._clusters)
        return mean, found

    def above(self, other: _Mean, is_one: bool) -> tuple[Interval | None, str]:
        """The interval of this mean less another of the same samples and classes, and by what it
        was found."""
        pairs = zip(self.values, other.values, strict=True)
        gains = [None if a is None or b is None else a - b for a, b in pairs]
        known, clusters = [one for one in gains if one is not None], self._clusters
        if not known or (clusters is not None and len(clusters) < 2):
            return None, NONE
        count, mean = len(known), float(np.mean(known))
        influence = (self._influence - other._influence) / count
        alone = [one for place in self._alone if (one := gains[place]) is not None]
        more = sum((one - mean) ** 2 for one in alone) / count**2 if count > 1 else 0.0
        if clusters is None:
            variance, quantile = float(influence @ influence), NORMAL
        else:
            sums, quantile = clusters.sums(influence), clusters.t()
            variance = len(clusters) / (len(clusters) - 1) * float(sums @ sums)
        if variance + more <= NOISE:
            return None, NONE
        reach = quantile * math.sqrt(variance + more)
        apart = self._apart(other, is_one, quantile)
        low, high = apart or (mean, mean)
        ends = max(min(mean - reach, low), -1.0), min(max(mean + reach, high), 1.0)
        return ends, BY_INFLUENCES if apart is None else BY_BOTH

    def _apart(self, other: _Mean, is_one: bool, quantile: float) -> Interval | None:
        """The same from the two intervals, where either mean is so near 1 that so many standard
        errors would reach beyond it."""
        own, its = self.scored(is_one), other.scored(is_one)
        if own is None or its is None:
            return None
        parts = self._influence, other._influence
        if self._clusters is not None:
            parts = tuple(self._clusters.sums(one) for one in parts)
        errors = [float(np.linalg.norm(one)) / self._count for one in parts]
        if max(own[0] + quantile * errors[0], its[0] + quantile * errors[1]) < 1:
            return None
        lengths = math.sqrt(float((parts[0] @ parts[0]) * (parts[1] @ parts[1])))
        alike = float(parts[0] @ parts[1]) / lengths if lengths else 0.0
        return difference_interval(own, its, alike)


def _both(scores: np.ndarray, is_class: np.ndarray) -> tuple[Area, Area]:
    """AUROC and AUPRC of a class that some samples are of, and others are not."""
    own = np.sort(scores[is_class])
    count, others = len(own), len(scores) - len(own)
    # of each sample: how many samples of the class lie below it, and how many not above it
    below, upto = np.searchsorted(own, scores, "left"), np.searchsorted(own, scores, "right")
    rest = ~is_class
    # of each sample of the class, in order: how many others lie below it, and how many not above
    beneath = np.bincount(upto[rest], minlength=count + 1).cumsum()[:count]
    level = np.bincount(below[rest], minlength=count + 1).cumsum()[:count]
    place = np.minimum(below, count - 1)  # of a sample of the class, among them
    beats = (beneath + level) / (2 * others)
    beaten = 1 - (below + upto) / (2 * count)
    auroc = float(beats.mean())
    influence = np.where(
        is_class,
        (beats[place] - auroc) * _unbiased(count),
        (beaten - auroc) * _unbiased(others),
    )
    worth = 4 * count * others / (count + others + 2)
    return (
        Area(auroc, influence, max(worth, 1.0), count > 1),
        _precision(own, others - beneath, is_class, place, upto),
    )


def _unbiased(count: int) -> float:
    """What a deviation from the mean of so many counts for, so that the sum of squares is the
    variance of the mean without bias."""
    return 1 / np.sqrt(count * max(count - 1, 1))


def _precision(
    own: np.ndarray, above: np.ndarray, is_class: np.ndarray, place: np.ndarray, upto: np.ndarray
) -> Area:
    """AUPRC: the mean over the samples of the class of the precision at their score.

    With P = T / (T + F) at each of them, T and F the samples of the class and the others that are
    not below it, the derivatives by the weight of a sample of T and of F are F / (T + F)^2 and
    -T / (T + F)^2. As much as its number of samples is an area worth at most: Boyd, Eng and Page:
    Area under the precision-recall curve: point estimates and confidence intervals, 2013.

    Args:
        own: scores of the samples of the class, ascending, (count,).
        above: how many others are not below each, (count,).
        is_class: of each sample, (n,).
        place: of each sample of the class among them, (n,).
        upto: of each sample, how many of the class are not above it, (n,).
    """
    count = len(own)
    hits = count - np.searchsorted(own, own, "left")  # equal ones count together
    said = hits + above
    shares = hits / said
    value = float(shares.mean())
    gains = np.concatenate([[0.0], np.cumsum(above / said**2)]) / count
    losses = np.concatenate([[0.0], np.cumsum(hits / said**2)]) / count
    influence = np.where(is_class, (shares[place] - value) / count + gains[upto], -losses[upto])
    return Area(value, influence, float(count), True)
