"""A multilayer perceptron, trained by Adam with early stopping; plain matrix products in NumPy.

A head's layers are so small that what a framework does around a step costs more than the step:
Keras' `fit` takes five to ten times as long, and importing TensorFlow longer than the training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.descent import calibrated, check_steps, descend, fits_of_rows
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.adam import Adam
from headstart.heads.kinds.losses import LOSSES
from headstart.heads.setting import Setting, combinations
from headstart.heads.standardisation import Standardisation, one_thread_a_core
from headstart.values.options import Options

WIDEST = 1 << 16
"""Units of a layer: with 2,048 features its weights and Adam's two moments of them are 1.5 GiB."""
SHARED_FROM = 128
"""Samples: a batch of so many is worth sharing between two cores. It is halved on every machine, so
that the numbers do not depend on it."""


@dataclass(frozen=True)
class MLP(Options, error=InvalidHeadSetting):
    """Dense layers with relu, then softmax (sigmoid for several labels, nothing for numbers).

    Probabilities, of labels too, are calibrated by a temperature: on the validation split, and
    where that is small also on training rows, each asked of a network that was trained without it.

    Attributes:
        hidden: width of each hidden layer.
        dropout: share of units dropped behind each hidden layer while training.
        learning_rate: of Adam.
        batch_size: samples a step.
        epochs: at most so many passes.
        patience: stop when the validation loss has not fallen for so many epochs; the best
            epoch's weights are kept. Without a validation split all epochs are run.
        label_smoothing: share of a sample's label that all classes get alike, as in Keras.
    """

    kind: ClassVar[str] = "mlp"
    is_calibrated: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label", "regression")
    options: ClassVar[tuple[Setting, ...]] = (
        Setting("hidden", "widths of the hidden layers, such as 64.", int, "list"),
        Setting("dropout", "share of units dropped in training, such as 0.3."),
        Setting("learning_rate", "learning rate of Adam, such as 0.001."),
        Setting("batch_size", "samples per step, such as 64.", int),
        Setting("epochs", "maximum number of passes, such as 30.", int),
        Setting(
            "label_smoothing", "share of the probability spread over all classes, such as 0.1."
        ),
    )
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.3
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 60
    patience: int = 6
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(0 < width <= WIDEST for width in self.hidden):
            raise InvalidHeadSetting(
                f"hidden is {self.hidden}",
                hint=f"Give widths of 1 to {WIDEST:,}.",
            )
        if not 0 <= self.dropout < 1:
            raise InvalidHeadSetting(
                f"dropout is {self.dropout}",
                hint="Give 0 to below 1.",
            )
        if not 0 <= self.label_smoothing < 1:
            raise InvalidHeadSetting(
                f"label_smoothing is {self.label_smoothing}",
                hint="Give 0 to below 1.",
            )
        check_steps(self)

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[MLP]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> MLP:
        layers = range(1, 1 + trial.suggest_int("layers", 1, 2))
        return cls(
            hidden=tuple(trial.suggest_int(f"width_{n}", 16, 512, log=True) for n in layers),
            dropout=trial.suggest_float("dropout", 0.0, 0.7),
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
            batch_size=trial.suggest_categorical("batch_size", (32, 64, 128, 256)),
            epochs=trial.suggest_int("epochs", 3, 60, log=True),
            label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.2),
        )

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "hidden": list(self.hidden)}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        widths = (width, *self.hidden, classes)
        return float(sum((one + 1) * other for one, other in pairwise(widths))), 1 - self.dropout

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        return self.fit_outputs(train, validation, classes, seed, "softmax")

    def fit_labels(self, train: Part, validation: Part, labels: int, seed: int) -> Fitted:
        return self.fit_outputs(train, validation, labels, seed, "sigmoid")

    def fit_numbers(self, train: Part, validation: Part, seed: int) -> Fitted:
        """As `fit_outputs`, of numbers."""
        return self.fit_outputs(train, validation, train.targets.shape[1], seed, "linear")

    def fit_outputs(
        self, train: Part, validation: Part, outputs: int, seed: int, activation: str
    ) -> Fitted:
        """As `fit`, for any last activation that `LOSSES` knows."""
        with one_thread_a_core() as pool:

            def fit(part: Part) -> tuple[DenseStack, dict[str, Any]]:
                scale, rng = Standardisation.of([part], pool), np.random.default_rng(seed)
                network = _Network(self, scale, outputs, rng, pool, activation)
                details, _ = descend(network, self, part, validation, rng)
                return network.stack(), details

            if self.is_calibrated:
                return calibrated(fit, train, validation, seed, activation)
            stack, details = fit(train)
            return Fitted(stack.layers, details)

    def sketched(self) -> MLP:
        """See `Sketches`: one network is trained, where calibration trains up to five more."""
        return _Sketch(**asdict(self))

    @staticmethod
    def fits(train: int, validation: int) -> float:
        return fits_of_rows(train, validation)


@dataclass(frozen=True)
class _Sketch(MLP):
    """Without the calibration of its probabilities."""

    is_calibrated: ClassVar[bool] = False

    @staticmethod
    def fits(train: int, validation: int) -> float:
        return 1.0


