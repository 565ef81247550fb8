"""Intervals of scores that are no plain shares, by the bootstrap: the score of samples drawn with
replacement from those that there are, again and again; 95 % of the draws lie in the interval. Where
samples are in groups, groups are drawn.

Efron: Bootstrap methods: another look at the jackknife, 1979 (the percentile interval). Means, and
R2, have the studentised one as well; means of losses, whose largest may not be among them, have
weights in the place of draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.evaluation.clusters import Clusters, independent
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
MOST_KEPT = 4_000_000
"""Weights that are kept at most: 32 MB."""
_KEPT: ContextVar[dict[int, list[tuple[np.ndarray, np.ndarray]]] | None] = ContextVar(
    "weights_kept", default=None
)

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
        clusters: which belong together: groups are drawn, each as a whole. The interval is as much
            wider as so few of them, or samples, want it, see `Clusters.widening`.
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
    wider = (clusters or independent(samples)).widening(confidence)
    return middle - wider * (middle - low), middle + wider * (high - middle)


def mean_interval(
    values: np.ndarray,
    confidence: float = CONFIDENCE,
    *,
    clusters: Clusters | None = None,
    unseen: Unseen | None = None,
) -> Interval | None:
    """Of the mean of some values, (n,): of losses that have a bound see `_with_unseen`, of others
    `_studentised`. None of a single sample or group; and of values without a bound that are all
    the same, or groups that are: nothing tells how much they vary.

    Args:
        values: one of each sample.
        confidence: share of such intervals that hold the truth.
        clusters: which samples belong together.
        unseen: what a sample may have that is of no kind among these.
    """
    values = values.astype(np.float64)
    if len(values) < 2 or (clusters is not None and len(clusters) < 2):
        return None
    if unseen is not None:
        return _with_unseen(values, unseen, clusters, confidence)
    if np.ptp(values) <= ROUNDING * np.abs(values).max():
        return None
    units = clusters or independent(len(values))
    if math.sqrt(units.variance(values)) <= ROUNDING * values.std():
        return None
    mean = float(values.mean())
    sizes = units.sizes.astype(np.float64)
    apart = units.sums(values - mean)

    def means(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        drawn = times @ sizes
        found = times @ apart / drawn
        squares = times @ apart**2 - 2 * found * (times @ (apart * sizes))
        squares += found**2 * (times @ sizes**2)
        return found, np.sqrt(np.maximum(squares, 0.0)) / drawn

    found = _studentised(means, units, confidence)
    return None if found is None else (mean + found[0], mean + found[1])


@dataclass(frozen=True)
class Unseen:
    """What a sample may have that is of no kind among those that were looked at.

    Attributes:
        low: its value at the least.
        high: at the most.
    """

    low: float
    high: float


def _with_unseen(
    values: np.ndarray, unseen: Unseen, clusters: Clusters | None, confidence: float
) -> Interval | None:
    """Of a mean of losses, most of which may come from a few samples, none of them among these.

    One sample more is added, for either end the worst that is unseen, and each has a random weight,
    all sets of weights being as probable (the Bayesian bootstrap; Rubin 1981). With the bound of
    what values can be in its place that is Gaffke's interval (Three test statistics for a
    nonparametric one-sided hypothesis on the mean of a nonnegative variable, 2005; Learned-Miller
    and Thomas: A new confidence interval for the mean of a bounded random variable, 2019; Phan,
    Thomas and Learned-Miller: Towards practical mean bounds for small samples, 2021), which is not
    known to hold the truth less often than it says of any distribution, and of a share is Clopper
    and Pearson's. The bound of a log loss is 36, and would say nothing: see `unseen_of`.

    In groups one group more is added, as large as that of a sample is on average: of so few nothing
    tells whether the next is wrong as a whole.
    """
    sums, sizes, more = values, np.ones(len(values)), 1.0
    if clusters is not None:
        sums, sizes = clusters.sums(values), clusters.sizes.astype(np.float64)
        more = clusters.size_by_sample
    ends: list[list[np.ndarray]] = [[], []]
    for weights, own in _weights(len(sums)):
        added = more * own
        whole, total = weights @ sums, weights @ sizes + added
        for one, value in zip(ends, (unseen.low, unseen.high), strict=True):
            one.append((whole + added * value) / total)
    low, high = (
        float(np.quantile(np.concatenate(one), (1 + side * confidence) / 2))
        for one, side in zip(ends, (-1, 1), strict=True)
    )
    return None if high - low <= ROUNDING * abs(high) else (low, high)


@contextmanager
def weights_kept() -> Iterator[None]:
    """A block in which intervals of many scores are of the same samples: the random weights, which
    are the same for so many samples, are drawn once, unless they are too many to keep."""
    before = _KEPT.set({})
    try:
        yield
    finally:
        _KEPT.reset(before)


def _weights(count: int) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Of so many samples, and of the one that is unseen, some draws at a time."""
    kept = _KEPT.get()
    if kept is None or count * int(np.clip(BUDGET // count, *DRAWS)) > MOST_KEPT:
        return _drawn_weights(count)
    if count not in kept:
        kept.clear()
        kept[count] = list(_drawn_weights(count))
    return kept[count]


def _drawn_weights(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    rng, draws = np.random.default_rng(0), int(np.clip(BUDGET // count, *DRAWS))
    step = max(1, AT_ONCE // count)
    for start in range(0, draws, step):
        weights = rng.standard_exponential((min(step, draws - start), count))
        yield weights, rng.standard_exponential(len(weights))


def _studentised(
    score: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    units: Clusters,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """The draws of a score and those of the studentised one (Efron and Tibshirani: An introduction
    to the bootstrap, 1993, chapter 12), as far as either reaches: where a few have the large
    values, the first alone ends below the truth. Of many, by its standard error.

    Args:
        score: of how many times each unit was drawn, (draws, units): what it comes to, and the
            root of the sum of its squared influences, (draws,) each.
        units: samples, or groups of them.
        confidence: of the interval.
    """
    count = len(units)
    unbiased = math.sqrt(count / (count - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        (whole,), (error,) = score(np.ones((1, count)))
        if not np.isfinite(whole):
            return None
        if count >= MANY:
            reach = units.t(confidence) * unbiased * float(error)
            return float(whole) - reach, float(whole) + reach
        rng, chances = np.random.default_rng(0), np.full(count, 1 / count)
        drawn, errors = score(rng.multinomial(count, chances, DRAWS[1]).astype(np.float64))
    known = np.isfinite(drawn) & (errors > ROUNDING * error)
    if not known.any():
        return None
    ends = [(1 - confidence) / 2, 0.5, (1 + confidence) / 2]
    low, middle, high = np.quantile(drawn[np.isfinite(drawn)], ends).tolist()
    apart = np.quantile((drawn[known] - whole) / errors[known], ends)
    apart *= math.sqrt(1 + 1 / units.freedom) * float(error)
    wider = units.widening(confidence)
    least = min(middle - wider * (middle - low), float(whole - apart[2]))
    return least, max(middle + wider * (high - middle), float(whole - apart[0]))


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
    """Of R2, the share of the variance that is explained, or the mean of several such shares, on
    the scale of log(1 - R2), the log of a ratio of two means; see `_studentised`. None of fewer
    samples, or groups, than `FEWEST`.

    Args:
        outputs: (n, outputs), float64.
        targets: likewise.
        clusters: which samples belong together.
    """
    units = clusters or independent(len(targets))
    if len(units) < FEWEST or not targets.std(axis=0).all():
        return None
    sizes = units.sizes.astype(np.float64)
    columns = zip((outputs - targets).T, (targets - targets.mean(axis=0)).T, strict=True)
    sums = [(units.sums(e**2), units.sums(c), units.sums(c**2)) for e, c in columns]

    def logs(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        drawn, shares, parts = times @ sizes, [], []
        for squares, centred, moments in sums:
            lost, middle = times @ squares / drawn, times @ centred / drawn
            spread = times @ moments / drawn - middle**2
            around = moments - 2 * middle[:, None] * centred + middle[:, None] ** 2 * sizes
            shares.append(lost / spread)
            parts.append(squares / spread[:, None] - around * (lost / spread**2)[:, None])
        whole = np.sum(shares, axis=0)
        squared = (times * np.sum(parts, axis=0) ** 2).sum(axis=1)
        return np.log(whole / len(sums)), np.sqrt(squared) / drawn / whole

    found = _studentised(logs, units)
    if found is None:
        return None
    return 1 - math.exp(min(found[1], LARGEST_LOG)), 1 - math.exp(found[0])


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
