"""What became of each sample in each repeat, and what the mean of it all is worth.

Two things are left to chance: which samples were tried, and, where all of it was repeated, which
samples each head was trained on. An interval that is to hold the truth needs the variance of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval, mean_interval
from headstart.heads.evaluation.clusters import Clusters, cluster_share_interval
from headstart.heads.evaluation.intervals import CONFIDENCE, share_interval


@dataclass(frozen=True)
class Outcomes:
    """A value of each sample in each repeat: whether it was right, or its loss.

    The mean over all estimates what a head of the setting gets on average, over samples and over
    training sets such as were drawn. Its variance has two parts. The samples': that of a sample's
    value, by its mean over the repeats, over n. The draws': a draw's effect is how much the samples
    that it was tried on did better than they do on average; of D draws its variance V adds V / D.
    All draws are from the same samples, of which a training set takes a share s, and that adds V s
    at most (Hoeffding: A class of statistics with asymptotically normal distribution, 1948); to the
    samples' part, and with its sign, as a sample that is hard to tell is a bad one to learn from.

    Attributes:
        values: (repeats, samples).
        draws: the number of the training set that each value's head was fitted on, (repeats,
            samples), from 0 up; None for one to which nothing is compared.
        taken: which share of the samples a training set takes.
        clusters: the number of each sample's group, (samples,), whose samples are no evidence of
            their own; None where each is.
    """

    values: np.ndarray
    draws: np.ndarray | None = None
    taken: float = 0.0
    clusters: np.ndarray | None = None

    @cached_property
    def _groups(self) -> Clusters | None:
        return Clusters.of(self.clusters)

    @cached_property
    def by_sample(self) -> np.ndarray:
        """The mean over the repeats, (samples,), float64."""
        return self.values.mean(axis=0, dtype=np.float64)

    @property
    def mean(self) -> float:
        return float(self.by_sample.mean())

    @cached_property
    def effects(self) -> np.ndarray:
        """Of each draw of a training set, how much better than on average the samples that it was
        tried on did, (draws,); none where nothing was repeated."""
        if self.draws is None or len(self.values) < 2:
            return np.zeros(0)
        numbers = self.draws.ravel()
        beyond = (self.values - self.by_sample).ravel()
        return np.bincount(numbers, beyond) / np.bincount(numbers)

    @cached_property
    def between(self) -> float:
        """The variance of a draw's effect, with the noise of its samples' own."""
        repeats = len(self.values)
        if not len(self.effects):
            return 0.0
        # a sample's mean, to which a draw is compared, has a share of the draw and of all others
        folds = len(self.effects) / repeats
        left = (1 - 1 / repeats) ** 2 + (repeats - 1) / repeats**2 / folds
        return float((self.effects**2).mean()) / left

    @cached_property
    def _within(self) -> float:
        """The variance of a sample's value between the repeats."""
        repeats = len(self.values)
        return float(self.values.var(axis=0, ddof=1).mean()) if repeats > 1 else 0.0

    @property
    def spread(self) -> float | None:
        """Standard deviation of the mean of a head between draws of its training set; None where
        nothing was repeated."""
        if not len(self.effects):
            return None
        tried = self.values.size / len(self.effects)
        # what one sample does otherwise in one repeat is no draw's
        noise = max(self._within - self.between, 0.0) / tried
        return math.sqrt(max(self.between - noise, 0.0))

    @cached_property
    def parts(self) -> tuple[float, float]:
        """The variance of the mean that the samples, and the draws of training sets, add to it."""
        repeats, samples = self.values.shape
        deviations = self.by_sample - self.mean
        if self.clusters is not None:
            deviations = np.bincount(self.clusters, deviations)
        of_samples = float((deviations**2).sum()) / samples**2
        if not len(self.effects):
            return of_samples, 0.0
        of_samples = max(of_samples - self._within / repeats / samples, 0.0)
        learnt = (self.spread or 0.0) * math.sqrt(self.taken)
        return (math.sqrt(of_samples) + learnt) ** 2, self.between / len(self.effects)

    @property
    def units(self) -> int:
        """What is independent: samples, or groups of them."""
        return self.values.shape[1] if self.clusters is None else len(np.unique(self.clusters))

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the variance of the mean, by Satterthwaite (An approximate
        distribution of estimates of variance components, 1946)."""
        samples, draws = self.parts
        if not len(self.effects):
            return math.inf if self._groups is None else self._groups.freedom
        of_draws = len(self.effects) * (len(self.values) - 1) / len(self.values)
        apart = max(self.units - 1, 1) if self._groups is None else self._groups.freedom
        parts = samples**2 / apart + draws**2 / max(of_draws, 1)
        return (samples + draws) ** 2 / parts if parts else math.inf

    def quantile(self, confidence: float = CONFIDENCE) -> float:
        """How many standard errors an interval reaches."""
        from scipy.stats import norm, t

        high = (1 + confidence) / 2
        freedom = self.freedom
        return float(norm.ppf(high) if math.isinf(freedom) else t.ppf(high, freedom))

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(sum(self.parts))

    @property
    def share_interval(self) -> Interval:
        """Of the mean of values from 0 to 1: Wilson's, of as many independent samples as would
        have the variance; just Wilson's where nothing is repeated and each sample is on its own."""
        if self._groups is not None and len(self.values) == 1:
            return cluster_share_interval(self.values[0], self._groups)
        variance = sum(self.parts)
        most = self.values.size if variance > 0 else self.units
        return share_interval(self.mean, variance, most, self.quantile())

    @property
    def interval(self) -> Interval | None:
        """Of the mean of any values; None of a single sample, or group."""
        if self.units < 2:
            return None
        if len(self.values) == 1:
            return mean_interval(self.by_sample, clusters=self._groups)
        reach = self.quantile() * self.error
        return self.mean - reach, self.mean + reach
