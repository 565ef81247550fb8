"""A trained head: a few dense layers with numpy weights, usable with and without Keras; of tokens
learned queries take means first."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import keras
from headstart.heads.attention.layer import NAME as QUERIES
from headstart.heads.attention.layer import Attention
from headstart.heads.attention.tokens import Tokens
from headstart.heads.bounds import Bounds
from headstart.heads.largest import BLOCK, votes_of
from headstart.storage.manifest import Label

FORMATS = tuple(f"headstart.dense-stack/{number}" for number in (1, 2, 3, 4, 5))
"""Of stacks without an origin, with one, with bounds (and perhaps an origin), with attention (and
perhaps these), and with rows brought to length one: code that does not know of them must not read
it."""
UNIT = "unit"
"""The activation that divides a row by its length; one of length 0 stays."""
SHORTEST = 1e-12
"""Of the square of a length: what is shorter counts as so long. Keras has the same."""
ROWS_AT_ONCE = 4096
BYTES_AT_ONCE = 256 << 20
"""Of features that outputs are asked of; fewer rows than `ROWS_AT_ONCE`, if they are wide."""
LAST_NAME = "head_probabilities"
"""What the last layer is called in Keras, also where its outputs are numbers."""
TOP = "top_"
"""Begins the activation that tells the largest of a row: the rest says how many."""


@dataclass(frozen=True)
class Layer:
    """`activation(attend(hold(x - origin)) @ kernel + bias)`: kernel (inputs, outputs), float32.

    Only the first layer of a stack may have an origin, (inputs,): the place of features that lie so
    far from zero that a bias cannot hold what it comes to. Without one it is 0. Likewise it may
    have bounds within which features are held then, and attention, by which means are taken of the
    tokens that the features are.
    """

    kernel: np.ndarray
    bias: np.ndarray
    activation: str
    origin: np.ndarray | None = None
    bounds: Bounds | None = None
    attention: Attention | None = None

    @property
    def inputs(self) -> int:
        """How many numbers of a row it takes."""
        return len(self.kernel) if self.attention is None else self.attention.tokens.numbers

    def run(self, x: np.ndarray) -> np.ndarray:
        """The outputs of inputs (n, inputs)."""
        return activate(self.activation, self.sums(x))

    def sums(self, x: np.ndarray) -> np.ndarray:
        """What goes into the activation."""
        x = x if self.origin is None else x - self.origin
        x = x if self.bounds is None else self.bounds.hold(x)
        x = x if self.attention is None else self.attention.run(x)
        return x @ self.kernel + self.bias

    @property
    def weights(self) -> list[np.ndarray]:
        """Kernel, bias, and the origin and the queries if it has them; bounds are no weights."""
        queries = [] if self.attention is None else [self.attention.queries]
        return [self.kernel, self.bias, *([] if self.origin is None else [self.origin]), *queries]


@dataclass(frozen=True)
class DenseStack:
    """Dense layers from flat features to class probabilities, or to numbers.

    Attributes:
        layers: from the features upwards.
        classes: the label of each output, in order; none if the outputs are numbers.
    """

    layers: tuple[Layer, ...]
    classes: tuple[Label, ...]

    @property
    def width(self) -> int:
        """Length of a feature vector."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        """How many probabilities, or numbers, a sample has."""
        return len(self.layers[-1].bias)

    @property
    def layer_names(self) -> list[str]:
        """What the layers are called in Keras."""
        inner = [f"head_dense_{number}" for number in range(1, len(self.layers))]
        return [*inner, LAST_NAME]

    @property
    def names_with_weights(self) -> list[str]:
        """What all layers that have weights are called there, the queries' among them."""
        return [*([] if self.layers[0].attention is None else [QUERIES]), *self.layer_names]

    @property
    def lowest_name(self) -> str:
        """What the lowest of them is called, those of the origin and the bounds included."""
        first = self.layers[0]
        if first.origin is not None:
            return "head_column"
        if first.bounds is not None:
            return "head_bounds"
        return self.layer_names[0] if first.attention is None else "head_tokens"

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities (n, classes), or numbers (n, outputs), of features (n, …), flattened
        to (n, width).

        Raises:
            HeadError: the features are of another width.
        """
        x = flat(features)
        if x.shape[1] != self.width:
            raise HeadError(f"the head takes {self.width} features, received {x.shape[1]}")
        if self.layers[0].activation.startswith(TOP) and len(self.layers) == 2:
            return _voted(x, *self.layers)
        for layer in self.layers:
            x = layer.run(x)
        return x

    def predict(self, features: np.ndarray) -> list[Label]:
        """The most probable class of each row."""
        return [self.classes[best] for best in self.predict_proba(features).argmax(axis=1)]

    def unheld(self) -> DenseStack:
        """The same stack without bounds of features."""
        first, *others = self.layers
        return replace(self, layers=(replace(first, bounds=None), *others))

    def embed(self, features: np.ndarray) -> np.ndarray:
        """The features that the layers take: those that are given, as no layers lie below."""
        return features

    def to_keras(self, tensor: Any) -> Any:
        """The head as Keras layers on a symbolic tensor of features; returns probabilities."""
        layers = keras().layers
        first = self.layers[0]
        is_flat = len(tensor.shape) == 2 or self.lowest_name == "head_tokens"
        x = tensor if is_flat else layers.Flatten(name="head_flatten")(tensor)
        origin = first.origin
        if origin is not None:
            # As a column and back: LiteRT would fold an addition before a product into its bias.
            column = layers.Reshape((len(origin), 1), name=self.lowest_name)(x)
            offset = (-origin[:, None]).tolist()
            x = layers.Flatten()(layers.Rescaling(1.0, offset, name="head_origin")(column))
        x = _hold_in_keras(first.bounds, x)
        x = x if first.attention is None else first.attention.to_keras(x)
        for name, layer in zip(self.layer_names, self.layers, strict=True):
            is_plain = layer.activation in ACTIVATIONS and layer.activation != EXPONENTIAL
            activation = layer.activation if is_plain else None
            dense = layers.Dense(len(layer.bias), activation=activation, name=name)
            x = dense(x)
            dense.set_weights([layer.kernel, layer.bias])
            if not is_plain:
                x = _activate_in_keras(layer.activation, x)
        return x

    def to_bytes(self) -> bytes:
        """The stack as an `.npz` archive without pickles."""
        head, arrays = self.parts()
        number = len(FORMATS) - 1 if self.has_units else number_of_format(arrays)
        return archive(FORMATS[number], head, arrays)

    @property
    def has_units(self) -> bool:
        """Whether a layer brings rows to length one."""
        return any(layer.activation == UNIT for layer in self.layers)

    @staticmethod
    def read(path: Path) -> DenseStack:
        """The inverse of `to_bytes`."""
        with np.load(path, allow_pickle=False) as arrays:
            return DenseStack.of_parts(head_of_archive(path, arrays, FORMATS), arrays)

    def parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What is stored of it: JSON values, and arrays by name."""
        head = {
            "activations": [layer.activation for layer in self.layers],
            "classes": list(self.classes),
        }
        arrays = {f"kernel_{number}": one.kernel for number, one in enumerate(self.layers)}
        arrays |= {f"bias_{number}": one.bias for number, one in enumerate(self.layers)}
        origin, bounds = self.layers[0].origin, self.layers[0].bounds
        arrays |= {} if origin is None else {"origin": origin}
        arrays |= {} if bounds is None else {"lower": bounds.lower, "upper": bounds.upper}
        attention = self.layers[0].attention
        if attention is not None:
            head["tokens"] = asdict(attention.tokens)
            arrays["queries"] = attention.queries
        return head, arrays

    @staticmethod
    def of_parts(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> DenseStack:
        """The inverse of `parts`."""
        first, *others = (
            Layer(arrays[f"kernel_{number}"], arrays[f"bias_{number}"], activation)
            for number, activation in enumerate(head["activations"])
        )
        origin = arrays.get("origin")
        bounds = Bounds(arrays["lower"], arrays["upper"]) if "lower" in arrays else None
        attention = None
        if "queries" in arrays:
            attention = Attention(arrays["queries"], Tokens(**head["tokens"]))
        first = replace(first, origin=origin, bounds=bounds, attention=attention)
        return DenseStack((first, *others), tuple(head["classes"]))


def number_of_format(arrays: Mapping[str, np.ndarray]) -> int:
    """Which of the formats arrays of `DenseStack.parts` need; see `FORMATS`."""
    return next((3 - n for n, one in enumerate(("queries", "lower", "origin")) if one in arrays), 0)


def archive(format_: str, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """An `.npz` archive of arrays and of JSON values, which it has as an array named `head`."""
    file = io.BytesIO()
    named: dict[str, Any] = {"head": np.array(json.dumps({"format": format_, **head})), **arrays}
    np.savez(file, **named)
    return file.getvalue()


def head_of_archive(
    path: Path, arrays: Mapping[str, np.ndarray], formats: Sequence[str]
) -> dict[str, Any]:
    """The JSON values of an archive.

    Raises:
        HeadError: it has another format.
    """
    head = json.loads(str(arrays["head"]))
    if head["format"] not in formats:
        known = " and ".join(formats)
        raise HeadError(f"{path} has format {head['format']!r}; this code reads {known}")
    return head


def flat(features: np.ndarray) -> np.ndarray:
    """Features (n, …) as vectors (n, width)."""
    return features.reshape(len(features), math.prod(features.shape[1:]))


def stack_of(layers: Sequence[Layer], classes: Sequence[Label]) -> DenseStack:
    """A stack; activations and shapes are checked."""
    for layer in layers:
        assert layer.activation in (*ACTIVATIONS, "shares", UNIT) or layer.activation.startswith(
            TOP
        )
        assert layer.kernel.shape[1:] == layer.bias.shape
        assert layer.attention is None or layer.attention.outputs == len(layer.kernel)
    return DenseStack(tuple(layers), tuple(classes))


def outputs_of(stack: Any, part: Any) -> np.ndarray:
    """What a stack, or an ensemble, gives for all rows of a part, (n, outputs), some at a time."""
    if not len(part):
        return np.empty((0, stack.outputs), np.float32)
    step = max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // (4 * max(stack.width, 1))))
    starts = range(0, len(part), step)
    return np.concatenate(
        [stack.predict_proba(part.features[start : start + step]) for start in starts]
    )


def _voted(x: np.ndarray, nearest: Layer, votes: Layer) -> np.ndarray:
    """What two layers give, of which the first tells the K largest: of the second's kernel only
    their rows are added up."""
    count = int(nearest.activation.removeprefix(TOP))
    step = max(1, BLOCK // len(nearest.bias))
    found = [
        votes_of(nearest.sums(x[start : start + step]), (count,), votes.kernel)[count]
        for start in range(0, max(len(x), 1), step)
    ]
    return activate(votes.activation, np.concatenate(found) + votes.bias)


EXPONENTIAL = "exponential"
HIGHEST = 80.0
"""Exponents are taken for no more, in a fit as in what it gives: e^80 is 5.5e34, and float32 ends
at e^88.7, beyond which a sample far from all others had an infinite mean."""


def activate(name: str, x: np.ndarray) -> np.ndarray:
    """An activation: one of `ACTIVATIONS`; `top_K`, 1 for the K largest of a row and 0 else;
    `shares`, a row divided by its sum; `unit`, by its length."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name](x)
    if name == UNIT:
        squares = np.einsum("ij,ij->i", x, x)[:, None]
        return x / np.sqrt(np.maximum(squares, np.float32(SHORTEST)))
    if name == "shares":
        return x / x.sum(axis=1, keepdims=True)
    count = int(name.removeprefix(TOP))
    least = np.partition(x, -count, axis=1)[:, -count, None]
    return (x >= least).astype(np.float32)


def _hold_in_keras(bounds: Bounds | None, x: Any) -> Any:
    """`Bounds.hold` of Keras' own operations; behind a layer with a name, as they have none."""
    if bounds is None:
        return x
    ops = keras().ops
    x = keras().layers.Identity(name="head_bounds")(x)
    return ops.minimum(ops.maximum(x, bounds.lower), bounds.upper)


def _activate_in_keras(name: str, x: Any) -> Any:
    """The same, of Keras' own operations, so that a saved model needs nothing of ours."""
    ops = keras().ops
    if name == EXPONENTIAL:
        return ops.exp(ops.minimum(x, HIGHEST))
    if name == "shares":
        return ops.divide(x, ops.sum(x, axis=-1, keepdims=True))
    if name == UNIT:
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return ops.divide(x, ops.sqrt(ops.maximum(squares, SHORTEST)))
    values, _ = ops.top_k(x, int(name.removeprefix(TOP)), sorted=True)
    return ops.cast(ops.greater_equal(x, values[:, -1:]), "float32")


def softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(logits)


ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "softmax": softmax,
    "sigmoid": sigmoid,
    "linear": lambda x: x,
    EXPONENTIAL: lambda x: np.exp(np.minimum(x, HIGHEST)),
}
"""By the name that they have in Keras, whose exponential alone has no highest exponent."""
