"""What became of each sample in each repeat, and what the mean of it all is worth.

Two things are left to chance: which samples were tried, and, where all of it was repeated, which
samples each head was trained on. An interval that is to hold the truth needs the variance of both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval, Unseen, mean_interval
from headstart.heads.evaluation.clusters import Clusters, independent
from headstart.heads.evaluation.intervals import CONFIDENCE, share_interval

ROUNDING = 1e-9
"""Of a share of the samples."""
WHOLE = 0.8
"""Of the samples, which five folds train on: of less, training sets are less alike, in
proportion."""
FEWEST_PARTS = 4
"""A mean loss of heads that are cross-validated once is known as well as that of one fold of so
many, or of more."""


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
    Of few samples that were tried once each fold's training set is such a draw, on samples of its
    own: the variance between the folds holds all.

    Attributes:
        values: (repeats, samples).
        draws: the number of the training set that each value's head was fitted on, (repeats,
            samples), from 0 up; None for one to which nothing is compared.
        taken: which share of the samples a training set takes.
        clusters: which samples belong together, those of one group being no evidence of their own;
            None where each is.
        unseen: of losses, what a sample may have that is of no kind among these.
    """

    values: np.ndarray
    draws: np.ndarray | None = None
    taken: float = 0.0
    clusters: Clusters | None = None
    unseen: Unseen | None = None

    @cached_property
    def by_sample(self) -> np.ndarray:
        """The mean over the repeats, (samples,), float64."""
        return self.values.mean(axis=0, dtype=np.float64)

    @property
    def mean(self) -> float:
        return float(self.by_sample.mean())

    @property
    def are_shares(self) -> bool:
        """Whether values are right or wrong, bool, and no losses."""
        return self.values.dtype == bool

    @cached_property
    def are_few(self) -> bool:
        """Whether all was tried once, by heads of fewer samples than a fold leaves."""
        if self.draws is None or len(self.values) > 1:
            return False
        return 0 < self.taken < 1 - 1 / (int(self.draws.max()) + 1) - ROUNDING

    @cached_property
    def effects(self) -> np.ndarray:
        """Of each draw of a training set, how much better than on average the samples that it was
        tried on did, (draws,); of `are_few`, than all did. None where heads of all that folds
        leave were tried once: those are too alike to tell."""
        if self.draws is None or (len(self.values) < 2 and not self.are_few):
            return np.zeros(0)
        numbers = self.draws.ravel()
        beyond = (self.values - (self.mean if self.are_few else self.by_sample)).ravel()
        return np.bincount(numbers, beyond) / np.bincount(numbers)

    @cached_property
    def between(self) -> float:
        """The variance of a draw's effect, with the noise of its samples' own."""
        repeats = len(self.values)
        if not len(self.effects):
            return 0.0
        # the mean to which a draw is compared has a share of the draw and of all others
        folds = len(self.effects) / repeats
        if self.are_few:
            return float((self.effects**2).mean()) / (1 - 1 / folds)
        left = (1 - 1 / repeats) ** 2 + (repeats - 1) / repeats**2 / folds
        return float((self.effects**2).mean()) / left

    @cached_property
    def _within(self) -> float:
        """The variance of a sample's value between the repeats; of `are_few` between samples, which
        such a draw has as its noise."""
        if self.are_few:
            return float(self.values.var(dtype=np.float64))
        return float(self.values.var(axis=0, ddof=1).mean()) if len(self.values) > 1 else 0.0

    @property
    def spread(self) -> float | None:
        """Standard deviation of the mean of a head between draws of its training set; None where
        nothing was repeated: of one try's few draws it would say little."""
        return self.drawn_apart if len(self.values) > 1 and len(self.effects) else None

    @cached_property
    def drawn_apart(self) -> float:
        """The same of any draws; 0 of none."""
        if not len(self.effects):
            return 0.0
        tried = self.values.size / len(self.effects)
        # what one sample does otherwise in one repeat is no draw's
        noise = max(self._within - self.between, 0.0) / tried
        return math.sqrt(max(self.between - noise, 0.0))

    @cached_property
    def parts(self) -> tuple[float, float]:
        """The variance of the mean that the samples, and the draws of training sets, add to it."""
        repeats, samples = self.values.shape
        if self.clusters is None:
            of_samples = float(((self.by_sample - self.mean) ** 2).sum()) / samples**2
        elif len(self.clusters) < 2:
            of_samples = 0.0  # one group tells nothing, see `units`
        else:
            of_samples = self.clusters.variance(self.by_sample)
        if not len(self.effects):
            return of_samples, 0.0
        of_samples = max(of_samples - self._within / repeats / samples, 0.0)
        if self.are_few:  # each draw has samples of its own, and their groups
            of_samples = 0.0
        learnt = self.drawn_apart * math.sqrt(self.taken)
        return (math.sqrt(of_samples) + learnt) ** 2, self.between / len(self.effects)

    @property
    def alike(self) -> float:
        """How many times as large as of independent samples that are tried once the variance is of
        what was cross-validated, at least.

        Heads of folds share most of what they are trained on, and by how much they are right or
        wrong together one run cannot tell (Bengio and Grandvalet: No unbiased estimator of the
        variance of K-fold cross-validation, 2004). So it is what Nadeau and Bengio (Inference for
        the generalization error, 2003) take it for, of R repeats of K folds 1 / R + K times the
        samples tried over those trained on: 2.25 of five folds, 1.45 of five repeats of them. In
        simulations one run had .5 to 2.24 (docs/statistics.md). Of less than `WHOLE` the second
        part is less, in proportion, as in `curve_interval`: many draws of few shots are tried on
        the same samples, and have next to none that they train on in common.

        That takes the means of K folds to be correlated by 1 / K. Of heads that follow every sample
        they are more: near as many features as samples one run had up to 3.1 (five folds), 3.4 (10)
        and 5 (50) for shares, 4.5, 6 and 9 for losses, which grow as heads are surer. So of one run
        the correlation is a fifth at least, however many folds there are; and a loss is known as
        well as that of one fold, of a quarter at most: K, as if folds were all right or wrong
        together, is the most that Bates, Hastie and Tibshirani allow (Cross-validation: what does
        it estimate and how well does it do it?, 2023). Repeats tell the rest: see `parts`.
        """
        if self.draws is None:
            return 1.0
        common = min(self.taken / WHOLE**2, 1 / max(self.taken, WHOLE))
        if len(self.values) > 1 or self.are_few or not self.taken:
            return 1 / len(self.values) + common
        folds = int(self.draws.max()) + 1
        found = 1 + max(common, folds * (1 - WHOLE) / WHOLE)
        return found if self.are_shares else max(found, folds, FEWEST_PARTS)

    @property
    def fewer(self) -> float:
        """By how much fewer samples tell that all are right: repeats are no more samples."""
        return max(self.alike, 1.0)

    @cached_property
    def variance(self) -> float:
        """Of the mean: that of `parts`, or of as many samples tried once, and `alike`."""
        if self.clusters is None:
            once = float(self.values.var(axis=1, dtype=np.float64).mean()) / self.units
        elif len(self.clusters) < 2:
            once = 0.0
        else:
            once = float(np.mean([self.clusters.variance(one) for one in self.values]))
        return max(sum(self.parts), self.alike * once)

    @property
    def units(self) -> int:
        """What is independent: samples, or groups of them."""
        return self.values.shape[1] if self.clusters is None else len(self.clusters)

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the variance of the mean, by Satterthwaite (An approximate
        distribution of estimates of variance components, 1946)."""
        samples, draws = self.parts
        whole, apart = math.inf, max(self.units - 1.0, 1.0)
        if self.clusters is not None:
            whole = apart = self.clusters.freedom
        if not len(self.effects) or not samples + draws:
            return whole
        return (samples + draws) ** 2 / (samples**2 / apart + draws**2 / self.free_draws)

    @property
    def free_draws(self) -> float:
        """Degrees of freedom of the variance between draws: what each is compared with, a mean over
        the repeats or that of all, is of the same draws."""
        means = 1 if self.are_few else len(self.effects) / len(self.values)
        return max(len(self.effects) - means, 1.0)

    def quantile(self, confidence: float = CONFIDENCE) -> float:
        """How many standard errors an interval reaches."""
        from scipy.special import ndtri, stdtrit  # scipy.stats takes a second to import

        high = (1 + confidence) / 2
        freedom = self.freedom
        return float(ndtri(high) if math.isinf(freedom) else stdtrit(freedom, high))

    @property
    def error(self) -> float:
        """The standard error of the mean, of parts alone: folds are taken for independent."""
        return math.sqrt(sum(self.parts))

    @property
    def share_interval(self) -> Interval:
        """Of the mean of values from 0 to 1: Wilson's, of as many independent samples as would
        have the variance, with Student's t where that was seen between draws; just Wilson's where
        each sample is on its own and was tried once, by one head.

        Of groups that is as many as `Clusters.worth` says, however often they are tried: repeats
        add the variance of their draws, and are no more samples."""
        if self.clusters is not None:
            return self._grouped_interval(self.clusters)
        most = self.units / self.alike if len(self.values) == 1 else self.values.size
        if not self.variance:  # all are right, or none
            most = self.units / self.fewer
        return share_interval(
            self.mean, variance=self.variance, most=most, quantile=self.quantile()
        )

    def _grouped_interval(self, clusters: Clusters) -> Interval:
        if len(clusters) < 2:
            return 0.0, 1.0
        worth, (samples, draws) = clusters.worth(self.by_sample) / self.fewer, self.parts
        # where few are wrong the groups' variance says too little: `worth` knows of more
        least = self.mean * (1 - self.mean) / worth
        if len(self.values) == 1:
            variance = max(least, sum(self.parts)) if self.are_few else least
        else:
            variance = max(max(samples, least) + draws, self.variance)
        quantile = max(self.quantile(), clusters.t())
        return share_interval(self.mean, variance=variance, most=worth, quantile=quantile)

    @property
    def interval(self) -> Interval | None:
        """Of the mean of any values; None of a single sample, or group: that of the samples' own
        means, which reaches further by what repeats, and folds that are alike, add to it; not below
        what a sample may have at the least."""
        if self.units < 2:
            return None
        found = mean_interval(self.by_sample, clusters=self.clusters, unseen=self.unseen)
        if found is None:
            return None
        low, high = (self.mean + self.reach * (end - self.mean) for end in found)
        return low if self.unseen is None else max(low, self.unseen.low), high

    @property
    def reach(self) -> float:
        """How many times as far as one of independent samples an interval reaches, where no formula
        of its own knows of folds and draws: `widening`, the root of `alike` at least; with the
        quantile of Student's t of `are_few`, whose draws hardly tell how much they differ."""
        wider = max(self.widening, math.sqrt(self.alike))
        if not self.are_few:
            return wider
        return wider * self.quantile() / NormalDist().inv_cdf((1 + CONFIDENCE) / 2)

    @property
    def widening(self) -> float:
        """How many times as large as that of the samples' own means the standard error is: what
        repeats, and folds that are alike, add to it."""
        own = (self.clusters or independent(self.units)).variance(self.by_sample)
        return math.sqrt(max(self.variance / own, 1.0)) if own else 1.0
