"""Training: from a view to a fitted head with metrics on the held-out split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack, outputs_of, stack_of
from headstart.heads.kinds import HeadKind, Part
from headstart.heads.rows import rows_of
from headstart.heads.tasks import Classification, Task
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.views import FeatureView


@dataclass(frozen=True)
class Trained:
    """A trained head.

    Attributes:
        stack: its layers.
        kind: the name of its kind.
        metrics: on the test split.
        settings: of kind and task, and how the fit went (JSON values).
    """

    stack: DenseStack
    kind: str
    metrics: dict[str, Any]
    settings: dict[str, Any]


def train(view: FeatureView, kind: HeadKind | None, seed: int, task: Task | None = None) -> Trained:
    """Fit a head on the view's train and validation splits and measure it on the test split.

    Args:
        view: features with labels.
        kind: of the head; the task's default without it.
        seed: of everything that chance decides.
        task: what the labels mean; a classification without it.

    Raises:
        HeadError: the labels or splits do not allow it; the message says which.
    """
    task = task or Classification()
    chosen: HeadKind = kind or task.default_kind()
    parts, classes = parts_of(view, task)
    outputs = len(classes) or parts["train"].targets.shape[1]
    fitted = task.fit(chosen, parts["train"], parts["validation"], outputs, seed)
    stack = stack_of(fitted.layers, classes)
    test = parts["test"]
    metrics = task.evaluate(outputs_of(stack, test), test.targets, classes)
    metrics |= {f"n_{split}": len(part) for split, part in parts.items()}
    settings = {**chosen.describe(), **fitted.details, **task.describe()}
    return Trained(stack, chosen.kind, metrics, settings)


def parts_of(view: FeatureView, task: Task) -> tuple[dict[str, Part], list[Label]]:
    """The splits with features and targets, and the label of each output.

    Raises:
        HeadError: the labels or splits do not allow training; the message says which.
    """
    classes = task.find_classes(view.samples)
    parts = {split: _part(view, split, task, classes) for split in SPLITS}
    for split in ("train", "test"):
        if not len(parts[split]):
            raise HeadError(
                f"the {split} split is empty",
                hint="Add samples, or say which is which in a `split` column or array.",
            )
    task.check(parts["train"], classes)
    return parts, classes


def _part(view: FeatureView, split: str, task: Task, classes: list[Label]) -> Part:
    rows = view.split(split)
    targets = task.read(rows.labels, classes)
    return Part(rows_of(rows), targets, task.weigh(targets, len(classes)))
