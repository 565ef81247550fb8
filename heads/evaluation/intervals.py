"""How sure a score is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

CONFIDENCE = 0.95
NONE = "none"
"""By which procedure an interval was found where there is none."""
SHARES = ("accuracy", "exact")
"""Scores that are a share of the samples, so that their interval needs their number alone."""
BOUNDED = (
    *SHARES,
    "balanced_accuracy",
    "macro_f1",
    "micro_f1",
    "auroc",
    "auprc",
    "mean_average_precision",
    "ece",
    "ece_debiased",
    "share_below",
)
"""Scores from 0 to 1."""


def wilson_interval(
    right: float, total: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Wilson: Probable inference, the law of succession, and statistical inference, 1927. With
    cross-validation it leaves out that the folds' heads share training samples.

    Args:
        right: samples that were right; of a mean of several shares of them no whole number.
        total: samples in all, 1 or more.
        confidence: share of such intervals that hold the truth.
    """
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    return _wilson(right / total, total, quantile)


def _wilson(share: float, total: float, quantile: float) -> tuple[float, float]:
    square = quantile**2
    middle = (share * total + square / 2) / (total + square)
    spread = share * (1 - share) * total + square / 4
    half = math.sqrt(square * spread) / (total + square)
    return (middle - half if share else 0.0), (middle + half if share < 1 else 1.0)


def share_interval(
    share: float, *, variance: float, most: float, quantile: float | None = None
) -> tuple[float, float]:
    """Wilson's interval of what is between 0 and 1 and no plain share of samples: as if it were one
    of so many samples as have its variance.

    Args:
        share: the value, 0 to 1.
        variance: of it, as it is estimated; 0 where there is nothing to see it by.
        most: of how many samples it is worth at most.
        quantile: of the standardised value; the normal distribution's without it.
    """
    is_seen = variance > 0 and 0 < share < 1
    samples = min(share * (1 - share) / variance, most) if is_seen else most
    return _wilson(share, samples, quantile or NormalDist().inv_cdf((1 + CONFIDENCE) / 2))


def interval_of(metrics: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The interval of a score; None where none is known.

    Heads of before intervals were stored have those of shares, which their number of samples gives.
    """
    stored = metrics.get("intervals", {}).get(name)
    if stored is not None:
        return stored[0], stored[1]
    total = metrics.get("n_test", 0)
    if name in SHARES and name in metrics and total:
        return wilson_interval(round(metrics[name] * total), total)
    return None


def share_text(share: float) -> str:
    """A probability or another share with three digits; 1.000 and 0.000 only where it is just that.

    What is nearly sure is not sure.
    """
    text = f"{share:.3f}"
    if text == "1.000" and share < 1:
        return ">0.999"
    return "<0.001" if text == "0.000" and share > 0 else text


def score_text(name: str, value: float) -> str:
    """A score with three digits."""
    return share_text(value) if name in BOUNDED else f"{value:.3f}"


def interval_text(metrics: Mapping[str, Any], name: str) -> str:
    """The interval of a score in words, such as `0.890 to 0.931`."""
    interval = interval_of(metrics, name)
    if interval is None:
        return "no interval"
    return " to ".join(score_text(name, end) for end in interval)


def difference_interval(
    one: tuple[float, tuple[float, float]],
    other: tuple[float, tuple[float, float]],
    correlation: float,
) -> tuple[float, float]:
    """Of what one estimate is above another of the same samples, from their own intervals: how far
    each reaches in the direction that makes the difference smaller, or larger, stands for its
    standard error (MOVER; Zou: Toward using confidence intervals to compare correlations, 2007).
    What knows of an estimate that it cannot go beyond an end, the difference then knows, too.

    Args:
        one: the estimate and its interval.
        other: likewise.
        correlation: of the two estimates.
    """
    (value, (low, high)), (less, (least, most)) = one, other
    apart, alike = value - less, min(max(correlation, -1.0), 1.0)
    ends = []
    for own, its in ((value - low, most - less), (high - value, less - least)):
        ends.append(math.sqrt(max(own**2 + its**2 - 2 * alike * own * its, 0.0)))
    return apart - ends[0], apart + ends[1]


def groups_text(metrics: Mapping[str, Any]) -> str:
    """In how many groups the samples are that the scores are of, such as ` in 31 groups`; empty
    where each is on its own, and of heads of before."""
    count = metrics.get("groups")
    return "" if count is None else f" in {count:,} group{'s' * (count != 1)}"
