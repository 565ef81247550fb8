"""How sure a score is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

CONFIDENCE = 0.95
SHARES = ("accuracy", "exact")
"""Scores that are a share of the samples, so that their interval needs their number alone."""
BOUNDED = (*SHARES, "macro_f1", "micro_f1", "mean_average_precision")
"""Scores from 0 to 1."""


def wilson_interval(right: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Wilson: Probable inference, the law of succession, and statistical inference, 1927. With
    cross-validation it leaves out that the folds' heads share training samples.

    Args:
        right: samples that were right.
        total: samples in all, 1 or more.
        confidence: share of such intervals that hold the truth.
    """
    return share_interval(right / total, total, NormalDist().inv_cdf((1 + confidence) / 2))


def share_interval(share: float, size: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Args:
        share: of what was right.
        size: of how many independent samples; of what is not independent, of how many that would
            have its variance.
        quantile: standard errors to each side.
    """
    square = quantile**2
    middle = (share * size + square / 2) / (size + square)
    half = math.sqrt(square * (share * (1 - share) * size + square / 4)) / (size + square)
    return (middle - half if share > 0 else 0.0), (middle + half if share < 1 else 1.0)


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
