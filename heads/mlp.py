"""A multilayer perceptron, trained by Adam with early stopping; plain matrix products in NumPy.

A head's layers are so small that what a framework does around a step costs more than the step:
Keras' `fit` takes five to ten times as long, and importing TensorFlow longer than the training.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.adam import Adam
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.kinds import Fitted, Part
from headstart.heads.standardising import Standardisation, one_thread_a_core

WINDOW_BYTES = 1 << 30
"""Rows are mixed within so many bytes of them; more are read window by window, in every epoch."""
VALIDATION_ROWS = 4096
SHARED_FROM = 128
"""Samples: a batch of so many is worth sharing between two cores. It is halved on every machine, so
that the numbers do not depend on it."""


@dataclass(frozen=True)
class MLP:
    """Dense layers with relu, then softmax.

    Attributes:
        hidden: width of each hidden layer.
        dropout: share of units dropped behind each hidden layer while training.
        learning_rate: of Adam.
        batch_size: samples a step.
        epochs: at most so many passes.
        patience: stop when the validation loss has not fallen for so many epochs; the best
            epoch's weights are kept. Without a validation split all epochs are run.
    """

    kind: ClassVar[str] = "mlp"
    hidden: tuple[int, ...] = (128,)
    dropout: float = 0.3
    learning_rate: float = 1e-3
    batch_size: int = 64
    epochs: int = 60
    patience: int = 6

    def __post_init__(self) -> None:
        if not all(isinstance(width, int) and width > 0 for width in self.hidden):
            raise HeadError(f"hidden is {self.hidden}", hint="Give widths of 1 or more.")
        if not 0 <= self.dropout < 1:
            raise HeadError(f"dropout is {self.dropout}", hint="Give 0 to below 1.")
        if min(self.batch_size, self.epochs, self.patience) < 1 or self.learning_rate <= 0:
            raise HeadError("batch_size, epochs, patience and learning_rate must be above 0")

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "hidden": list(self.hidden)}

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        with one_thread_a_core() as pool:
            return self._fit(train, validation, classes, seed, pool)

    def _fit(
        self, train: Part, validation: Part, classes: int, seed: int, pool: ThreadPoolExecutor
    ) -> Fitted:
        scale = Standardisation.of([train], pool)
        rng = np.random.default_rng(seed)
        network = _Network(self, scale, classes, rng, pool)
        windows = _Windows(train)
        history: dict[str, list[float]] = {"loss": []}
        best, best_loss, since = network.copy(), np.inf, 0
        for _ in range(self.epochs):
            losses = [
                network.step(features, targets, rows) * len(rows)
                for features, targets, rows in windows.batches(self.batch_size, rng)
            ]
            history["loss"].append(sum(losses) / len(train))
            if not len(validation):
                best = network.copy()
                continue
            loss, accuracy = _measure(network.stack(), validation)
            history.setdefault("val_loss", []).append(loss)
            history.setdefault("val_accuracy", []).append(accuracy)
            if loss < best_loss:
                best, best_loss, since = network.copy(), loss, 0
            else:
                since += 1
            if since == self.patience:
                break
        network.restore(best)
        rounded = {name: [round(v, 5) for v in values] for name, values in history.items()}
        details = {"epochs": len(history["loss"]), "history": rounded}
        return Fitted(network.stack().layers, details)


class _Network:
    """The weights, and one step of training them.

    They start as Keras' Dense layers do: Glorot's uniform kernels, no biases.
    """

    def __init__(
        self,
        kind: MLP,
        scale: Standardisation,
        classes: int,
        rng: np.random.Generator,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._dropout = np.float32(kind.dropout)
        self._scale = scale
        self._sizes = [len(scale.mean), *kind.hidden, classes]
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

    def step(self, x: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> float:
        """Train on some rows of features; gives their mean loss before the step."""
        size, (first, second) = len(rows), self._halves
        if size < SHARED_FROM:
            loss = first.run(x, targets, rows, size)
            for share, adam in self._adams:
                adam.step(first.gradient[share])
            return loss
        early, late = rows[: size // 2], rows[size // 2 :]
        other = self._pool.submit(second.run, x, targets, late, size)
        loss = first.run(x, targets, early, size) + other.result()
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
        activations = ["relu"] * (len(pairs) - 1) + ["softmax"]
        layers = [Layer(*pair, name) for pair, name in zip(pairs, activations, strict=True)]
        return DenseStack(tuple(layers), tuple(range(self._sizes[-1])))


class _Half:
    """The gradient of half a batch, or of all of a small one, with its own source of chance."""

    def __init__(self, network: _Network, rng: np.random.Generator) -> None:
        self._layers = network._layers(network._weights)
        self.gradient = np.zeros_like(network._weights)
        self._slopes = network._layers(self.gradient)
        self._dropout = network._dropout
        self._mean = network._scale.mean.astype(np.float32)
        self._inverse = (1 / network._scale.std).astype(np.float32)
        self._rng = rng

    def run(self, x: np.ndarray, targets: np.ndarray, rows: np.ndarray, size: int) -> float:
        """Fill `gradient` from some rows of the features.

        Gives the loss; both are their share of the mean over a batch of `size` samples.
        """
        chosen, targets = x[rows], targets[rows]
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
        loss = _softmax_loss(change, targets, size)
        for number in reversed(range(len(self._layers))):
            kernel_slope, bias_slope = self._slopes[number]
            np.matmul(inputs[number].T, change, out=kernel_slope)
            change.sum(axis=0, out=bias_slope)
            if number:
                change = change @ self._layers[number][0].T
                change *= gates[number - 1]
        return loss


class _Windows:
    """Rows in a new order for every epoch."""

    def __init__(self, part: Part) -> None:
        self._part = part
        rows = max(1, WINDOW_BYTES // (4 * part.features.shape[1]))
        self._spans = [(start, min(start + rows, len(part))) for start in range(0, len(part), rows)]
        self._only = self._read(*self._spans[0]) if len(self._spans) == 1 else None

    def batches(
        self, size: int, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Features, targets, and which rows of them."""
        for number in rng.permutation(len(self._spans)):
            features, targets = self._only or self._read(*self._spans[number])
            order = rng.permutation(len(targets))
            for start in range(0, len(order), size):
                yield features, targets, order[start : start + size]

    def _read(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return self._part.features[start:stop], self._part.targets[start:stop]


def _softmax_loss(logits: np.ndarray, targets: np.ndarray, size: int) -> float:
    """The log loss as its share of a batch's mean; `logits` become its gradient."""
    rows = np.arange(len(targets))
    logits -= logits.max(axis=1, keepdims=True)
    own = logits[rows, targets]
    np.exp(logits, out=logits)
    norms = logits.sum(axis=1, keepdims=True)
    logits /= norms
    logits[rows, targets] -= 1
    logits /= np.float32(size)
    return float((np.log(norms[:, 0]) - own).sum()) / size


def _measure(stack: DenseStack, part: Part) -> tuple[float, float]:
    """Mean log loss and accuracy."""
    loss, right = 0.0, 0
    for start in range(0, len(part), VALIDATION_ROWS):
        targets = part.targets[start : start + VALIDATION_ROWS]
        given = stack.predict_proba(part.features[start : start + VALIDATION_ROWS])
        own = given[np.arange(len(targets)), targets]
        loss -= float(np.log(np.maximum(own, 1e-30), dtype=np.float64).sum())
        right += int((given.argmax(axis=1) == targets).sum())
    return loss / len(part), right / len(part)
