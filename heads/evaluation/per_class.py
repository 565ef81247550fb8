"""What becomes of the samples of each class: precision, recall, F1 and how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.evaluation.clusters import (
    Clusters,
    cluster_share_interval,
    influenced_interval,
)
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.storage.manifest import Label


def counts_of(
    guesses: np.ndarray, targets: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each class its samples, how many are said to be of it, and how many rightly.

    Args:
        guesses: class numbers, (n,); or where a label is said, bool, (n, labels).
        targets: class numbers, (n,); or 0 and 1, (n, labels).
        classes: how many.
    """
    if targets.ndim == 2:
        truth = targets > 0
        return truth.sum(axis=0), guesses.sum(axis=0), (truth & guesses).sum(axis=0)
    right = guesses[guesses == targets]
    found = (np.bincount(one, minlength=classes) for one in (targets, guesses, right))
    support, said, hits = found
    return support, said, hits


def scores_by_class(support: np.ndarray, said: np.ndarray, hits: np.ndarray) -> dict[str, Any]:
    """Lists with a place for each class, for JSON; None where there is nothing to divide by: no
    sample of a class was tested, or none was said to be of it.

    Returns:
        `support` (samples), `said` (samples said to be of it), `precision`, `recall`, `f1`.
    """

    def shares(parts: np.ndarray, wholes: np.ndarray) -> list[float | None]:
        pairs = zip(parts.tolist(), wholes.tolist(), strict=True)
        return [part / whole if whole else None for part, whole in pairs]

    return {
        "support": support.tolist(),
        "said": said.tolist(),
        "precision": shares(hits, said),
        "recall": shares(hits, support),
        "f1": shares(2 * hits, np.where(support > 0, support + said, 0)),
    }


def majority_of(metrics: Mapping[str, Any]) -> float | None:
    """How often the most frequent class of the test split is right, the chance level of an
    accuracy; None of heads of before that have no samples of each class."""
    support = metrics.get("per_class", {}).get("support")
    return max(support) / sum(support) if support and sum(support) else None


def balanced_accuracy(
    guesses: np.ndarray, targets: np.ndarray, clusters: Clusters | None
) -> tuple[float, tuple[float, float]]:
    """The mean recall of the classes that have samples, with its interval.

    Each recall is a share of the class's own samples, and their mean has the mean of their
    variances; of classes with one sample it is that between them.

    Args:
        guesses: class numbers, (n,).
        targets: likewise.
        clusters: which samples belong together.
    """
    _, numbers, counts = np.unique(targets, return_inverse=True, return_counts=True)
    right = (guesses == targets).astype(np.float64)
    recalls = np.bincount(numbers, right) / counts
    mean, classes = float(recalls.mean()), len(counts)
    weights = 1 / np.sqrt(counts * np.maximum(counts - 1.0, 1)) / classes
    influence = (right - recalls[numbers]) * weights[numbers]
    alone = float(((recalls[counts == 1] - mean) ** 2).sum()) / classes**2
    most = classes**2 / float((1 / counts).sum())
    return mean, influenced_interval(mean, influence, alone, most, clusters)


def macro_f1_interval(
    truth: Any, said: Any, clusters: Clusters | None = None
) -> tuple[float, float] | None:
    """Of the mean F1 of the classes that occur: by the influence of each sample, its derivative by
    the sample's weight, times the root of s / (s - 1) of a class with s samples, which vary less
    around their own mean.

    F1 of few samples is too low, and by how much follows from leaving out one after the other
    (Efron and Stein: The jackknife estimate of variance, 1981): the interval reaches as far as
    either that of the value or that of the value less its bias. See docs/statistics.md.

    Args:
        truth: 1 where a sample is of a class, sparse or dense, (n, classes).
        said: 1 where it is said to be, likewise.
        clusters: which samples belong together.
    """
    if truth.shape[0] < 2 or (clusters is not None and len(clusters) < 2):
        return None
    occurs = np.flatnonzero(np.asarray(truth.sum(axis=0)).ravel())
    if not len(occurs):
        return None
    truth, said = truth[:, occurs], said[:, occurs]
    right, marks = truth * said, truth + said
    support, told, hits = (np.asarray(one.sum(axis=0)).ravel() for one in (truth, said, right))
    f1, both = 2 * hits / (support + told), support + told
    weights = np.sqrt(support / np.maximum(support - 1, 1)) / both / len(occurs)
    influence = right @ (2 * weights) - marks @ (f1 * weights)
    value, most = float(f1.mean()), len(occurs) ** 2 / float((1 / support).sum())
    if value == 1:  # nothing tells whether labels of a sample are wrong together
        most = min(most, float(truth.shape[0]))
    better = min(max(value - _bias(hits, support, told, truth.shape[0]), 0.0), 1.0)
    ends = [influenced_interval(one, influence, 0.0, most, clusters) for one in (value, better)]
    return min(low for low, _ in ends), max(high for _, high in ends)


