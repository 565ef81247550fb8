"""Intervals of scores that are no plain shares, by the bootstrap: the score of samples drawn with
replacement from those that there are, again and again; 95 % of the draws lie in the interval. Where
samples are in groups, groups are drawn.

Efron: Bootstrap methods: another look at the jackknife, 1979 (the percentile interval); Better
bootstrap confidence intervals, 1987 (bias-corrected and accelerated, BCa, which means have).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np

from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE

DRAWS = (200, 1000)
"""The fewest and the most draws."""
BUDGET = 10_000_000
"""Samples drawn in all: 10,000 samples have the most draws, 50,000 the fewest."""
MANY = 2000
"""Samples of which a mean is as good as normally distributed."""
FEWEST = 5
"""Samples, or groups, below which a share of their variance has no interval: draws of so few have
hardly any variance at times."""
ROUNDING = 1e-9
"""Of a value, below which what it varies by is that of floating-point numbers."""
LARGEST_LOG = 50.0
"""Of 1 - R2, where two groups tell nothing."""
AT_ONCE = 2_000_000
"""Samples drawn at a time."""

Interval = tuple[float, float]
Score = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Of how many times each sample was drawn, (draws, samples) float64: the scores, (draws,);
NaN of a draw that has none."""


def bootstrap_interval(
    score: Score,
    samples: int,
    *,
    clusters: Clusters | None = None,
    cost: int = 1,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """What a share `confidence` of the draws lies in; None where there are not two samples, or
    groups, or no draw has a score.

    Args:
        score: of samples that were drawn; of groups the sum of the times is not always the same.
        samples: how many.
        clusters: which belong together: groups are drawn, each as a whole, and the interval is as
            much wider as so few of them want it, see `Clusters.widening`.
        cost: how many times as long as that of a mean the score takes; there are fewer draws then.
        seed: of the draws.
        confidence: share of such intervals that hold the truth, where there are samples enough.
    """
    if samples < 2 or (clusters is not None and len(clusters) < 2):
        return None
    draws = int(np.clip(BUDGET // (samples * max(cost, 1)), *DRAWS))
    found = np.concatenate([score(*drawn) for drawn in _draws(samples, draws, seed, clusters)])
    known = found[~np.isnan(found)]
    if not len(known) or np.ptp(known) <= ROUNDING * np.abs(known).max():
        return None
    ends = (1 - confidence) / 2, 0.5, (1 + confidence) / 2
    low, middle, high = np.quantile(known, ends).tolist()
    wider = 1.0 if clusters is None else clusters.widening(confidence)
    return middle - wider * (middle - low), middle + wider * (high - middle)


def mean_interval(
    values: np.ndarray, confidence: float = CONFIDENCE, *, clusters: Clusters | None = None
) -> Interval | None:
    """Of the mean of some values, (n,), by BCa; of many, by the normal distribution. None of values
    that are all the same, or groups that are: nothing tells how much they vary.

    It is `scipy.stats.bootstrap`'s, without the n means of n - 1 values that this takes for the
    acceleration: that of a mean is known.
    """
    if not len(values) or np.ptp(values) <= ROUNDING * np.abs(values).max():
        return None
    if clusters is not None:
        return _mean_of_clusters(values.astype(np.float64), clusters, confidence)
    count, mean = len(values), float(values.mean())
    if count >= MANY:
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * values.std() / math.sqrt(count)
        return mean - float(reach), mean + float(reach)
    if count < 2:
        return None
    apart = values - mean
    squares = float(apart @ apart)
    found = np.concatenate(
        [times @ values / count for times, _ in _draws(count, DRAWS[1], 0, None)]
    )
    skew = float((apart**3).sum()) / (6 * squares**1.5)
    share = float((found < mean).mean() + (found == mean).mean() / 2)
    ends = _corrected(min(max(share, 1 / DRAWS[1]), 1 - 1 / DRAWS[1]), skew, confidence)
    low, high = np.quantile(found, ends)
    return float(low), float(high)


def _corrected(share: float, skew: float, confidence: float) -> list[float]:
    """Which quantiles of the draws are the ends: BCa.

    Args:
        share: of the draws that lie below the value.
        skew: the acceleration.
        confidence: of the interval.
    """
    normal = NormalDist()
    middle = normal.inv_cdf(share)
    ends = [middle + normal.inv_cdf(tail) for tail in ((1 - confidence) / 2, (1 + confidence) / 2)]
    return [normal.cdf(middle + end / (1 - skew * end)) for end in ends]


def _mean_of_clusters(values: np.ndarray, clusters: Clusters, confidence: float) -> Interval | None:
    """Of the mean of values in groups: the draws of groups, and those of the studentised mean
    (Efron and Tibshirani: An introduction to the bootstrap, 1993, chapter 12), as far as either
    reaches: where a few groups have the large values, the first alone ends below the truth."""
    if len(clusters) < 2:
        return None
    mean, error = float(values.mean()), math.sqrt(clusters.variance(values))
    if error <= ROUNDING * values.std():
        return None
    count, ends = len(clusters), [(1 - confidence) / 2, 0.5, (1 + confidence) / 2]
    if count >= MANY:
        reach = clusters.t(confidence) * error
        return mean - reach, mean + reach
    sums, sizes = clusters.sums(values), clusters.sizes.astype(np.float64)
    rng = np.random.default_rng(0)
    times = rng.multinomial(count, np.full(count, 1 / count), DRAWS[1]).astype(np.float64)
    drawn = times @ sizes
    means = times @ sums / drawn
    squares = (sums - means[:, None] * sizes) ** 2
    errors = np.sqrt(count / (count - 1) * (times * squares).sum(axis=1)) / drawn
    low, middle, high = np.quantile(means, ends).tolist()
    wider, known = clusters.widening(confidence), errors > 1e-9 * error
    found = [middle - wider * (middle - low), middle + wider * (high - middle)]
    if known.any():
        apart = np.quantile((means[known] - mean) / errors[known], ends)
        apart *= math.sqrt(1 + 1 / clusters.freedom) * error
        found += [mean - float(apart[2]), mean - float(apart[0])]
    return min(found), max(found)


def micro_f1_interval(truth: Any, said: Any, clusters: Clusters | None = None) -> Interval | None:
    """Of the F1 score of all labels together.

    To what is drawn, half a label that is right and half a wrong one are added, as Jeffreys'
    interval of a share has it (Brown, Cai and DasGupta: Interval estimation for a binomial
    proportion, 2001): where ten of ten are right, no draw could tell that the next may be wrong. Of
    samples in groups as many are added as one more group might count.

    Args:
        truth: 1 where a sample has a label, sparse, (n, labels).
        said: 1 where it is said to have it, likewise.
        clusters: which samples belong together.
    """
    if clusters is not None and len(clusters) < 2:
        return None
    added = 1.0
    if clusters is not None:
        added = clusters.together(abs(truth - said).sum(axis=1) == 0)
    right, either = truth.multiply(said).sum(axis=1), (truth + said).sum(axis=1)

    def score(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        more, wrong = added * rng.standard_gamma(0.5, (2, len(times)))
        return 2 * (times @ right + more) / (times @ either + 2 * (more + wrong))

    return bootstrap_interval(score, truth.shape[0], clusters=clusters)


def roots_interval(squares: np.ndarray, clusters: Clusters | None = None) -> Interval | None:
    """Of the mean of the roots of mean squares, one for each output; squares are (n, outputs)."""
    if squares.shape[1] == 1:
        found = mean_interval(squares[:, 0], clusters=clusters)
        return None if found is None else (math.sqrt(max(found[0], 0.0)), math.sqrt(found[1]))

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        return np.sqrt(times @ squares / times.sum(axis=1, keepdims=True)).mean(axis=1)

    found = bootstrap_interval(score, len(squares), clusters=clusters)
    return None if found is None else (max(found[0], 0.0), found[1])


def r2_interval(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    """Of R2, the share of the variance that is explained, or the mean of several such shares;
    outputs and targets are (n, outputs), float64."""
    if clusters is not None:
        if len(clusters) < FEWEST:
            return None
        if targets.shape[1] == 1 and len(clusters) < MANY:
            found = _r2_of_clusters((outputs - targets)[:, 0], targets[:, 0], clusters)
            if found is not None:
                return found
    found = bootstrap_interval(r2_score(outputs, targets), len(targets), clusters=clusters)
    return None if found is None else (found[0], min(found[1], 1.0))


def r2_score(outputs: np.ndarray, targets: np.ndarray) -> Score:
    """R2, the mean over the outputs; NaN of fewer samples than `FEWEST`, and of one that was drawn
    again and again, which has no variance but what rounding leaves.

    Args:
        outputs: (n, outputs), float64.
        targets: likewise.
    """
    squares, least = (outputs - targets) ** 2, 1e-9 * targets.var(axis=0)
    centred = targets - targets.mean(axis=0)

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        drawn = times.sum(axis=1, keepdims=True)
        spread = times @ centred**2 - (times @ centred) ** 2 / drawn
        is_known = (spread > drawn * least) & (len(targets) >= FEWEST)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(is_known, 1 - times @ squares / spread, np.nan).mean(axis=1)

    return score


def _r2_of_clusters(
    errors: np.ndarray, targets: np.ndarray, clusters: Clusters, confidence: float = CONFIDENCE
) -> Interval | None:
    """Of one R2 of samples in groups, (n,) each: as `_mean_of_clusters`, of log(1 - R2), the log of
    two means, whose standard error follows from what each group adds to either."""
    count = len(clusters)
    if count < FEWEST or not targets.std():
        return None
    sizes, squares = clusters.sizes.astype(np.float64), clusters.sums(errors**2)
    centred = targets - targets.mean()
    sums, moments = clusters.sums(centred), clusters.sums(centred**2)

    def logs(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        drawn = times @ sizes
        lost, middle = times @ squares / drawn, times @ sums / drawn
        spread = times @ moments / drawn - middle**2
        around = moments - 2 * middle[:, None] * sums + middle[:, None] ** 2 * sizes
        parts = squares / lost[:, None] - around / spread[:, None]
        errors = np.sqrt(count / (count - 1) * (times * parts**2).sum(axis=1)) / drawn
        return np.log(lost) - np.log(spread), errors

    rng = np.random.default_rng(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        (whole,), (error,) = logs(np.ones((1, count)))
        drawn, theirs = logs(
            rng.multinomial(count, np.full(count, 1 / count), DRAWS[1]).astype(np.float64)
        )
    known = np.isfinite(drawn) & (theirs > 1e-9 * error)
    if not np.isfinite(whole) or not known.any():
        return None
    ends = [(1 - confidence) / 2, 0.5, (1 + confidence) / 2]
    low, middle, high = np.quantile(drawn[np.isfinite(drawn)], ends).tolist()
    apart = np.quantile((drawn[known] - whole) / theirs[known], ends)
    apart *= math.sqrt(1 + 1 / clusters.freedom) * error
    wider = clusters.widening(confidence)
    most = max(middle + wider * (high - middle), whole - float(apart[0]))
    least = min(middle - wider * (middle - low), whole - float(apart[2]))
    return 1 - math.exp(min(most, LARGEST_LOG)), 1 - math.exp(least)


def _draws(
    samples: int, draws: int, seed: int, clusters: Clusters | None
) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """How many times each sample was drawn, some draws at a time."""
    rng = np.random.default_rng(seed)
    units, step = samples if clusters is None else len(clusters), max(1, AT_ONCE // samples)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        drawn = rng.integers(0, units, (count, units))
        drawn += units * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
        if clusters is not None:
            times = times[:, clusters.numbers]
        yield times.astype(np.float64), rng
