"""A head's scores on samples that it was not trained on, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.heads.evaluation.areas import areas_of
from headstart.heads.evaluation.bootstrap import (
    Interval,
    Unseen,
    mean_interval,
    micro_f1_interval,
    r2_interval,
    roots_interval,
)
from headstart.heads.evaluation.clusters import Clusters, assumption_of, cluster_share_interval
from headstart.heads.evaluation.intervals import BOUNDED, CONFIDENCE, wilson_interval
from headstart.heads.evaluation.per_class import (
    balanced_accuracy,
    counts_of,
    intervals_by_class,
    macro_f1_interval,
    scores_by_class,
)
from headstart.heads.evaluation.reliability import (
    Reliability,
    briers_of,
    said_alone,
    unseen_of,
)
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.regression import SCORES, SHARE_BELOW, Regression, shares_below
from headstart.heads.tasks import SAID_FROM, MultiLabel, Ordinal, Task
from headstart.storage.manifest import Label


def scores_of(
    task: Task,
    outputs: np.ndarray,
    targets: np.ndarray,
    classes: Sequence[Label],
    clusters: Clusters | None = None,
) -> dict[str, Any]:
    """The scores that the task's `evaluate` gives, those of what probabilities are worth, and how
    sure each is.

    Of 1,000 classes and 50,000 samples they take some ten seconds: bootstraps draw fewer times
    where there are many samples, the areas draw nothing (see there), and all else is one pass over
    the outputs.

    Args:
        task: what the labels mean.
        outputs: probabilities (n, classes), or numbers (n, outputs).
        targets: as the task reads them.
        classes: the label of each output.
        clusters: which samples belong together, so that they are not independent.

    Returns:
        The scores; `per_class`, what becomes of the samples of each class (see `scores_by_class`),
        with `auroc`, `auprc` and `intervals` (see `intervals_by_class`); `intervals`, of each score
        its 95 % interval, [low, high], where samples, or groups, are enough to tell, also in each
        member of `of_each`;
        `interval_assumes`, that samples are independent, or how many `groups` are; and `untested`,
        the classes of which no sample was looked at.
    """
    found = task.evaluate(outputs, targets, classes)
    said = decided(task, outputs)
    intervals = _intervals(found, outputs, said, targets, clusters)
    if isinstance(task, Regression) and (name := SCORES.get(task.loss)) is not None:
        known = mean_interval(task.losses_of(outputs, targets), clusters=clusters)
        intervals |= {} if known is None else {name: _around(name, found[name], *known)}
    for number, one in enumerate(found.get("of_each", ())):
        own = outputs[:, [number]]
        one["intervals"] = _intervals(one, own, own, targets[:, [number]], clusters)
    if not isinstance(task, Regression):
        more, found["per_class"] = _of_classes(outputs, said, targets, clusters)
        for name, (value, interval) in more.items():
            found[name] = value
            if interval is not None:
                intervals[name] = _around(name, value, *interval)
    return {
        **found,
        "intervals": intervals,
        "interval_assumes": assumption_of(clusters),
        **({} if clusters is None else {"groups": len(clusters)}),
        "untested": untested(task, targets, classes),
    }


def _intervals(
    found: Mapping[str, Any],
    outputs: np.ndarray,
    said: np.ndarray,
    targets: np.ndarray,
    clusters: Clusters | None,
) -> dict[str, list[float]]:
    """The intervals of the scores that a task gives, where there are some."""
    intervals = {}
    for name, value in found.items():
        given = said if name in OF_DECISIONS else outputs
        if (
            name in INTERVALS
            and (interval := INTERVALS[name](given, targets, clusters)) is not None
        ):
            intervals[name] = _around(name, value, *interval)
    return intervals


OF_DECISIONS = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "steps_off",
    "ece",
    "ece_debiased",
)
"""Scores that look at the class that is said of a sample alone, and how probable it is."""


def decided(task: Task, outputs: np.ndarray) -> np.ndarray:
    """Outputs whose largest is the class that the task says: of an ordinal head, which may say
    another than the likeliest, what is said alone."""
    return said_alone(outputs, task.guess(outputs)) if isinstance(task, Ordinal) else outputs


def _around(name: str, value: float, low: float, high: float) -> list[float]:
    """An interval that holds the score, within what the score can be."""
    least = -np.inf if name == "r2" else 0.0
    most = 1.0 if name in BOUNDED else np.inf
    return [max(min(low, value), least), min(max(high, value), most)]


def widened(found: Mapping[str, Any], by: float) -> dict[str, Any]:
    """Scores whose intervals reach so many times as far from the score, within what it can be: of
    heads of folds, which are alike, see `Outcomes.reach`."""
    intervals = {
        name: _around(name, found[name], *(found[name] + by * (end - found[name]) for end in ends))
        for name, ends in found["intervals"].items()
    }
    return {**found, "intervals": intervals}


Scored = tuple[float, Interval | None]
"""A score and its interval."""


def _of_classes(
    outputs: np.ndarray, decisions: np.ndarray, targets: np.ndarray, clusters: Clusters | None
) -> tuple[dict[str, Scored], dict[str, Any]]:
    """The scores that any probabilities of classes have, and those of each class; `decisions` are
    those of `decided`."""
    several = targets.ndim == 2
    guesses = outputs >= SAID_FROM if several else decisions.argmax(axis=1)
    support, said, hits = counts_of(guesses, targets, outputs.shape[1])
    areas = areas_of(outputs, targets, clusters)
    known: dict[str, Scored | None] = {
        "auroc": areas.auroc,
        "mean_average_precision" if several else "auprc": areas.auprc,
        "brier": _brier(outputs, targets, clusters),
    }
    if not several:
        reliability = Reliability.of(decisions, targets, clusters)
        ends = reliability.interval()
        known["balanced_accuracy"] = balanced_accuracy(guesses, targets, clusters)
        known["ece"] = reliability.error, ends
        known["ece_debiased"] = reliability.debiased, ends
    each = scores_by_class(support, said, hits)
    each |= {"auroc": areas.roc, "auprc": areas.precision}
    each["intervals"] = intervals_by_class(guesses, targets, outputs.shape[1], clusters)
    return {name: one for name, one in known.items() if one is not None}, each


def untested(task: Task, targets: np.ndarray, classes: Sequence[Label]) -> list[Label]:
    """The classes of which no sample is there, so that nothing is known of them."""
    if isinstance(task, Regression):
        return []
    several = isinstance(task, MultiLabel)
    counts = (targets > 0).sum(axis=0) if several else np.bincount(targets, minlength=len(classes))
    return [label for label, count in zip(classes, counts.tolist(), strict=True) if not count]


DENSE = 1 << 20
"""Outputs of samples, eight bytes each, up to which what is right is not kept sparse."""
FEW = 5
"""Samples of a class to train on, below which its scores say little."""


def few_trained(
    task: Task, targets: np.ndarray, classes: Sequence[Label]
) -> list[tuple[Label, int]]:
    """The classes that were trained on fewer than `FEW` samples, with how many.

    Args:
        task: what the labels mean.
        targets: of the train split, without augmented views, as the task reads them.
        classes: the label of each output.
    """
    if isinstance(task, Regression):
        return []
    several = isinstance(task, MultiLabel)
    counts = (targets > 0).sum(axis=0) if several else np.bincount(targets, minlength=len(classes))
    return [
        (label, count) for label, count in zip(classes, counts.tolist(), strict=True) if count < FEW
    ]


def share_interval_of(
    right: np.ndarray, clusters: Clusters | None, confidence: float = CONFIDENCE
) -> Interval | None:
    """Of the share of samples that are right, (n,) bool; of groups one of groups."""
    if clusters is not None:
        return cluster_share_interval(right, clusters, confidence)
    return wilson_interval(int(right.sum()), len(right), confidence) if len(right) else None


def _accuracy(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    return share_interval_of(outputs.argmax(axis=1) == targets, clusters)


def _exact(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    return share_interval_of(((outputs >= SAID_FROM) == (targets > 0)).all(axis=1), clusters)


def by_class(outputs: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
    """1 where a sample is of a class, and where it is said to be, sparse, (n, classes)."""
    from scipy.sparse import csr_array

    if targets.ndim == 2:
        return csr_array(1.0 * (targets > 0)), csr_array(1.0 * (outputs >= SAID_FROM))
    rows, ones = np.arange(len(targets)), np.ones(len(targets))
    truth = csr_array((ones, (rows, targets)), shape=outputs.shape)
    return truth, csr_array((ones, (rows, outputs.argmax(axis=1))), shape=outputs.shape)


def _marked(outputs: np.ndarray, targets: np.ndarray) -> tuple[Any, Any]:
    """As `by_class`, and dense where one of few classes is right of few samples: the import of
    `scipy.sparse` takes longer than all that is done with them."""
    if targets.ndim == 2 or outputs.size > DENSE:
        return by_class(outputs, targets)
    classes = np.arange(outputs.shape[1])
    return tuple(1.0 * (one[:, None] == classes) for one in (targets, outputs.argmax(axis=1)))


def _log_loss(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    losses = log_losses_of(outputs, targets)
    unseen = unseen_of(log_losses_of, outputs, targets)
    return mean_interval(losses, clusters=clusters, unseen=unseen)


def _brier(outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None) -> Scored:
    briers, unseen = briers_of(outputs, targets), unseen_of(briers_of, outputs, targets)
    return float(briers.mean()), mean_interval(briers, clusters=clusters, unseen=unseen)


def _steps(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    steps = np.abs(outputs.argmax(axis=1) - targets).astype(np.float64)
    # one step more than any sample is off, within the order
    most = min(float(steps.max(initial=0)) + 1, outputs.shape[1] - 1.0)
    return mean_interval(steps, clusters=clusters, unseen=Unseen(0.0, most))


def _error(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    errors = np.abs(outputs.astype(np.float64) - targets).mean(axis=1)
    return mean_interval(errors, clusters=clusters)


def _squared(
    outputs: np.ndarray, targets: np.ndarray, clusters: Clusters | None = None
) -> Interval | None:
    return roots_interval((outputs.astype(np.float64) - targets) ** 2, clusters)


INTERVALS: dict[str, Callable[..., Interval | None]] = {
    "accuracy": _accuracy,
    "exact": _exact,
    "steps_off": _steps,
    "macro_f1": lambda outputs, targets, clusters=None: macro_f1_interval(
        *_marked(outputs, targets), clusters
    ),
    "micro_f1": lambda outputs, targets, clusters=None: micro_f1_interval(
        *by_class(outputs, targets), clusters
    ),
    "log_loss": _log_loss,
    SHARE_BELOW: lambda outputs, targets, clusters=None: (
        share_interval_of(targets[:, 0] <= outputs[:, 0], clusters)
        if targets.shape[1] == 1
        else mean_interval(shares_below(outputs, targets), clusters=clusters)
    ),
    "mean_absolute_error": _error,
    "root_mean_squared_error": _squared,
    "r2": lambda outputs, targets, clusters=None: r2_interval(
        outputs.astype(np.float64), targets, clusters
    ),
}
"""By the name of the score, of outputs, targets, and which samples belong together."""
