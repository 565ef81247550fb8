"""Sets of classes that hold the right one as often as is asked: adaptive prediction sets.

Romano, Sesia, Candès: Classification with valid and adaptive coverage, NeurIPS 2020. Classes go
into a set from the likeliest down until their probabilities reach a threshold, the last by chance,
so that as many samples are covered as was asked; the threshold is that of samples which the head
was not fitted on. Where those and the new samples are alike, and whatever the head, the right class
is in the set of a new sample with the probability that was asked, on average over samples.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np


def chances(probabilities: np.ndarray) -> np.ndarray:
    """A number from 0 to below 1 of each row, (n,), which follows from the row itself: so the same
    sample has the same set, whoever asks and in whatever order."""
    rows = np.ascontiguousarray(probabilities, np.float32)
    hashed = (hashlib.sha256(row.tobytes()).digest()[:8] for row in rows)
    return np.array([int.from_bytes(one) / 2**64 for one in hashed], np.float64)


def levels(probabilities: np.ndarray) -> np.ndarray:
    """From which threshold on each class is in a row's set, (n, classes) float64: the probability
    of all that are likelier, and a part of its own that chance decides. The likeliest is in every
    set, so that none is empty; as the threshold is found with that, no more are covered by it
    than was asked, unless the head alone is right more often."""
    wide = probabilities.astype(np.float64)
    order = np.argsort(-wide, axis=1, kind="stable")
    ordered = np.take_along_axis(wide, order, axis=1)
    before = np.cumsum(ordered, axis=1) - ordered
    found = np.empty_like(wide)
    np.put_along_axis(found, order, before + chances(probabilities)[:, None] * ordered, axis=1)
    np.put_along_axis(found, order[:, :1], 0.0, axis=1)
    return found


def threshold_of(probabilities: np.ndarray, targets: np.ndarray, coverage: float) -> float:
    """The threshold at which sets hold the right class as often as asked; infinite where there are
    too few samples to tell, so that sets hold every class.

    Args:
        probabilities: of samples that the head was not fitted on, (n, classes).
        targets: their class numbers, (n,).
        coverage: the share of sets that are to hold the right class, above 0 and below 1.
    """
    scores = np.sort(levels(probabilities)[np.arange(len(targets)), targets])
    rank = math.ceil((len(scores) + 1) * coverage)  # of n + 1, as the new sample is one of them
    return float(scores[rank - 1]) if rank <= len(scores) else math.inf


def sets_of(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Which classes are in the set of each row, (n, classes) bool."""
    return levels(probabilities) <= threshold
