"""Which of several candidates are significantly worse than the best of them.

Each was tried on the same samples, and which one is the best is not known but chosen from the same
numbers; so a test of each against the winner, as if that had been named before, crowns noise.
Hsu (Multiple comparisons, 1996) compares with the unknown best. A candidate is called worse where
another is better by more standard errors of their difference than the largest such difference of
any two would be in 95 % of cases, were all equally good: the maximum of multivariate t statistics
with the covariance of the samples (Hothorn, Bretz and Westfall: Simultaneous inference in general
parametric models, 2008). Those that were called worse are left out of what is asked, and the rest
is asked again, until none is (step-down: Romano and Wolf: Exact and approximate stepdown methods
for multiple hypothesis testing, 2005). So the chance to call any of the truly best ones worse is
5 % at most, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from headstart.heads.evaluation.intervals import CONFIDENCE
from headstart.heads.evaluation.outcomes import Outcomes

PROCEDURE = "Hsu's comparison with the best, step-down max-T"
DRAWS = (1000, 4000)
"""The fewest and the most draws of the largest difference."""
BUDGET = 100_000_000
"""Differences looked at in all."""


def worse_than_best(
    tried: Sequence[Outcomes], *, is_loss: bool = False, confidence: float = CONFIDENCE
) -> np.ndarray:
    """Which are significantly worse than the best, bool, (candidates,).

    Standard errors are those under the null hypothesis, of differences about 0 (as McNemar's test
    has them), so that few samples that two heads differ on prove nothing; counts of samples are
    taken with half a sample less, for their continuity. Where all was repeated,
    they hold the variance between the training sets that were drawn, which all candidates share;
    where it was cross-validated once, that of folds which are alike, see `Outcomes.alike`. None is
    called worse where each fold's head had few samples and all was tried once: so few draws do not
    tell by how much each two candidates' differ, and of ten equally good ones some were called
    worse in a quarter to a third of simulations.

    Args:
        tried: of each candidate, all on the same samples, in the same repeats and folds.
        is_loss: whether less is better.
        confidence: 1 - the chance to call any of equally good ones worse.
    """
    count = len(tried)
    if count < 2 or tried[0].are_few:
        return np.zeros(count, bool)
    parts, first = _parts(tried), tried[0].values
    step = 0.5 / first.size if tried[0].are_shares else 0.0
    means = np.array([one.mean for one in tried]) * (-1 if is_loss else 1)
    errors = np.sqrt(_of_differences(parts))
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = np.where(errors > 0, (means[None, :] - means[:, None] - step) / errors, 0.0)
    most, null = ahead.max(axis=1), _largest(parts, errors, _freedom(tried[0], parts))
    worse = np.zeros(count, bool)
    while True:
        asked = np.flatnonzero(~worse)
        limit = np.quantile(null[asked].max(axis=0), confidence)
        found = asked[most[asked] > limit]
        if not len(found):
            return worse
        worse[found] = True


def _parts(tried: Sequence[Outcomes]) -> tuple[np.ndarray, np.ndarray]:
    """Of each candidate what each unit adds to its mean, (units, candidates): samples or groups,
    and draws of training sets. Their squares add up to the variance of the mean."""
    first = tried[0]
    rows = np.stack([one.by_sample for one in tried], axis=1)
    rows -= rows.mean(axis=1, keepdims=True)  # what all have in common is in no difference
    samples = len(rows)
    if first.clusters is not None:
        rows = np.stack([first.clusters.sums(one) for one in rows.T], axis=1)
    draws = np.stack([one.effects for one in tried], axis=1)
    draws -= draws.mean(axis=1, keepdims=True)
    rows /= samples
    known, learnt = float((rows**2).sum()), 0.0
    if len(draws):
        mean, same = _weights(tried)
        learnt = same * float((draws**2).sum()) / len(draws)
        draws *= np.sqrt((mean + same) / len(draws))
    # a sample that is hard to tell is a bad one to learn from: see `Outcomes`
    both = known + 2 * math.sqrt(known * learnt)
    least = first.alike * _once(tried) - float((draws**2).sum())
    return rows * math.sqrt(max(both, least) / known) if known else rows, draws


def _once(tried: Sequence[Outcomes]) -> float:
    """The variance of the candidates' means less that which they have in common, summed, had all
    been tried once: the mean over the repeats."""
    clusters, found = tried[0].clusters, 0.0
    common = tried[0].values / len(tried)
    for one in tried[1:]:
        common += one.values / len(tried)
    for one in tried:
        apart = one.values - common
        if clusters is not None:
            apart = np.stack([clusters.sums(row) for row in apart])
        found += float((apart**2).sum())
    return found / len(common) / common.shape[1] ** 2


def _weights(tried: Sequence[Outcomes]) -> tuple[float, float]:
    """What the variance of a draw's effect counts in that of the mean: as there are so many draws,
    and as all are of the same samples; see `Outcomes`."""
    first = tried[0]
    between = sum(one.between for one in tried)
    effects = sum(float((one.effects**2).mean()) for one in tried)
    if not effects:
        return 0.0, 0.0
    learnt = first.taken * sum(one.drawn_apart**2 for one in tried) / between
    return between / effects / len(first.effects), between / effects * learnt


def _of_differences(parts: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The variance of the difference of each two candidates' means, (candidates, candidates)."""
    found = np.zeros((parts[0].shape[1],) * 2)
    for one in parts:
        products = one.T @ one
        own = np.diag(products)
        found += np.maximum(own[:, None] + own[None, :] - 2 * products, 0.0)
    # what is left of numbers that are equal is noise of the arithmetic
    return np.where(found > 1e-18, found, 0.0)


def _freedom(first: Outcomes, parts: tuple[np.ndarray, np.ndarray]) -> float:
    """Of the variance of differences: those of the draws where those decide."""
    if not len(first.effects):
        return np.inf
    rows, draws = (np.var(part, axis=1, ddof=1).sum() for part in parts)
    if draws <= 0:
        return np.inf
    of_draws = max(len(first.effects) * (len(first.values) - 1) / len(first.values), 1.0)
    return float(of_draws * ((rows + draws) / draws) ** 2)


def _largest(
    parts: tuple[np.ndarray, np.ndarray], errors: np.ndarray, freedom: float
) -> np.ndarray:
    """Of each candidate by how many standard errors another is ahead of it at most, where all are
    equally good: draws of that, (candidates, draws)."""
    count = errors.shape[0]
    draws = int(np.clip(BUDGET // count**2, *DRAWS))
    rng = np.random.default_rng(0)
    covariance = sum(part.T @ part for part in parts)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
    noise = root @ rng.standard_normal((count, draws), np.float32)
    if np.isfinite(freedom):
        noise /= np.sqrt(rng.chisquare(freedom, draws) / freedom).astype(np.float32)
    with np.errstate(divide="ignore"):
        scale = np.where(errors > 0, 1 / errors, 0.0).astype(np.float32)
    found, ahead = np.empty((count, draws), np.float32), np.empty((count, draws), np.float32)
    for one in range(count):
        np.subtract(noise, noise[one], out=ahead)
        np.multiply(ahead, scale[one][:, None], out=ahead)
        ahead.max(axis=0, out=found[one])
    return found
