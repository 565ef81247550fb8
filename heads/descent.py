"""Training by steps: windows of rows, early stopping, and probabilities that are calibrated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import ENOUGH, Judge, Verdict
from headstart.heads.calibration.out_of_fold import inner_folds, inner_label_folds, sides
from headstart.heads.calibration.temperature import calibrate
from headstart.heads.dense_stack import DenseStack, outputs_of
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.losses import LEAST, loss_of
from headstart.heads.origins import bounds_of, within
from headstart.heads.rows import Rows
from headstart.progress import watching

WINDOW_BYTES = 1 << 30
"""Rows are mixed within so many bytes of them; more are read window by window, in every epoch."""
FOLDS = 5
"""Of training rows; as many are asked as it takes for `ENOUGH` rows, as a network takes long."""


class Network(Protocol):
    """Weights that are trained step by step.

    Attributes:
        activation: of its outputs, one of `LOSSES`.
    """

    activation: str

    def step(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float:
        """Train on some rows of features; gives their mean loss before the step."""
        ...

    def copy(self) -> np.ndarray:
        """The weights as they are."""
        ...

    def restore(self, weights: np.ndarray) -> None:
        """The inverse of `copy`."""
        ...

    def stack(self) -> DenseStack:
        """As a head whose classes are numbers."""
        ...


class Steps(Protocol):
    """How steps are made."""

    @property
    def batch_size(self) -> int:
        """Samples a step."""
        ...

    @property
    def epochs(self) -> int:
        """At most so many passes."""
        ...

    @property
    def patience(self) -> int:
        """Stop when the validation loss has not fallen for so many epochs."""
        ...


class Course(Steps, Protocol):
    """Steps with a rate of their own."""

    @property
    def learning_rate(self) -> float:
        """Of Adam."""
        ...


def check_steps(given: Course) -> None:
    """See that steps can be taken.

    Raises:
        InvalidHeadSetting: a number is not above 0, or is infinite.
    """
    counts = given.batch_size, given.epochs, given.patience
    if min(counts) < 1 or not 0 < given.learning_rate < math.inf:
        raise InvalidHeadSetting(
            "batch_size, epochs, patience and learning_rate must be above 0, and finite"
        )


def descend(
    network: Network,
    steps: Steps,
    train: Part,
    validation: Part,
    rng: np.random.Generator,
    *,
    is_start_judged: bool = False,
) -> tuple[dict[str, Any], int]:
    """Train a network; it has the weights of the best epoch then, or without a validation split of
    the last. Gives how that went, and the number of that epoch.

    Args:
        network: as it starts.
        steps: how they are made.
        train: what it is fitted to.
        validation: what says which epoch is the best.
        rng: of the order of the rows.
        is_start_judged: whether the weights that it starts with may be the best ones, epoch 0.
    """
    if train.weights is not None:  # or the learning rate would be another one
        train = replace(train, weights=train.weights / train.weights.mean())
    windows = Windows(train)
    history: dict[str, list[float]] = {"loss": []}
    best, best_loss, best_epoch = network.copy(), np.inf, 0
    if is_start_judged and len(validation):
        best_loss, _ = _judged(network, validation)
    for epoch in range(1, steps.epochs + 1):
        losses = [
            network.step(window.features[:], window.targets, rows, window.weights) * len(rows)
            for window, rows in windows.batches(steps.batch_size, rng)
        ]
        history["loss"].append(sum(losses) / len(train))
        watching()(epoch, steps.epochs)
        if not len(validation):
            best, best_epoch = network.copy(), epoch
            continue
        loss, given = _judged(network, validation)
        history.setdefault("val_loss", []).append(loss)
        if network.activation == "softmax":
            right = given.argmax(axis=1) == validation.targets
            history.setdefault("val_accuracy", []).append(float(right.mean()))
        if loss < best_loss:
            best, best_loss, best_epoch = network.copy(), loss, epoch
        if epoch - best_epoch == steps.patience:
            break
    network.restore(best)
    rounded = {name: [round(v, 5) for v in values] for name, values in history.items()}
    return {"epochs": len(history["loss"]), "history": rounded}, best_epoch


def _judged(network: Network, validation: Part) -> tuple[float, np.ndarray]:
    """The loss of rows that a network is not trained on, and what it says of them."""
    given = outputs_of(network.stack(), validation)
    return loss_of(network.activation, given, validation.targets, validation.weights), given


Train = Callable[[Part], tuple[DenseStack, dict[str, Any]]]
"""Trains a network on some of the rows; gives its layers, and how that went."""


def calibrated(
    fit: Train, train: Part, validation: Part, seed: int, activation: str, *, is_held: bool = True
) -> Fitted:
    """A network trained on all rows, its probabilities calibrated by a temperature: on the
    validation split, and where that is small also on training rows, each asked of a network that
    was trained without it.

    Args:
        fit: how it is trained.
        train: what it is fitted to.
        validation: what it is not, may be empty.
        seed: of everything that chance decides.
        activation: of its outputs.
        is_held: whether rows that are asked are held within bounds of those that are fitted to.
    """
    stack, details = fit(train)
    if activation == "linear":
        details["judged_on"] = {"train": 0, "validation": len(validation)}
        return Fitted(stack.layers, details)
    judge = Judge(train, validation, folds_of(train, validation, seed))
    details["judged_on"] = judge.describe()
    if not any(details["judged_on"].values()):
        return Fitted(stack.layers, details)

    def left_out() -> np.ndarray:
        scores = np.zeros((len(train), stack.outputs), np.float32)
        for fitted, asked in sides(judge.folds):
            part = train.only(fitted)
            other, _ = fit(part)
            rows = train.only(asked)
            held = within(rows, bounds_of(part.features)) if is_held else rows
            scores[asked] = scores_of(other, held.features)
        return scores

    verdict = judge.hear(lambda features: scores_of(stack, features), left_out)
    return cooled(stack, verdict, details)


def cooled(stack: DenseStack, verdict: Verdict, details: dict[str, Any]) -> Fitted:
    """The layers with scores divided by the temperature that a verdict asks for."""
    *inner, last = stack.layers
    # Where all rows that are asked are right, the log loss would have it as sure as can be.
    by_class = verdict if last.activation == "softmax" else _label_by_label(verdict)
    temperature = calibrate(by_class, trust=1.0).temperature
    share = np.float32(1 / temperature)
    layer = replace(last, kernel=last.kernel * share, bias=last.bias * share)
    return Fitted((*inner, layer), {**details, "temperature": temperature})


def folds_of(train: Part, validation: Part, seed: int) -> np.ndarray:
    """With which fold each training row is left out, (n,); -1 for those that are not asked, as all
    beside a large validation split."""
    if len(validation) >= ENOUGH:
        return np.full(len(train), -1)
    deal = inner_label_folds if train.targets.ndim == 2 else inner_folds
    folds = deal(train, seed, FOLDS)
    asked = len(validation) + np.cumsum(np.bincount(folds[folds >= 0], minlength=FOLDS))
    last = np.searchsorted(asked, ENOUGH)
    return np.where(folds <= last, folds, -1)


def fits_of_rows(train: int, validation: int) -> float:
    """How many networks `calibrated` trains, those without a fold as the share that they are of
    one of all rows."""
    asked = max(ENOUGH - validation, 0) * FOLDS / max(train, 1)
    return 1 + (1 - 1 / FOLDS) * min(math.ceil(asked), FOLDS)


def scores_of(stack: DenseStack, features: Rows) -> np.ndarray:
    """Logits of classes, or of labels, (n, outputs)."""
    outputs = outputs_of(stack, Part(features, np.zeros(len(features), int)))
    found = np.log(np.maximum(outputs, LEAST))
    if stack.layers[-1].activation == "softmax":
        return found
    return found - np.log(np.maximum(1 - outputs, np.finfo(np.float32).epsneg))


def _label_by_label(verdict: Verdict) -> Verdict:
    """Each label of each row as a row of two classes, that it is absent or there."""
    halves, labels = verdict.outputs.ravel() / 2, verdict.outputs.shape[1]
    weights = None if verdict.weights is None else np.repeat(verdict.weights, labels)
    is_there = (verdict.targets.ravel() > 0).astype(np.int64)
    return Verdict(np.stack([-halves, halves], axis=1), is_there, weights, verdict.doubt)


class Windows:
    """Rows in a new order for every epoch."""

    def __init__(self, part: Part) -> None:
        self._part = part
        rows = max(1, WINDOW_BYTES // (4 * part.features.shape[1]))
        self._spans = [(start, min(start + rows, len(part))) for start in range(0, len(part), rows)]
        self._only = part.rows(slice(*self._spans[0])) if len(self._spans) == 1 else None

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[tuple[Part, np.ndarray]]:
        """A window in memory, and which rows of it."""
        for number in rng.permutation(len(self._spans)):
            window = self._only or self._part.rows(slice(*self._spans[number]))
            order = rng.permutation(len(window))
            for start in range(0, len(order), size):
                yield window, order[start : start + size]
