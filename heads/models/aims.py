"""What the steps of a fine-tuning make small, by the task of the head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headstart.extractors.runtime import keras
from headstart.heads.dense_stack import LAST_NAME
from headstart.heads.generalised import POISSON, QUANTILE
from headstart.heads.kind import Part
from headstart.heads.regression import Regression, TargetScale
from headstart.heads.tasks import MultiLabel, Ordinal, Task

TINY = 1e-30
"""The least count that is said, for its logarithm."""


class Aim(Protocol):
    """A loss for Keras, and what has to be done for it.

    Attributes:
        name: what the mean loss is called in sentences.
        loss: for `compile`.
    """

    @property
    def name(self) -> str: ...

    @property
    def loss(self) -> Any: ...

    def targets(self, part: Part) -> np.ndarray:
        """What the loss compares outputs with, (n, …)."""
        ...

    def begin(self, model: Any) -> Any:
        """The model to train, of the layers of the one that is given."""
        ...

    def end(self, trained: Any, model: Any) -> None:
        """Give the model what its head has learned."""
        ...


def aim_of(task: Task, train: Part, outputs: int) -> Aim:
    """The loss of a task; what depends on the samples is taken of those to train on."""
    if isinstance(task, Regression):
        scale = TargetScale.none(train) if task.loss == POISSON else TargetScale.of(train)
        return OfNumbers(task, scale)
    if isinstance(task, MultiLabel):
        return OfLabels(*_shares(train)) if task.balanced else OfClasses("binary_crossentropy")
    if isinstance(task, Ordinal):
        return OfOrder(outputs - 1)
    return OfClasses("sparse_categorical_crossentropy")


class AsItIs:
    """The model is trained as it is, on targets as the task reads them."""

    def targets(self, part: Part) -> np.ndarray:
        return part.targets

    def begin(self, model: Any) -> Any:
        return model

    def end(self, trained: Any, model: Any) -> None:
        """The head is the model's own."""


@dataclass(frozen=True)
class OfClasses(AsItIs):
    """The log loss of probabilities: of one class, or of each label."""

    loss: str
    name: str = "log loss"


@dataclass(frozen=True)
class OfLabels(AsItIs):
    """The log loss of labels, of which samples with a label count as much as those without.

    Attributes:
        there: what a sample with the label counts, for each label, (labels,).
        not_there: what one without it counts.
    """

    there: np.ndarray
    not_there: np.ndarray
    name: str = "balanced log loss"

    def loss(self, targets: Any, outputs: Any) -> Any:
        ops = keras().ops
        weights = targets * self.there + (1 - targets) * self.not_there
        return ops.mean(weights * ops.binary_crossentropy(targets, outputs), axis=-1)


def _shares(train: Part) -> tuple[np.ndarray, np.ndarray]:
    """What samples with and without each label count, so that they count alike together."""
    share = np.average(train.targets, axis=0, weights=train.weights)
    return (0.5 / share).astype(np.float32), (0.5 / (1 - share)).astype(np.float32)


@dataclass(frozen=True)
class OfNumbers:
    """The loss of a regression, of numbers of mean 0 and variance 1: a step of Adam is as long
    whatever the unit. The head of the model gives such numbers while it is trained. Poisson's loss
    is of logarithms, which have no unit.

    Attributes:
        task: what the numbers are to be.
        scale: of the numbers to train on.
    """

    task: Regression
    scale: TargetScale

    @property
    def name(self) -> str:
        if self.task.loss == POISSON:
            return "Poisson deviance"
        if self.task.loss == QUANTILE:
            return "pinball loss (in standard deviations of the labels)"
        return "squared error (as a share of the labels' variance)"

    @property
    def loss(self) -> Any:
        if self.task.loss == QUANTILE:
            return self._pinball
        return self._deviance if self.task.loss == POISSON else "mse"

    def _deviance(self, targets: Any, outputs: Any) -> Any:
        """As Keras' "poisson" but for what does not depend on the outputs, beside which float32
        holds nothing of the rest where counts are large."""
        ops = keras().ops
        base = ops.where(targets > 0, targets, 1.0)
        more = (outputs - base) / base
        far = ops.log(ops.maximum(outputs, TINY)) - ops.log(base)
        log_ratio = ops.where(more > -0.5, ops.log1p(ops.maximum(more, -0.5)), far)
        each = ops.where(targets > 0, base * (more - log_ratio), outputs)
        return 2 * ops.mean(each, axis=-1)

    def _pinball(self, targets: Any, outputs: Any) -> Any:
        ops, quantile = keras().ops, self.task.quantile
        apart = targets - outputs
        return ops.mean(ops.maximum(quantile * apart, (quantile - 1) * apart), axis=-1)

    def targets(self, part: Part) -> np.ndarray:
        return self.scale.apply(part.targets)

    def begin(self, model: Any) -> Any:
        last = model.get_layer(LAST_NAME)
        last.set_weights(self.scale.into(*last.get_weights()))
        return model

    def end(self, trained: Any, model: Any) -> None:
        last = model.get_layer(LAST_NAME)
        last.set_weights(self.scale.back(*last.get_weights()))


@dataclass(frozen=True)
class OfOrder:
    """The all-threshold loss, as the head's own fit has it (`kinds/ordinal.py`): whether a sample
    is at most of a class, one direction for all thresholds.

    The head of a model has a column of the kernel for each threshold. Trained by themselves they
    would become different directions, whose thresholds cross and give probabilities below 0. So
    the model that is trained has one column, and the head gets copies of it.

    Attributes:
        thresholds: how many; one less than there are classes.
    """

    thresholds: int
    name: str = "threshold loss"

    @property
    def loss(self) -> Any:
        return keras().losses.BinaryCrossentropy(from_logits=True)

    def targets(self, part: Part) -> np.ndarray:
        return (part.targets[:, None] <= np.arange(self.thresholds)).astype(np.float32)

    def begin(self, model: Any) -> Any:
        dense, layers = model.get_layer(THRESHOLDS), keras().layers
        kernel, bias = dense.get_weights()
        direction = layers.Dense(1, use_bias=False, name=DIRECTION)
        thresholds = _thresholds_layer(bias)
        trained = keras().Model(model.input, thresholds(direction(dense.input)), name="ordinal")
        direction.set_weights([kernel[:, :1]])
        return trained

    def end(self, trained: Any, model: Any) -> None:
        (direction,) = trained.get_layer(DIRECTION).get_weights()
        (bias,) = trained.layers[-1].get_weights()
        # in order they are at the minimum; steps end a little beside it
        given = np.repeat(direction, self.thresholds, axis=1), np.maximum.accumulate(bias)
        model.get_layer(THRESHOLDS).set_weights(given)


THRESHOLDS, DIRECTION = "head_dense_1", "head_direction"
"""The layer of an ordinal head that says of each threshold how probable it is that a sample is at
most there; and the layer that gives the one direction, while it is trained."""


def _thresholds_layer(first: np.ndarray) -> Any:
    """A layer that adds a number for each threshold to the one that comes in."""

    class Thresholds(keras().layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.bias = self.add_weight(shape=first.shape, initializer="zeros", name="bias")
            self.bias.assign(first)

        def call(self, inputs: Any) -> Any:
            return inputs + self.bias

    return Thresholds(name="head_thresholds")
