"""Whether probabilities can be believed: the Brier score and the expected calibration error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval, Unseen
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE
from headstart.heads.tasks import SAID_FROM

BINS = 15
"""Of equal width, as Guo et al. (2017) have it."""
SMALLER, STEPS = np.linspace(0, 1, 31), np.linspace(0, 6, 31)
"""Of the error that is seen, as which the true one is tried; and standard errors, by which it may
be larger or smaller."""
DRAWS = 400
NO_GAP = 1e-6
"""A gap of every bin, below which there is none to see: what rounding of float32 leaves."""


def briers_of(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The Brier score of each sample, (n,) float64: the squared distance of what is said from what
    is true, summed over the classes (0 to 2); of two classes that of one (0 to 1), of several
    labels the mean of theirs, as scikit-learn's `brier_score_loss` has it.

    Brier: Verification of forecasts expressed in terms of probability, 1950.

    Args:
        outputs: probabilities, (n, classes).
        targets: class numbers, (n,); or 0 and 1, (n, labels).
    """
    squares = outputs.astype(np.float64) ** 2
    if targets.ndim == 2:
        return ((outputs.astype(np.float64) - (targets > 0)) ** 2).mean(axis=1)
    own = outputs[np.arange(len(targets)), targets].astype(np.float64)
    found = squares.sum(axis=1) + 1 - 2 * own
    return found / 2 if outputs.shape[1] == 2 else found


ValueOf = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of probabilities and what is true, as `briers_of` takes them: a loss of each sample, (n,)."""


def unseen_of(value_of: ValueOf, outputs: np.ndarray, targets: np.ndarray) -> Unseen:
    """What a head may lose on a sample that is of no kind among these.

    A head that is all right, and sure of it, has lost nothing yet; what it will lose follows from
    how sure it was. So at most a sample loses what these would, were any other class the true one
    than the most probable: the mean over the samples, and classes in turn. Of several labels one
    more is wrong than of any sample here.

    Args:
        value_of: the loss.
        outputs: probabilities, (n, classes).
        targets: class numbers, (n,); or 0 and 1, (n, labels).
    """
    said, others, share = _otherwise(outputs, targets)
    least, most = (float(value_of(outputs, truth).mean()) for truth in (said, others))
    return Unseen(0.0, least + (most - least) * share)


def unseen_difference(
    value_of: ValueOf, one: np.ndarray, other: np.ndarray, targets: np.ndarray
) -> Unseen:
    """By how much more or less another head may lose than one on such a sample: the mean of what
    it loses more, and of what it loses less, were these what the first does not say."""
    _, others, share = _otherwise(one, targets)
    apart = (value_of(other, others) - value_of(one, others)) * share
    return Unseen(float(np.minimum(apart, 0).mean()), float(np.maximum(apart, 0).mean()))


def _otherwise(outputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """What a head says, as targets; other targets; and which share of a sample's labels are so."""
    if targets.ndim == 2:
        said = outputs >= SAID_FROM
        wrong = (said != (targets > 0)).sum(axis=1).max(initial=0)
        return 1.0 * said, 1.0 * ~said, min((wrong + 1) / targets.shape[1], 1.0)
    said, more = outputs.argmax(axis=1), max(outputs.shape[1] - 1, 1)
    return said, (said + 1 + np.arange(len(said)) % more) % outputs.shape[1], 1.0


def said_alone(outputs: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """Outputs with 0 for all but the class that is said of a sample, so that this is the largest.

    Args:
        outputs: probabilities, (n, classes).
        guesses: class numbers, (n,), of a probability above 0.
    """
    found, rows = np.zeros_like(outputs), np.arange(len(outputs))
    found[rows, guesses] = outputs[rows, guesses]
    return found


def bins_of(sure: np.ndarray) -> np.ndarray:
    """The number of the bin of each sample, (n,), by how sure a head is of what it says of it."""
    return np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)


