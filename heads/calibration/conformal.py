"""Sets of classes that hold the right one as often as is asked: adaptive prediction sets.

Romano, Sesia, Candès: Classification with valid and adaptive coverage, NeurIPS 2020, without the
randomisation: a sample has the same set whoever asks and in whatever batch, while the last bits of
its probabilities differ from batch to batch. Classes go into a set from the likeliest down until
their probabilities pass a threshold, which is that of samples that the head was not fitted on.
Where those and the new samples are alike, and whatever the head, the right class is in the set of a
new sample with the probability that was asked or more, on average over samples. Of samples in
groups, on average over new groups: those of one are no evidence of their own (Lee, Barber, Willett:
Distribution-free inference with hierarchical data, 2023).
"""

from __future__ import annotations

import math

import numpy as np

SAME = 1e-4
"""Relative: probabilities that differ less are the same, computed in other batches. The threshold
is that of a sample, which has its own class in its set by this, however it is computed."""


def score_at(scores: np.ndarray, level: float, groups: np.ndarray | None = None) -> float:
    """The score that a new sample's does not pass with the probability that was asked; infinite
    where there are too few samples to tell.

    Args:
        scores: of samples that the head was not fitted on, the larger the worse, (n,).
        level: the probability, above 0 and below 1.
        groups: the number of the group that each is in, (n,); a group counts as one sample. None
            where each is on its own.
    """
    if groups is not None:
        _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        order = np.argsort(scores)
        passed = np.cumsum(1 / sizes[own[order]])
        # of all groups and the new one; a sum of shares may end a rounding short
        is_enough = passed >= (len(sizes) + 1) * level - 1e-9
        return float(scores[order][is_enough.argmax()]) if is_enough.any() else math.inf
    rank = math.ceil((len(scores) + 1) * level)  # of n + 1, as the new sample is one of them
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def levels(probabilities: np.ndarray, said: np.ndarray) -> np.ndarray:
    """From which threshold on each class is in a row's set, (n, classes) float64: the probability
    of all that go in before it, 0 of the first.

    Args:
        probabilities: (n, classes).
        said: the class that the head says of each row, (n,), which goes in first, so that no set
            contradicts it; the others from the likeliest down. As the threshold is found in the
            same order, it promises the same.
    """
    wide = probabilities.astype(np.float64)
    ranked = wide.copy()
    ranked[np.arange(len(wide)), said] = np.inf
    order = np.argsort(-ranked, axis=1, kind="stable")
    ordered = np.take_along_axis(wide, order, axis=1)
    left = np.cumsum(ordered[:, ::-1], axis=1)[:, ::-1]  # of each and all behind it: never near 1
    found = np.empty_like(wide)
    np.put_along_axis(found, order, 1 - left / left[:, :1], axis=1)
    return found


def threshold_of(
    probabilities: np.ndarray,
    said: np.ndarray,
    targets: np.ndarray,
    coverage: float,
    groups: np.ndarray | None = None,
) -> float:
    """The threshold at which sets hold the right class as often as asked; infinite where there are
    too few samples to tell, so that sets hold every class.

    Args:
        probabilities: of samples that the head was not fitted on, (n, classes).
        said: the class numbers that the head says of them, (n,).
        targets: their class numbers, (n,).
        coverage: the share of sets that are to hold the right class, above 0 and below 1.
        groups: the number of the group that each is in, (n,); a group counts as one sample. None
            where each is on its own.
    """
    scores = levels(probabilities, said)[np.arange(len(targets)), targets]
    return score_at(scores, coverage, groups)


def sets_of(probabilities: np.ndarray, said: np.ndarray, threshold: float) -> np.ndarray:
    """Which classes are in the set of each row, (n, classes) bool; see `levels`."""
    return 1 - levels(probabilities, said) >= (1 - threshold) * (1 - SAME)
