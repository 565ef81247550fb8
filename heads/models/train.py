"""Training: from a view to a fitted head with metrics on the held-out split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.heads.attention.layout import tokens_of
from headstart.heads.combined.bagged import Bagged
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack, outputs_of, stack_of
from headstart.heads.evaluation.by_sample import BySample
from headstart.heads.evaluation.clusters import clusters_of
from headstart.heads.evaluation.scores import few_trained, scores_of
from headstart.heads.kind import (
    Fitted,
    HeadKind,
    Part,
    classes_of,
    learns_of_samples,
    takes_class_names,
    tokens_for,
)
from headstart.heads.labelled import sample_weights
from headstart.heads.models.bags import fit_bags
from headstart.heads.models.outputs import check_outputs
from headstart.heads.origins import fit_near_zero
from headstart.heads.rows import rows_of
from headstart.heads.tasks import Classification, Task
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.columns.units import units_of
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.views import FeatureView
from headstart.storage.windowed.pooled import EACH

CONTRACT = "Take another kind; headstart.heads.kind tells whoever writes one what it must end in."


@dataclass(frozen=True)
class Trained:
    """A trained head.

    Attributes:
        stack: its layers.
        kind: the name of its kind.
        metrics: on the test split.
        settings: of kind and task, and how the fit went (JSON values); `given` are those of the
            kind alone, where the fit has one of that name, such as the epochs.
    """

    stack: DenseStack | Ensemble
    kind: str
    metrics: dict[str, Any]
    settings: dict[str, Any]


def train(
    view: FeatureView,
    kind: HeadKind | None,
    seed: int,
    task: Task | None = None,
    more: Sequence[FeatureView] = (),
) -> Trained:
    """Fit a head on the view's train and validation splits and measure it on the test split.

    Args:
        view: features with labels; where rows are of windows, a sample's output is the mean of its
            windows' outputs, and scores count samples.
        kind: of the head; the task's default without it.
        seed: of everything that chance decides.
        task: what the labels mean; a classification without it.
        more: features of other views of the train split, to train on as well.

    Raises:
        HeadError: the labels or splits do not allow it; the message says which.
    """
    task = task or Classification()
    chosen: HeadKind = kind or task.default_kind()
    is_taught = learns_of_samples(chosen)
    classes = classes_of(chosen, task, view.samples)
    parts = splits_of(view, task, classes, more, is_taught=is_taught)
    width = len(classes) or parts["train"].targets.shape[1]
    if isinstance(chosen, Bagged):
        bags = fit_bags(chosen, parts, classes, task, seed)
        stack, details = bags.ensemble, bags.details(view, parts, classes, task)
    else:
        fitted = _fitted(chosen, parts, task, width, seed)
        stack, details = stack_of(fitted.layers, classes), fitted.details
    check_outputs(f"a head of kind {chosen.kind!r}", stack, task, CONTRACT)
    metrics = measure(stack, view, task, parts, classes)
    if not is_taught:
        metrics["few"] = []  # it learned of none
    given = chosen.describe()
    settings = {**given, **details, **task.describe(), "views": len(more), "given": given}
    if view.windows == EACH and isinstance(settings.get("judged_on"), dict):
        judged = settings["judged_on"]
        settings["judged_on"] = {
            split: min(rows, metrics[f"n_{split}"]) for split, rows in judged.items()
        }
    return Trained(stack, chosen.kind, metrics, settings)


def _fitted(kind: HeadKind, parts: Mapping[str, Part], task: Task, width: int, seed: int) -> Fitted:
    """The kind's own fit; of one that takes names of classes, features stay in their directions."""

    def fit(train: Part, validation: Part) -> Fitted:
        return task.fit(kind, train, validation, width, seed)

    if takes_class_names(kind):
        return fit(parts["train"], parts["validation"])
    tokens = tokens_for(kind, parts["train"])
    return fit_near_zero(fit, parts["train"], parts["validation"], tokens)


def measure(
    stack: DenseStack | Ensemble,
    view: FeatureView,
    task: Task,
    parts: Mapping[str, Part],
    classes: list[Label],
) -> dict[str, Any]:
    """The scores of a head on the test split, and of how many samples each split is.

    Args:
        stack: the head.
        view: see `train`; without a sample there are no scores.
        task: what the labels mean.
        parts: the splits, as `parts_of` gives them.
        classes: the label of each output.
    """
    of = {split: BySample.of(view.split(split)) for split in SPLITS}
    counts: dict[str, Any] = {f"n_{split}": len(samples) for split, samples in of.items()}
    test, tested = parts["test"], of["test"]
    if not len(test):
        return counts | {"few": []}
    outputs = tested.mean(outputs_of(stack, test))
    clusters = clusters_of(tested.samples)
    metrics = scores_of(task, outputs, tested.first(test.targets), classes, clusters)
    metrics |= counts
    own = of["train"].first(parts["train"].targets[: len(view.split("train"))])
    metrics["few"] = [list(pair) for pair in few_trained(task, own, classes)]
    return metrics


def parts_of(
    view: FeatureView, task: Task, more: Sequence[FeatureView] = ()
) -> tuple[dict[str, Part], list[Label]]:
    """The splits with features and targets, and the label of each output.

    Rows of other views stand behind those of the train split.

    Raises:
        HeadError: the labels or splits do not allow training; the message says which.
    """
    classes = task.find_classes(view.samples)
    return splits_of(view, task, classes, more), classes


def splits_of(
    view: FeatureView,
    task: Task,
    classes: list[Label],
    more: Sequence[FeatureView] = (),
    *,
    is_taught: bool = True,
) -> dict[str, Part]:
    """As `parts_of`, of classes that are known; a head that is not taught needs no sample, and has
    no scores where there is none to test it on."""
    parts = {
        split: part_of([view.split(split), *(more if split == "train" else ())], task, classes)
        for split in SPLITS
    }
    for split in ("train", "test") if is_taught else ():
        if not len(parts[split]):
            raise HeadError(
                f"the {split} split is empty",
                hint="Add samples, or say which is which in a `split` column or array.",
            )
    empty, targets = parts["validation"], parts["train"].targets
    if not len(empty):  # without a label, nobody knows how many numbers one is
        parts["validation"] = replace(empty, targets=targets[:0])
    if is_taught:
        task.check(parts["train"], classes)
    return parts


def part_of(views: Sequence[FeatureView], task: Task, classes: list[Label]) -> Part:
    """The rows of some views, one behind the other, with targets, weights and groups."""
    targets = task.read([label for view in views for label in view.labels], classes)
    rows = rows_of(*views)
    own = sample_weights(*(view.samples for view in views))
    weights = task.weigh(targets, len(classes), classes, own)
    return Part(rows, targets, weights, _groups(views), tokens_of(views[0]))


def _groups(views: Sequence[FeatureView]) -> np.ndarray:
    """A number for each row; views of one sample, copies, and samples of one group share it."""
    units = units_of(*(SampleColumns.of(view.samples) for view in views))
    if units is None:
        return np.arange(sum(map(len, views)))
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(unit, len(numbers)) for unit in units], np.int64)
