"""How sure a score is, and whether one is really better than another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
SHARES = ("accuracy", "exact")
"""Scores that are a share of the samples, so that their interval needs their number alone."""
BOUNDED = (*SHARES, "macro_f1", "micro_f1", "mean_average_precision")
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
    square = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    middle = (right + square / 2) / (total + square)
    spread = right * (total - right) / total + square / 4
    half = math.sqrt(square * spread) / (total + square)
    return (middle - half if right else 0.0), (middle + half if right < total else 1.0)


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


def is_worse(right: np.ndarray, than: np.ndarray, confidence: float = CONFIDENCE) -> bool:
    """Whether one way is worse than another on the same samples: McNemar's exact test.

    Args:
        right: where the one way was right, bool, (n,).
        than: where the other was.
        confidence: 1 - the chance to call equally good ways different.
    """
    from scipy.stats import binomtest

    only_one, only_other = int((right & ~than).sum()), int((than & ~right).sum())
    if only_other <= only_one:
        return False
    return bool(binomtest(only_one, only_one + only_other).pvalue < 1 - confidence)
