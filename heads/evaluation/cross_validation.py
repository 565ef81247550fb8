"""Heads fitted on all folds but one and tried on that one, fold after fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.extractors.runtime import cores
from headstart.heads.centring import near_zero
from headstart.heads.dense_stack import DenseStack, outputs_of, softmax
from headstart.heads.evaluation.folds import Fold
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.heads.kind import HeadKind, Part
from headstart.heads.kinds.linear import Linear, fit_path
from headstart.heads.kinds.losses import loss_of
from headstart.heads.standardisation import one_thread_a_core
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Crossed(Showable):
    """What heads of one setting said of the rows that they were not trained on.

    Attributes:
        settings: of the heads, as `HeadKind.describe` gives them, with `kind`.
        probabilities: the mean over the repeats, (rows, classes).
        targets: class numbers, (rows,).
    """

    settings: dict[str, Any]
    probabilities: np.ndarray
    targets: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Where the most probable class is the right one, bool, (rows,)."""
        return self.probabilities.argmax(axis=1) == self.targets

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy; see `wilson_interval`."""
        return wilson_interval(int(self.right.sum()), len(self.targets))

    @property
    def log_loss(self) -> float:
        return loss_of("softmax", self.probabilities, self.targets)

    def _facts(self) -> dict[str, Any]:
        """The settings and what they are worth; of probabilities there are many."""
        scores = {"accuracy": self.accuracy, "interval": self.interval, "log_loss": self.log_loss}
        return {**self.settings, **scores, "samples": len(self.targets)}

    def _line(self) -> str:
        low, high = self.interval
        return f"{self.settings['kind']}, accuracy {self.accuracy:.2f} [{low:.2f}, {high:.2f}]"


def cross(
    kinds: Sequence[HeadKind],
    rows: Part,
    folds: Sequence[Fold],
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    watch: Callable[[Crossed], None] = lambda _: None,
    jobs: int | None = None,
) -> list[Crossed]:
    """Try heads of each kind on each fold; there is no validation part.

    Linear heads of one fold are fitted one from the other, whatever kinds stand between them; one
    with several strengths counts as so many kinds.

    Args:
        kinds: what to try.
        rows: features (rows, width), float32, with class numbers; heads that leave training rows
            out leave rows of one group out together.
        folds: which rows to train on, and which to try.
        seed: of everything that chance decides.
        progress: called with the number of heads that were just fitted.
        watch: called with what came of a setting when its last fold is done.
        jobs: processes; as many as there are cores without it, and none but this one for 1.

    Returns:
        In the order of the kinds, their strengths from the smallest.
    """
    rows, targets = near_zero(rows), rows.targets
    classes = int(targets.max()) + 1
    plain = list(dict.fromkeys(kind for kind in kinds if not isinstance(kind, Linear)))
    strengths = sorted({s for kind in kinds if isinstance(kind, Linear) for s in kind.strengths})
    units: list[tuple[Any, Fold]] = [(strengths, fold) for fold in folds if strengths]
    units += [(kind, fold) for kind in plain for fold in folds]
    settings: dict[Any, dict[str, Any]] = {s: {"kind": "linear", "strength": s} for s in strengths}
    settings |= {kind: {"kind": kind.kind, **kind.describe()} for kind in plain}
    sums = {key: np.zeros((len(targets), classes)) for key in settings}
    left = dict.fromkeys(settings, len(folds))
    done: dict[Any, Crossed] = {}
    for (what, fold), found in _run(units, rows, classes, seed, jobs):
        for key, probabilities in zip(what if what is strengths else [what], found, strict=True):
            sums[key][fold.test] += probabilities
            left[key] -= 1
            if not left[key]:
                shares = sums[key] / sums[key].sum(axis=1, keepdims=True)
                done[key] = Crossed(settings[key], shares, targets)
                watch(done[key])
        progress(len(found))
    return [
        done[key]
        for kind in kinds
        for key in (sorted(set(kind.strengths)) if isinstance(kind, Linear) else [kind])
    ]


def _run(
    units: Sequence[tuple[Any, Fold]],
    rows: Part,
    classes: int,
    seed: int,
    jobs: int | None,
) -> Iterator[tuple[tuple[Any, Fold], list[np.ndarray]]]:
    """Each unit with what came of it, as they are done."""
    from joblib import Parallel, delayed

    def work() -> Iterable[Any]:
        for number, (what, fold) in enumerate(units):
            yield delayed(_try)(number, what, fold, rows, classes, seed)

    processes = min(cores() if jobs is None else jobs, len(units))
    done: Any = Parallel(processes, return_as="generator_unordered")(work())
    for number, found in done:
        yield units[number], found


def _try(
    number: int, what: Any, fold: Fold, rows: Part, classes: int, seed: int
) -> tuple[int, list[np.ndarray]]:
    """Fit on one fold's rows; gives class probabilities of the others, (rows, classes) each."""
    train, tried = rows.rows(fold.train), rows.features[fold.test]
    if isinstance(what, list):
        with one_thread_a_core() as pool:
            path = list(fit_path(train, what, classes, seed, pool))
        return number, [softmax(tried @ kernel + bias) for kernel, bias in path]
    layers = what.fit(train, rows.rows(slice(0)), classes, seed).layers
    stack = DenseStack(layers, tuple(range(classes)))
    return number, [outputs_of(stack, Part(tried, np.empty(len(tried))))]
