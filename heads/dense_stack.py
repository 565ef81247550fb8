"""A trained head: a few dense layers with numpy weights, usable with and without Keras; of tokens
learned queries take means first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import HeadError
from headstart.extractors.runtime import keras
from headstart.fields import WrongField, anything, list_of, record, text, truth, whole
from headstart.heads.attention.layer import NAME as QUERIES
from headstart.heads.attention.layer import Attention
from headstart.heads.attention.tokens import Tokens
from headstart.heads.bounds import Bounds
from headstart.heads.largest import BLOCK, votes_of
from headstart.heads.layers.activations import (
    ACTIVATIONS,
    AFFINITIES,
    EXPONENTIAL,
    TOP,
    UNIT,
    activate,
    activate_in_keras,
)
from headstart.heads.layers.archives import archive, read_archive
from headstart.heads.layers.checks import check_layers
from headstart.heads.layers.layer import Layer as Layer  # whence packages of others have it
from headstart.storage.manifest import Label

FORMATS = tuple(f"headstart.dense-stack/{number}" for number in (1, 2, 3, 4, 5, 6))
"""Of stacks without an origin, with one, with bounds (and perhaps an origin), with attention (and
perhaps these), and with rows brought to length one: code that does not know of them must not read
it."""
ROWS_AT_ONCE = 4096
BYTES_AT_ONCE = 256 << 20
"""Of features that outputs are asked of; fewer rows than `ROWS_AT_ONCE`, if they are wide."""
MOST = 1 << 40
"""Tokens of a row, and numbers of each: what they are in all, arrays tell."""
LONGEST = 40
"""Letters of an activation."""
LAST_NAME = "head_probabilities"
"""What the last layer is called in Keras, also where its outputs are numbers."""


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
        if any(layer.activation.startswith(AFFINITIES) for layer in self.layers):
            step = max(1, BLOCK // max(len(layer.bias) for layer in self.layers))
            starts = range(0, max(len(x), 1), step)
            return np.concatenate([self._run(x[start : start + step]) for start in starts])
        return self._run(x)

    def _run(self, x: np.ndarray) -> np.ndarray:
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
                x = activate_in_keras(layer.activation, x)
        return x

    def to_bytes(self) -> bytes:
        """The stack as an `.npz` archive without pickles."""
        head, arrays = self.parts()
        return archive(FORMATS[number_of_format(head, arrays)], head, arrays)

    @staticmethod
    def read(path: Path) -> DenseStack:
        """The inverse of `to_bytes`.

        Raises:
            HeadError: it is damaged, or no head that works; the message says why.
        """
        stored = read_archive(path, FORMATS)
        if stored.number < number_of_format(stored.head, stored.arrays):
            raise HeadError(f"its format is {FORMATS[stored.number]}, which knows less than it has")
        return DenseStack.of_parts(stored.head, stored.arrays)

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
        """The inverse of `parts`.

        Raises:
            HeadError: they are not what `parts` gives, or the layers make no head that works.
        """
        try:
            layers = _layers(head, dict(arrays))
            classes = list_of(anything)(head.get("classes"), "classes")
        except WrongField as error:
            raise HeadError(str(error)) from error
        return stack_of(layers, classes)


TOKENS = record({"count": whole(MOST), "width": whole(MOST), "is_masked": truth})


def _layers(head: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> list[Layer]:
    """The layers of what is stored; each array is of one of them.

    Raises:
        HeadError: an array is missing, or nobody needs it.
        WrongField: another value is of another type.
    """

    def take(name: str) -> np.ndarray:
        if name not in arrays:
            raise HeadError(f"it has no array {name!r}")
        return arrays.pop(name)

    names = list_of(text(LONGEST))(head.get("activations"), "activations")
    layers = [
        Layer(take(f"kernel_{number}"), take(f"bias_{number}"), name)
        for number, name in enumerate(names)
    ]
    origin = arrays.pop("origin", None)
    bounds = Bounds(take("lower"), take("upper")) if "lower" in arrays else None
    attention = None
    if "queries" in arrays:
        attention = Attention(take("queries"), Tokens(**TOKENS(head.get("tokens"), "tokens")))
    if arrays:
        raise HeadError(f"it has an array {min(arrays)!r} that is of no layer")
    first = [replace(one, origin=origin, bounds=bounds, attention=attention) for one in layers[:1]]
    return first + layers[1:]


def number_of_format(head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> int:
    """Which of the formats values and arrays of `DenseStack.parts` need; see `FORMATS`."""
    given = head.get("activations")
    activations = given if isinstance(given, list) else []
    if any(str(one).startswith(AFFINITIES) for one in activations):
        return len(FORMATS) - 1
    if UNIT in activations:
        return len(FORMATS) - 2
    return next((3 - n for n, one in enumerate(("queries", "lower", "origin")) if one in arrays), 0)


def flat(features: np.ndarray) -> np.ndarray:
    """Features (n, …) as vectors (n, width)."""
    return features.reshape(len(features), math.prod(features.shape[1:]))


def stack_of(layers: Sequence[Layer], classes: Sequence[Label]) -> DenseStack:
    """A stack of layers that make a head which works.

    Raises:
        HeadError: they make none; see `check_layers`.
    """
    check_layers(layers, classes)
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


def _hold_in_keras(bounds: Bounds | None, x: Any) -> Any:
    """`Bounds.hold` of Keras' own operations; behind a layer with a name, as they have none."""
    if bounds is None:
        return x
    ops = keras().ops
    x = keras().layers.Identity(name="head_bounds")(x)
    return ops.minimum(ops.maximum(x, bounds.lower), bounds.upper)
