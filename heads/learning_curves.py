"""How good a head is with fewer samples to train on: would more of them help?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.heads.dense_stack import stack_of
from headstart.heads.intervals import wilson_interval
from headstart.heads.kinds import HeadKind, Part
from headstart.heads.training import parts_of, predict_all
from headstart.progress import Progress, silent
from headstart.storage.manifest import Label
from headstart.storage.views import FeatureView

POINTS = 7


@dataclass(frozen=True)
class CurvePoint:
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
    progress: Progress = silent,
) -> list[CurvePoint]:
    """Heads on growing parts of the train split, each part inside the next, from two samples a
    class to all, by equal factors. The validation split is whole each time.

    Raises:
        HeadError: the labels or splits do not allow training.
    """
    parts, classes = parts_of(view)
    train, test = parts["train"], parts["test"]
    order = in_turn(train.targets, seed)
    least = min(2 * len(classes), len(order))
    sizes = np.unique(np.geomspace(least, len(order), POINTS).round().astype(int))
    points = []
    for number, size in enumerate(sizes.tolist(), start=1):
        points.append(_point(train, np.sort(order[:size]), parts, classes, test, kind, seed))
        progress(number, len(sizes))
    return points


def _point(
    train: Part,
    rows: np.ndarray,
    parts: dict[str, Part],
    classes: list[Label],
    test: Part,
    kind: HeadKind,
    seed: int,
) -> CurvePoint:
    some = Part(train.features[rows], train.targets[rows])
    fitted = kind.fit(some, parts["validation"], len(classes), seed)
    stack = stack_of(fitted.layers, classes)
    right = int((predict_all(stack, test).argmax(axis=1) == test.targets).sum())
    own = float((predict_all(stack, some).argmax(axis=1) == some.targets).mean())
    return CurvePoint(len(rows), own, right / len(test), wilson_interval(right, len(test)))


def in_turn(targets: np.ndarray, seed: int) -> np.ndarray:
    """Row numbers such that any first few have as many of each class as there are, mixed.

    A class that is out of samples is passed over, so the last few are of the largest classes.
    """
    mixed = np.random.default_rng(seed).permutation(len(targets))
    turn = np.empty(len(targets), np.int64)
    for one in np.unique(targets):
        own = mixed[targets[mixed] == one]
        turn[own] = np.arange(len(own))
    return mixed[np.argsort(turn[mixed], kind="stable")]
