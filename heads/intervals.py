"""How sure a score is, and whether one is really better than another."""

from __future__ import annotations

import numpy as np

CONFIDENCE = 0.95


def wilson_interval(right: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of a share.

    Wilson: Probable inference, the law of succession, and statistical inference, 1927. With
    cross-validation it leaves out that the folds' heads share training samples.

    Args:
        right: samples that were right.
        total: samples in all, 1 or more.
        confidence: share of such intervals that hold the truth.
    """
    from scipy.stats import binomtest

    interval = binomtest(right, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


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
