"""What becomes of the samples of each class: precision, recall, F1 and how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.heads.evaluation.clusters import Clusters, influenced_interval
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
    precision: tuple[float, float, float] | None
    recall: tuple[float, float, float] | None
    f1: tuple[float, float, float] | None
    auroc: float | None
    auprc: float | None


def class_scores(metrics: Mapping[str, Any], classes: Sequence[Label]) -> list[ClassScores]:
    """The scores of each class, of what a head's metrics hold: heads of before have the matrix of
    what they confuse; none where not even that is stored."""
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
    areas = [(stored or {}).get(name, [None] * len(classes)) for name in ("auroc", "auprc")]
    counts = zip(support.tolist(), said.tolist(), hits.tolist(), strict=True)
    return [
        ClassScores(
            label, count, _share(hit, told), _share(hit, count), _f1(hit, told, count), roc, curve
        )
        for label, (count, told, hit), roc, curve in zip(classes, counts, *areas, strict=True)
    ]


def _share(hits: int, total: int) -> tuple[float, float, float] | None:
    return (hits / total, *wilson_interval(hits, total)) if total else None


def _f1(hits: int, said: int, support: int) -> tuple[float, float, float] | None:
    """F1 is 2 J / (1 + J), where J is the share that is right of all samples that are of the class
    or said to be: its interval is that of this share."""
    if not support:
        return None
    found = _share(hits, support + said - hits)
    assert found is not None  # the class has samples
    value, low, high = (2 * share / (1 + share) for share in found)
    return value, low, high