class _Network:
    """The weights, and one step of training them.

    They start as Keras' Dense layers do: Glorot's uniform kernels, no biases.
    """

    def __init__(
        self,
        kind: MLP,
        scale: Standardisation,
        outputs: int,
        rng: np.random.Generator,
        pool: ThreadPoolExecutor,
        activation: str = "softmax",
    ) -> None:
        self._dropout = np.float32(kind.dropout)
        self.activation = activation
        self._smoothing = kind.label_smoothing
        self._scale = scale
        self._sizes = [len(scale.mean), *kind.hidden, outputs]
        self._weights = np.zeros(sum((n + 1) * m for n, m in pairwise(self._sizes)), np.float32)
        for kernel, _ in self._layers(self._weights):
            limit = np.sqrt(6 / sum(kernel.shape))
            kernel[...] = rng.uniform(-limit, limit, kernel.shape)
        middle = len(self._weights) // 2
        self._adams = [
            (share, Adam(self._weights[share], kind.learning_rate))
            for share in (slice(0, middle), slice(middle, None))
        ]
        self._halves = [_Half(self, one) for one in rng.spawn(2)]
        self._pool = pool

    def step(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> float:
        """Train on some rows of features; gives their mean loss before the step."""
        size, (first, second) = len(rows), self._halves
        if size < SHARED_FROM:
            loss = first.run(x, targets, rows, size, weights)
            for share, adam in self._adams:
                adam.step(first.gradient[share])
            return loss
        early, late = rows[: size // 2], rows[size // 2 :]
        other = self._pool.submit(second.run, x, targets, late, size, weights)
        loss = first.run(x, targets, early, size, weights) + other.result()
        moved = self._pool.submit(self._move, 1)
        self._move(0)
        moved.result()
        return loss

    def _move(self, number: int) -> None:
        """Half of the weights, by the gradients of both halves of a batch."""
        share, adam = self._adams[number]
        first, second = (half.gradient[share] for half in self._halves)
        first += second
        adam.step(first)

    def _layers(self, weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Kernel and bias of each layer, as views of one vector."""
        found, start = [], 0
        for inputs, outputs in pairwise(self._sizes):
            middle, end = start + inputs * outputs, start + (inputs + 1) * outputs
            found.append((weights[start:middle].reshape(inputs, outputs), weights[middle:end]))
            start = end
        return found

    def copy(self) -> np.ndarray:
        return self._weights.copy()

    def restore(self, weights: np.ndarray) -> None:
        self._weights[...] = weights

    def stack(self) -> DenseStack:
        """The layers for features that are not standardised; its classes are numbers."""
        (kernel, bias), *others = self._layers(self._weights.copy())
        pairs = [self._scale.fold(kernel, bias), *others]
        activations = ["relu"] * (len(pairs) - 1) + [self.activation]
        layers = [Layer(*pair, name) for pair, name in zip(pairs, activations, strict=True)]
        return DenseStack(tuple(layers), tuple(range(self._sizes[-1])))


class _Half:
    """The gradient of half a batch, or of all of a small one, with its own source of chance."""

    def __init__(self, network: _Network, rng: np.random.Generator) -> None:
        self._layers = network._layers(network._weights)
        self.gradient = np.zeros_like(network._weights)
        self._slopes = network._layers(self.gradient)
        self._dropout = network._dropout
        self._loss = LOSSES[network.activation]
        self._smoothing = network._smoothing
        self._mean = network._scale.mean.astype(np.float32)
        self._inverse = (1 / network._scale.std).astype(np.float32)
        self._rng = rng

    def run(
        self,
        x: np.ndarray,
        targets: np.ndarray,
        rows: np.ndarray,
        size: int,
        weights: np.ndarray | None = None,
    ) -> float:
        """Fill `gradient` from some rows of the features.

        Gives the loss; both are their share of the mean over a batch of `size` samples.
        """
        chosen, targets = x[rows], targets[rows]
        own = None if weights is None else weights[rows]
        chosen -= self._mean  # here, where they are in the core's cache
        chosen *= self._inverse
        inputs, gates = [chosen], []
        for kernel, bias in self._layers[:-1]:
            z = inputs[-1] @ kernel
            z += bias
            gate = (z > 0).astype(np.float32)
            if self._dropout:
                gate *= self._rng.random(z.shape, np.float32) >= self._dropout
                gate /= 1 - self._dropout
            z *= gate
            inputs.append(z)
            gates.append(gate)
        kernel, bias = self._layers[-1]
        change = inputs[-1] @ kernel
        change += bias
        loss = self._loss(change, targets, own, size, self._smoothing)
        for number in reversed(range(len(self._layers))):
            kernel_slope, bias_slope = self._slopes[number]
            np.matmul(inputs[number].T, change, out=kernel_slope)
            change.sum(axis=0, out=bias_slope)
            if number:
                change = change @ self._layers[number][0].T
                change *= gates[number - 1]
        return loss
