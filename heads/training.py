"""Training: from a view to a fitted head with metrics on the held-out split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack, stack_of
from headstart.heads.kinds import HeadKind, Part
from headstart.heads.labelled import check_labels, numbers_of
from headstart.heads.rows import rows_of
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.views import FeatureView

PREDICTED_AT_ONCE = 4096


@dataclass(frozen=True)
class Trained:
    """A trained head: the stack, its metrics, and how the fit went."""

    stack: DenseStack
    metrics: dict[str, Any]
    details: dict[str, Any]


def train(view: FeatureView, kind: HeadKind, seed: int) -> Trained:
    """Fit a head on the view's train and validation splits and measure it on the test split.

    Raises:
        HeadError: the labels or splits do not allow it; the message says which.
    """
    parts, classes = parts_of(view)
    fitted = kind.fit(parts["train"], parts["validation"], len(classes), seed)
    stack = stack_of(fitted.layers, classes)
    metrics = evaluate(predict_all(stack, parts["test"]), parts["test"].targets, classes)
    metrics |= {f"n_{split}": len(part) for split, part in parts.items()}
    return Trained(stack, metrics, fitted.details)


def parts_of(view: FeatureView) -> tuple[dict[str, Part], list[Label]]:
    """The splits with features and class numbers, and the label of each number.

    Raises:
        HeadError: the labels or splits do not allow training; the message says which.
    """
    classes = check_labels(view.samples)
    parts = {split: _part(view, split, classes) for split in SPLITS}
    _check(parts, classes)
    return parts, classes


def predict_all(stack: DenseStack, part: Part) -> np.ndarray:
    """Class probabilities of all rows of a part, (n, classes), some rows at a time."""
    starts = range(0, len(part), PREDICTED_AT_ONCE)
    return np.concatenate(
        [stack.predict_proba(part.features[start : start + PREDICTED_AT_ONCE]) for start in starts]
    )


def evaluate(
    probabilities: np.ndarray, targets: np.ndarray, classes: Sequence[Label]
) -> dict[str, Any]:
    """Accuracy, macro F1, log loss and the confusion matrix (rows: truth).

    The macro F1 is the mean over the classes that occur among the targets or the guesses.

    Args:
        probabilities: (n, classes).
        targets: (n,) class numbers.
        classes: the label of each number.
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

    numbers = range(len(classes))
    guesses = probabilities.argmax(axis=1)
    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(accuracy_score(targets, guesses)),
        "macro_f1": float(f1_score(targets, guesses, average="macro")),
        "log_loss": float(log_loss(targets, wide, labels=numbers)),
        "confusion": confusion_matrix(targets, guesses, labels=numbers).tolist(),
    }


def _part(view: FeatureView, split: str, classes: list[Label]) -> Part:
    rows = view.split(split)
    return Part(rows_of(rows), numbers_of(rows.labels, classes))


def _check(parts: dict[str, Part], classes: list[Label]) -> None:
    for split in ("train", "test"):
        if not len(parts[split]):
            raise HeadError(
                f"the {split} split is empty",
                hint="Add samples, or say which is which in a `split` column or array.",
            )
    seen = set(np.unique(parts["train"].targets).tolist())
    unseen = [label for number, label in enumerate(classes) if number not in seen]
    if unseen:
        raise HeadError(
            f"class {unseen[0]!r} has no sample in the train split",
            hint="Add samples of it, leave it out, or give a `split` column or array.",
        )