@dataclass(frozen=True)
class Reliability:
    """Samples in bins by how sure a head is of what it says; the empty ones are left out.

    Attributes:
        counts: samples in each, (bins,), float64.
        worth: as how many independent samples those of a bin count, (bins,), float64.
        sure: the mean probability of what is said, (bins,).
        right: the share that is right, (bins,).
    """

    counts: np.ndarray
    worth: np.ndarray
    sure: np.ndarray
    right: np.ndarray

    @staticmethod
    def of(
        outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
    ) -> Reliability:
        """Of probabilities, (n, classes), and class numbers, (n,): of the most probable class;
        of another that is said of `said_alone`."""
        sure = outputs.max(axis=1).astype(np.float64)
        right = outputs.argmax(axis=1) == targets
        bins = bins_of(sure)
        counts = np.bincount(bins, minlength=BINS).astype(np.float64)
        some = counts > 0
        sums = [np.bincount(bins, weights, BINS) for weights in (sure, right)]
        means = [one[some] / counts[some] for one in sums]
        apart = right - sure - (right - sure).mean()
        effect = 1.0 if clusters is None else clusters.effect(apart)
        return Reliability(counts[some], np.maximum(counts[some] / effect, 1), *means)

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over the samples of how far, in their bin, how
        sure the head is lies from how often it is right.

        Naeini, Cooper and Hauskrecht: Obtaining well calibrated probabilities using Bayesian
        binning, 2015. It is too high where bins have few samples: chance alone leaves gaps.
        """
        return float(self.counts @ np.abs(self.right - self.sure) / self.counts.sum())

    @property
    def debiased(self) -> float:
        """The same less what chance adds to it, by a normal distribution in each bin; not below 0.

        As `get_calibration_error` of the code to Kumar, Liang and Ma: Verified uncertainty
        calibration, 2019, has it for p = 1, with the mean of the folded normal distribution in the
        place of draws from it. A bin's share of right ones is moved towards what the head says by
        one sample: of a bin of one sample nothing else could be said.
        """
        gaps = np.abs(self.right - self.sure)
        likely = (self.right * self.worth + self.sure) / (self.worth + 1)
        deviations = np.sqrt(likely * (1 - likely) / self.worth)
        by_chance = self.counts @ _folded_mean(gaps, deviations) / self.counts.sum()
        return max(2 * self.error - float(by_chance), 0.0)

    def interval(self, seed: int = 0) -> Interval:
        """In which the error of these bins lies, had they any number of samples.

        All sizes of the gaps are tried, in the proportions that are seen: those remain under which
        an error as large as this one, or as small, is drawn often enough. With none the head is
        calibrated: the interval holds 0 unless that is refuted. Where no bin has a gap at all, its
        standard error stands for one, in the direction that has more room. How many samples stand
        in each bin is drawn, too: gaps that differ between bins move the error by that. That the
        proportions are of the same samples is made up for by half as much on each side as
        `CONFIDENCE` would leave.

        Of samples in groups it reaches as far as that of as many samples as these are worth, or as
        there are: by how much groups differ is known badly, and too few samples would have more
        gaps by chance than are seen.
        """
        sizes = np.unique([self.counts, np.rint(self.worth)], axis=0)
        ends = np.array([self._inverted(one, seed) for one in sizes])
        return float(ends[:, 0].min()), float(ends[:, 1].max())

    def _inverted(self, drawn_of: np.ndarray, seed: int) -> Interval:
        """Of bins of so many independent samples, (bins,)."""
        share = self.counts / self.counts.sum()
        likely = (self.right * drawn_of + 0.5) / (drawn_of + 1)
        gaps = likely - self.sure  # all right, and quite sure, is no proof of more
        variances = likely * (1 - likely) / drawn_of
        if np.abs(gaps).max() < NO_GAP:  # no proportions are seen: each bin's own standard error
            gaps = np.sqrt(variances) * np.where(self.sure < 0.5, 1, -1)
        total, middle = round(drawn_of.sum()), share @ np.abs(gaps)
        variance = share @ (likely * (1 - likely) + gaps**2) - middle**2
        steps = STEPS * np.sqrt(variance / total) / middle
        scales = np.unique(np.concatenate([SMALLER, np.maximum(1 - steps, 0), 1 + steps]))
        shares = np.clip(self.sure + scales[:, None] * gaps, 0, 1)
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(total, share, DRAWS)[:, None]
        right = rng.binomial(counts, shares)  # (draws, scales, bins)
        errors = np.abs(right - counts * self.sure).sum(axis=2) / total
        least = (1 - CONFIDENCE) / 4
        is_small = (errors <= self.error + 1e-12).mean(axis=0) >= least
        is_large = (errors >= self.error - 1e-12).mean(axis=0) >= least
        kept = np.flatnonzero(is_small & is_large)
        ends = np.abs(shares - self.sure) @ share
        if not len(kept):  # less than chance leaves of a calibrated head
            return 0.0, self.error
        return float(ends[kept[0]]), float(ends[kept[-1]])


def _folded_mean(means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """The mean of the absolute value of what is normally distributed."""
    ratio = means / np.where(deviations > 0, deviations, 1)
    below = np.array([math.erf(one) for one in (ratio / np.sqrt(2)).tolist()])  # a few bins
    spread = deviations * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2)
    return np.where(deviations > 0, spread + means * below, means)
