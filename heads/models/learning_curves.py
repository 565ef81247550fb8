"""How good a head is with fewer samples to train on: would more of them help?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.heads.dense_stack import DenseStack, outputs_of, stack_of
from headstart.heads.evaluation.folds import in_turn
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.heads.kind import HeadKind, Part
from headstart.heads.models.train import parts_of
from headstart.heads.tasks import Task
from headstart.progress import Progress, silent
from headstart.storage.manifest import SPLITS
from headstart.storage.views import FeatureView
from headstart.values.showable import Showable

POINTS = 7


@dataclass(frozen=True)
class CurvePoint(Showable):
    """A head trained on some of the samples.

    Attributes:
        samples: how many, of the train split.
        train_accuracy: on those.
        accuracy: on the test split.
        interval: of `accuracy`; see `wilson_interval`.
    """

    samples: int
    train_accuracy: float
    accuracy: float
    interval: tuple[float, float]


def learning_curve(
    view: FeatureView,
    kind: HeadKind,
    seed: int,
    task: Task,
    progress: Progress = silent,
) -> list[CurvePoint]:
    """Heads on growing parts of the train split, each inside the next, by equal factors.

    The first has two samples a class, or as many as come with one a class of the validation split,
    which grows alike: some kinds learn from it, too.

    Raises:
        HeadError: the labels or splits do not allow training.
    """
    parts, classes = parts_of(view, task)
    train, validation, test = (parts[split] for split in SPLITS)
    order, aside = in_turn(train.targets, seed), in_turn(validation.targets, seed)
    shares = [2 * len(classes), len(classes) * len(order) // max(len(aside), 1)]
    least = min(max(shares), len(order))
    sizes = np.unique(np.geomspace(least, len(order), POINTS).round().astype(int))
    points = []
    for number, size in enumerate(sizes.tolist(), start=1):
        some = _take(train, order[:size])
        chosen = _take(validation, aside[: round(len(aside) * size / len(order))])
        fitted = task.fit(kind, some, chosen, len(classes), seed)
        points.append(_measured(stack_of(fitted.layers, classes), some, test))
        progress(number, len(sizes))
    return points


def _take(part: Part, rows: np.ndarray) -> Part:
    return part.rows(np.sort(rows))


def _measured(stack: DenseStack, some: Part, test: Part) -> CurvePoint:
    right = int((outputs_of(stack, test).argmax(axis=1) == test.targets).sum())
    own = float((outputs_of(stack, some).argmax(axis=1) == some.targets).mean())
    return CurvePoint(len(some), own, right / len(test), wilson_interval(right, len(test)))