def _bias(hits: np.ndarray, support: np.ndarray, told: np.ndarray, samples: int) -> float:
    """The jackknife's of the macro F1: what leaving out each sample adds to it, but for the only
    one of a class, without which there is none."""
    both = support + told
    f1 = 2 * hits / both
    without_hit = np.where(support > 1, 2 * (hits - 1) / np.maximum(both - 2, 1), f1)
    without_error = 2 * hits / np.maximum(both - 1, 1)
    moved = hits * (without_hit - f1) + (both - 2 * hits) * (without_error - f1)
    return float(moved.mean()) * (samples - 1) / samples


Ends = list[float] | None
"""Of an interval; None where there is none."""
SHARES = ("precision", "recall", "f1")
"""Of a class, each with an interval."""


def intervals_by_class(
    guesses: np.ndarray, targets: np.ndarray, classes: int, clusters: Clusters | None
) -> dict[str, list[Ends]]:
    """By `SHARES`, the 95 % interval of each class, [low, high]; None where it has no score.

    Args:
        guesses: as in `counts_of`.
        targets: likewise.
        classes: how many.
        clusters: which samples belong together.
    """
    if clusters is None:
        return _of_counts(*counts_of(guesses, targets, classes))
    found: dict[str, list[Ends]] = {name: [] for name in SHARES}
    for number in range(classes):
        if targets.ndim == 2:
            truth, said = targets[:, number] > 0, guesses[:, number]
        else:
            truth, said = targets == number, guesses == number
        right, either = truth & said, truth | said if truth.any() else truth
        ends = [_of_rows(right, rows, clusters) for rows in (said, truth, either)]
        for name, one in zip(SHARES, (*ends[:2], _of_jaccard(ends[2])), strict=True):
            found[name].append(one)
    return found


def _of_rows(right: np.ndarray, rows: np.ndarray, clusters: Clusters) -> Ends:
    """Of the share of some rows that is right, (n,) bool each."""
    if not rows.any():
        return None
    chosen = clusters.rows(rows)
    if chosen is None:
        return list(wilson_interval(int(right[rows].sum()), int(rows.sum())))
    return [float(end) for end in cluster_share_interval(right[rows], chosen)]


def _of_counts(support: np.ndarray, said: np.ndarray, hits: np.ndarray) -> dict[str, list[Ends]]:
    """Of independent samples, Wilson's."""

    def shares(wholes: np.ndarray) -> list[Ends]:
        pairs = zip(hits.tolist(), wholes.tolist(), strict=True)
        return [list(wilson_interval(hit, whole)) if whole else None for hit, whole in pairs]

    either = np.where(support > 0, support + said - hits, 0)
    f1 = [_of_jaccard(ends) for ends in shares(either)]
    return dict(zip(SHARES, (shares(said), shares(support), f1), strict=True))


def _of_jaccard(ends: Ends) -> Ends:
    """F1 is 2 J / (1 + J), where J is the share that is right of all samples that are of the class
    or said to be: its interval is that of this share."""
    return None if ends is None else [2 * share / (1 + share) for share in ends]


ClassShare = tuple[float, float | None, float | None]
"""A share and the ends of its 95 % interval, None where none is known."""


@dataclass(frozen=True)
class ClassScores:
    """Of one class; None where nothing can be said.

    Attributes:
        label: of the class.
        support: its held-out samples.
        precision: the share of what is said to be of it that is, and its 95 % interval.
        recall: the share of its samples that is found, likewise.
        f1: likewise.
        auroc: of the class against all others; None where it was not stored.
        auprc: likewise.
    """

    label: Label
    support: int
    precision: ClassShare | None
    recall: ClassShare | None
    f1: ClassShare | None
    auroc: float | None
    auprc: float | None


def class_scores(metrics: Mapping[str, Any], classes: Sequence[Label]) -> list[ClassScores]:
    """The scores of each class, of what a head's metrics hold: heads of before have the matrix of
    what they confuse, and intervals where samples are independent; none where not even that is
    stored."""
    stored = metrics.get("per_class")
    if stored is not None:
        support, said = np.array(stored["support"]), np.array(stored["said"])
        recalls = np.array([one or 0.0 for one in stored["recall"]])
        hits = np.rint(recalls * support).astype(int)
    elif "confusion" in metrics:
        confusion = np.array(metrics["confusion"])
        support, said, hits = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    else:
        return []
    unknown = [None] * len(classes)
    intervals = (stored or {}).get("intervals")
    if intervals is None and "groups" not in metrics:
        intervals = _of_counts(support, said, hits)
    values = scores_by_class(support, said, hits)
    shares = [_with_ends(values[name], (intervals or {}).get(name, unknown)) for name in SHARES]
    areas = [(stored or {}).get(name, unknown) for name in ("auroc", "auprc")]
    return [
        ClassScores(label, *each)
        for label, *each in zip(classes, support.tolist(), *shares, *areas, strict=True)
    ]


def _with_ends(values: list[float | None], ends: Sequence[Ends]) -> list[ClassShare | None]:
    """Each value with its interval."""
    found: list[ClassShare | None] = []
    for value, one in zip(values, ends, strict=True):
        low, high = one or (None, None)
        found.append(None if value is None else (value, low, high))
    return found
