"""What a trunk in int8 costs: its features beside those in float32, and a linear head on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import BackboneError
from headstart.notices import warn
from headstart.storage.manifest import Label

if TYPE_CHECKING:  # what has to do with heads is loaded where a trunk is calibrated
    from headstart.heads.evaluation.paired import OftenRight

FOLDS = 5
LARGEST_ERROR = 0.5
"""Of the mean relative error of a row, where there are no labels. EfficientNet-Lite0 on emoji comes
to 0.24 and loses no accuracy that could be measured; rows of two samples differ by about 1."""
ALPHAS = np.logspace(0, 5, 6)
PERCENT = 100.0


def verdict_of(
    whole: np.ndarray,
    quantized: np.ndarray,
    labels: Sequence[Label | None],
    groups: Sequence[str | None],
) -> dict[str, Any]:
    """What int8 costs, JSON values, by samples that it was not calibrated by.

    Where at least two classes have `FOLDS` samples or more, in as many groups at least: how many of
    them a ridge classifier tells right, cross-validated, and the paired difference with its 95 %
    interval, which allows for folds that are alike (see `Outcomes.alike`). Fewer groups, which
    cannot be dealt to the folds, are told as `few_groups`.

    Args:
        whole: features in float32, (n, numbers).
        quantized: of the same samples in int8.
        labels: of them; None where they have none.
        groups: likewise.
    """
    from headstart.heads.evaluation.clusters import Clusters
    from headstart.heads.evaluation.paired import often_right

    apart = np.linalg.norm(quantized - whole, axis=1)
    errors = apart / np.maximum(np.linalg.norm(whole, axis=1), 1e-12)
    found: dict[str, Any] = {
        "samples": len(errors),
        "relative_error": float(errors.max()),
        "mean_relative_error": float(errors.mean()),
    }
    rows, targets = _of_classes(labels)
    if len(rows) and np.isfinite(errors).all():
        own = [groups[row] or f"\0{row}" for row in rows.tolist()]
        if len(set(own)) < FOLDS:
            return found | {"few_groups": len(set(own))}
        clusters = Clusters.of(own)
        was = right_of(whole[rows], targets, own)
        now = right_of(quantized[rows], targets, own)
        found["accuracy"] = _accuracy(was, now, often_right(was, now, clusters))
    return found


def _accuracy(was: np.ndarray, now: np.ndarray, compared: OftenRight) -> dict[str, Any]:
    """Accuracies of heads of folds, who are alike: the interval reaches as much further."""
    from headstart.heads.evaluation.outcomes import Outcomes

    interval = compared.interval
    if interval is not None:
        # of one run nothing else depends on which fold tried which sample
        once = Outcomes(now[None], np.arange(len(now))[None] % FOLDS, 1 - 1 / FOLDS)
        middle, reach = compared.difference, once.alike**0.5
        low, high = (middle + reach * (end - middle) for end in interval)
        interval = max(low, -1.0), min(high, 1.0)
    return {
        "samples": len(was),
        "float32": float(was.mean()),
        "int8": float(now.mean()),
        "loss_points": -PERCENT * compared.difference,
        "interval_points": None
        if interval is None
        else [-PERCENT * interval[1], -PERCENT * interval[0]],
    }


def _of_classes(labels: Sequence[Label | None]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of classes that have enough samples, and their class numbers; none of fewer than two.

    Numbers with a fraction are values to be predicted, and no classes.
    """
    if any(isinstance(label, float) for label in labels):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    there = np.array([row for row, label in enumerate(labels) if label is not None], np.int64)
    named = [repr(labels[row]) for row in there.tolist()]
    _, numbers, counts = np.unique(named, return_inverse=True, return_counts=True)
    enough = counts[numbers] >= FOLDS if len(named) else np.empty(0, bool)
    if (counts >= FOLDS).sum() < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    return there[enough], numbers[enough]


def right_of(features: np.ndarray, targets: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Which samples a head tells right that was trained without them and their groups, bool."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    right = np.zeros(len(targets), bool)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(features, targets, groups):
        head = make_pipeline(StandardScaler(), RidgeClassifierCV(ALPHAS))
        head.fit(features[train], targets[train])
        right[test] = head.predict(features[test]) == targets[test]
    return right


def loses(verdict: dict[str, Any], max_loss: float) -> bool:
    """Whether a calibration loses more than is allowed, beyond doubt; see `check_loss`."""
    accuracy = verdict.get("accuracy")
    if accuracy is None:
        return not verdict["mean_relative_error"] <= LARGEST_ERROR  # also of NaN
    interval = accuracy["interval_points"]
    return accuracy["loss_points"] > max_loss and (interval is None or interval[0] > max_loss)


def check_loss(label: str, dataset: str, verdict: dict[str, Any], max_loss: float) -> None:
    """Refuse a calibration that loses more than is allowed, beyond doubt; warn where it may.

    The probe is of a thousand samples at most, on which a paired difference of accuracies is known
    to about a point: by the estimate alone, calibrations that lose nothing would be refused every
    fourth time. So one is refused where the whole 95 % interval lies above `max_loss`.

    Args:
        label: of the backbone and cut, for messages.
        dataset: by which it was calibrated.
        verdict: see `verdict_of`.
        max_loss: points of accuracy.

    Raises:
        BackboneError: it loses more.
    """
    accuracy = verdict.get("accuracy")
    if accuracy is None:
        _check_error(label, dataset, verdict, max_loss)
        return
    if accuracy["loss_points"] <= max_loss:
        return
    words = words_of(label, dataset, accuracy)
    if not loses(verdict, max_loss):
        warn(f"{words}; that may be chance: the interval reaches the {max_loss:g} that are allowed")
        return
    raise BackboneError(
        f"{words}, more than {max_loss:g} allowed",
        hint="Use --precision bfloat16, or allow it: --max-loss.",
    )


def _check_error(label: str, dataset: str, verdict: dict[str, Any], max_loss: float) -> None:
    """As `check_loss`, where no accuracy is known."""
    error, groups = verdict["mean_relative_error"], verdict.get("few_groups")
    why = "there are no labels to tell what that costs"
    if groups is not None:
        why = (
            f"the labelled samples are of {groups} groups, and {FOLDS} are needed to tell what it "
            "costs in accuracy"
        )
    if loses(verdict, max_loss):
        raise BackboneError(
            f"{label!r} in int8 gives other features: the mean relative error on "
            f"{verdict['samples']:,} samples of {dataset} is {error:.2g}, allowed "
            f"{LARGEST_ERROR:g}; {why}",
            hint="Use --precision bfloat16.",
        )
    if groups is not None:
        warn(
            f"{label!r} in int8 has a mean relative error of {error:.2g} on {verdict['samples']:,} "
            f"samples of {dataset}, allowed {LARGEST_ERROR:g}; {why}"
        )


def words_of(label: str, dataset: str, accuracy: dict[str, Any]) -> str:
    """What int8 costs, for a person."""
    interval = accuracy["interval_points"]
    within = "" if interval is None else f" (95 %: {interval[0]:.1f} to {interval[1]:.1f})"
    return (
        f"{label!r} in int8 loses {accuracy['loss_points']:.1f} points of accuracy{within}: a "
        f"linear head is right on {accuracy['int8']:.1%} of {accuracy['samples']:,} samples of "
        f"{dataset}, {accuracy['float32']:.1%} in float32"
    )
