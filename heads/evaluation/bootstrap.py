"""Intervals of scores that are no plain shares, by the bootstrap: the score of samples drawn with
replacement from those that there are, again and again; 95 % of the draws lie in the interval.

Efron: Bootstrap methods: another look at the jackknife, 1979 (the percentile interval).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np

from headstart.heads.evaluation.intervals import CONFIDENCE

DRAWS = (200, 1000)
"""The fewest and the most draws."""
BUDGET = 10_000_000
"""Samples drawn in all: 10,000 samples have the most draws, 50,000 the fewest."""
MANY = 2000
"""Samples of which a mean is as good as normally distributed."""
AT_ONCE = 2_000_000
"""Samples drawn at a time."""

Interval = tuple[float, float]
Score = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Of how many times each sample was drawn, (draws, samples) float64: the scores, (draws,);
NaN of a draw that has none."""


def bootstrap_interval(
    score: Score, samples: int, *, cost: int = 1, seed: int = 0, confidence: float = CONFIDENCE
) -> Interval | None:
    """What a share `confidence` of the draws lies in; None where there are not two samples, or no
    draw has a score.

    Args:
        score: of samples that were drawn.
        samples: how many.
        cost: how many times as long as that of a mean the score takes; there are fewer draws then.
        seed: of the draws.
        confidence: share of such intervals that hold the truth, where there are samples enough.
    """
    if samples < 2:
        return None
    draws = int(np.clip(BUDGET // (samples * max(cost, 1)), *DRAWS))
    found = np.concatenate([score(*drawn) for drawn in _draws(samples, draws, seed)])
    known = found[~np.isnan(found)]
    if not len(known):
        return None
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mean_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> Interval | None:
    """Of the mean of some values, (n,): of many, the normal distribution that the draws tend to."""
    if len(values) >= MANY:
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * values.std() / math.sqrt(len(values))
        return float(values.mean() - reach), float(values.mean() + reach)
    return bootstrap_interval(lambda times, _: times @ values / len(values), len(values))


def f1_interval(truth: Any, said: Any, *, is_macro: bool) -> Interval | None:
    """Of the F1 score: the mean over the classes that occur, or that of all together.

    To what is drawn, half a sample that is right and half a wrong one are added, spread over the
    classes, as Jeffreys' interval of a share has it (Brown, Cai and DasGupta: Interval estimation
    for a binomial proportion, 2001): where ten of ten are right, no draw could tell that the next
    may be wrong. It held the truth in 94 to 100 % of simulated splits, of 10 samples of 2 classes
    to 1,000 of 100.

    Args:
        truth: 1 where a sample is of a class, sparse, (n, classes).
        said: 1 where it is said to be, likewise.
    """
    if is_macro:
        occurs = np.flatnonzero(np.asarray(truth.sum(axis=0)).ravel())
        truth, said = truth[:, occurs], said[:, occurs]
    classes = truth.shape[1]
    if not classes:
        return None
    right, either = truth.multiply(said).T.tocsr(), (truth + said).T.tocsr()
    of_class = truth.T.tocsr()

    def score(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        more, wrong = rng.standard_gamma(0.5, (2, len(times))) / classes
        hits, marks = right @ times.T + more, either @ times.T + 2 * (more + wrong)
        if not is_macro:
            return 2 * hits.sum(axis=0) / marks.sum(axis=0)
        drawn = of_class @ times.T > 0  # a class that was not drawn has no score
        return (2 * hits / marks).sum(axis=0, where=drawn) / drawn.sum(axis=0)

    return bootstrap_interval(score, truth.shape[0])


def roots_interval(squares: np.ndarray) -> Interval | None:
    """Of the mean of the roots of mean squares, one for each output; squares are (n, outputs)."""
    if squares.shape[1] == 1:
        found = mean_interval(squares[:, 0])
        return None if found is None else (math.sqrt(max(found[0], 0.0)), math.sqrt(found[1]))

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        return np.sqrt(times @ squares / len(squares)).mean(axis=1)

    return bootstrap_interval(score, len(squares))


def r2_interval(outputs: np.ndarray, targets: np.ndarray) -> Interval | None:
    """Of R2, the share of the variance that is explained, or the mean of several such shares;
    outputs and targets are (n, outputs), float64."""
    squares = (outputs - targets) ** 2
    centred = targets - targets.mean(axis=0)

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        spread = times @ centred**2 - (times @ centred) ** 2 / len(targets)
        with np.errstate(divide="ignore", invalid="ignore"):
            # one sample again and again has no variance, and no score
            return np.where(spread > 0, 1 - times @ squares / spread, np.nan).mean(axis=1)

    return bootstrap_interval(score, len(targets))


def precision_interval(outputs: np.ndarray, targets: np.ndarray) -> Interval | None:
    """Of the mean average precision over the labels that occur.

    Args:
        outputs: probabilities, (n, labels).
        targets: 0 or 1, likewise.
    """
    labels = int(targets.any(axis=0).sum())
    if not labels:
        return None
    return bootstrap_interval(precision_score(outputs, targets), len(outputs), cost=labels)


def precision_score(outputs: np.ndarray, targets: np.ndarray) -> Score:
    """The mean average precision over the labels that were drawn; see `precision_interval`."""
    labels = np.flatnonzero(targets.any(axis=0))

    def score(times: np.ndarray, _: np.random.Generator) -> np.ndarray:
        each = [_precision(outputs[:, one], targets[:, one], times) for one in labels]
        found = np.stack(each)
        drawn = ~np.isnan(found)
        return found.sum(axis=0, where=drawn) / drawn.sum(axis=0)

    return score


def _precision(outputs: np.ndarray, targets: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The average precision of a label, (draws,), as scikit-learn has it; NaN where none is it."""
    order = np.argsort(-outputs, kind="stable")
    ends = np.flatnonzero(np.diff(outputs[order], append=np.nan) != 0)  # equal ones count together
    drawn = times[:, order]
    said = drawn.cumsum(axis=1)[:, ends]
    hits = (drawn * targets[order]).cumsum(axis=1)[:, ends]
    gained = np.diff(hits, axis=1, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (gained * hits / np.maximum(said, 1)).sum(axis=1) / hits[:, -1]


def _draws(samples: int, draws: int, seed: int) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    """How many times each sample was drawn, some draws at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, AT_ONCE // samples)
    for start in range(0, draws, step):
        count = min(step, draws - start)
        drawn = rng.integers(0, samples, (count, samples))
        drawn += samples * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * samples)
        yield times.reshape(count, samples).astype(np.float64), rng
