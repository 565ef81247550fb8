"""What the best of many candidates is worth, beside the score that made it the best.

The best of forty settings on labels that mean nothing looks better than chance: its score holds the
luck by which it was chosen. Tsamardinos, Greasidou and Borboudakis (Bootstrapping the out-of-sample
predictions for efficient and accurate cross-validation, Machine Learning 107, 2018) let the choice
be made again on samples drawn with replacement, and score what was chosen on those that were not
drawn: BBC-CV. It needs no fit, only what became of each sample with each candidate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.evaluation.bootstrap import Interval
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.values.showable import Showable

PROCEDURE = "BBC-CV"
DRAWS = (200, 1000)
"""The fewest and the most draws."""
BUDGET = 4_000_000_000
"""Outcomes looked at in all."""
AT_ONCE = 4_000_000
"""Samples drawn at a time."""


@dataclass(frozen=True)
class Winner(Showable):
    """The best of several candidates.

    Attributes:
        objective: by which it is the best, such as `accuracy`, `log_loss` or `r2`.
        raw: its score, which favours it.
        interval: of the raw score, as if it had been the only candidate.
        corrected: what a candidate that is chosen so is worth: the mean of the draws.
        corrected_interval: what 95 % of the draws lie in, brought to as many samples as there are,
            with the variance between draws of training sets; as far as the winner's own interval
            reaches at least, and on by the luck of heads that are alike, which is a heuristic.
        candidates: among how many it was chosen.
        procedure: by which it was corrected.
    """

    objective: str
    raw: float
    interval: Interval | None
    corrected: float
    corrected_interval: Interval
    candidates: int
    procedure: str = PROCEDURE

    def _line(self) -> str:
        low, high = self.corrected_interval
        told = f"{self.corrected:.3f} [{low:.3f}, {high:.3f}]"
        return f"{self.objective} {self.raw:.3f}, best of {self.candidates:,}: corrected {told}"

    def _facts(self) -> dict[str, Any]:
        ends = {"interval": self.interval, "corrected_interval": self.corrected_interval}
        return {
            "objective": self.objective,
            "raw": self.raw,
            "corrected": self.corrected,
            **{name: None if pair is None else list(pair) for name, pair in ends.items()},
            "candidates": self.candidates,
            "procedure": self.procedure,
        }


def winner_of(
    tried: Sequence[Outcomes],
    objective: str,
    *,
    is_loss: bool = False,
    bounds: tuple[float, float] | None = None,
    interval: Interval | None = None,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Winner | None:
    """The best candidate's score, raw and corrected; None of a single sample or group.

    The mean of a part of the samples varies more than that of all: the draws' distances from their
    mean are taken by the root of what was left out over what was not, as in the delete-d jackknife
    (Shao and Wu: A general theory for jackknife variance estimation, 1989). Without that the
    interval held the truth in 99 to 100 % of simulated choices.

    Samples of one group are drawn together. Between the training sets that were drawn, where all
    was repeated, the corrected interval has the winner's own variance. It reaches at least as far
    as that of the raw score: where the winner is all right draws have nothing to tell. Where heads
    are alike the luck of the choice is larger than draws of samples tell, and the end reaches on:
    by the luck that draws tell times what `Outcomes.widening` is above 1. That is a heuristic of
    ours, with no source but simulations (docs/statistics.md).

    Args:
        tried: of each candidate, all on the same samples.
        objective: its name.
        is_loss: whether less is better.
        bounds: what the objective is at the least and at the most; from 0, and if it is no loss to
            1, without it.
        interval: of the best candidate's score, where that is more than the mean of its outcomes,
            such as R2.
        confidence: share of such intervals that hold what the choice is worth on average.
        seed: of the draws.
    """
    if tried[0].units < 2:
        return None
    table = np.stack([one.by_sample for one in tried], axis=1)
    best = int((table.mean(axis=0) * (1 if is_loss else -1)).argmin())
    chosen = tried[best]
    found = np.concatenate(list(_drawn(table, chosen.clusters, is_loss, seed)))
    found = found[~np.isnan(found)]
    middle = float(found.mean())
    left_out = (1 - 1 / chosen.units) ** chosen.units
    narrower = math.sqrt(left_out / (1 - left_out))
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = middle - narrower * (middle - low), middle + narrower * (high - middle)
    between = chosen.quantile(confidence) * math.sqrt(chosen.parts[1])
    low = middle - math.hypot(middle - low, between)
    high = middle + math.hypot(high - middle, between)
    least, most = bounds or (0.0, math.inf if is_loss else 1.0)
    if interval is None:
        is_share = (least, most) == (0.0, 1.0)
        interval = chosen.share_interval if is_share else chosen.interval
    if interval is not None:
        low = min(low, middle - (chosen.mean - interval[0]))
        high = max(high, middle + (interval[1] - chosen.mean))
    # draws of samples do not tell the luck of heads that are alike: see `Outcomes.alike`
    luck = (chosen.widening - 1) * (chosen.mean - middle)
    low, high = (low, high - min(luck, 0.0)) if is_loss else (low - max(luck, 0.0), high)
    low, high = max(low, least), min(high, most)
    return Winner(objective, chosen.mean, interval, middle, (float(low), float(high)), len(tried))


def _drawn(
    table: np.ndarray, clusters: Clusters | None, is_loss: bool, seed: int
) -> Iterator[np.ndarray]:
    """What was chosen on drawn samples, scored on the others: some draws at a time."""
    rng = np.random.default_rng(seed)
    samples, count = table.shape
    draws = int(np.clip(BUDGET // (samples * count), *DRAWS))
    table = table.astype(np.float32) * np.float32(1 if is_loss else -1)
    sums, sizes = _by_unit(table, clusters)
    step = max(1, AT_ONCE // len(sizes))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        units = rng.integers(0, len(sizes), (size, len(sizes)))
        units += len(sizes) * np.arange(size)[:, None]
        times = np.bincount(units.ravel(), minlength=units.size).reshape(units.shape)
        times = times.astype(np.float32)
        drawn = times @ sums
        # of groups of several sizes the number of samples is the draw's own, for all candidates
        chosen = drawn.argmin(axis=1)
        out = (times == 0).astype(np.float32)
        scored = (out @ sums)[np.arange(size), chosen]
        with np.errstate(divide="ignore", invalid="ignore"):
            yield scored / (out @ sizes) * (1 if is_loss else -1)


def _by_unit(table: np.ndarray, clusters: Clusters | None) -> tuple[np.ndarray, np.ndarray]:
    """Sums over what is drawn together, (units, candidates), and how many samples, (units,)."""
    if clusters is None:
        return table, np.ones(len(table), np.float32)
    sums = np.stack([clusters.sums(one) for one in table.T], axis=1)
    return sums.astype(np.float32), clusters.sizes.astype(np.float32)
