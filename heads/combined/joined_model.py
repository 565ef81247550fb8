"""A head on several trunks, or on several cuts of one, as one Keras model: each trunk runs once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.runtime import keras
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack
from headstart.heads.models.export import scaled


@dataclass(frozen=True)
class Trunk:
    """A frozen model, and what goes in and out.

    Attributes:
        model: from preprocessed samples to the cuts.
        numbers: of each of its outputs, which of the joined features it is.
        inputs: the names under which its inputs go into the whole, by its own; trunks that are
            given one name take the same.
        affine: what is done to pixels before; None where preprocessed samples go in.
        shape: of one sample of pixels, (height, width, channels).
    """

    model: Any
    numbers: Sequence[int]
    inputs: dict[str, str]
    affine: Affine | None = None
    shape: tuple[int, ...] = ()


def attach_joined(
    trunks: Sequence[Trunk], factors: Sequence[np.float32], stack: DenseStack | Ensemble, name: str
) -> Any:
    """A `keras.Model` from what the trunks take to what the head says; the trunks are frozen.

    Args:
        trunks: which.
        factors: by what the numbers of each of the joined features are multiplied.
        stack: the head.
        name: of the model.
    """
    k = keras()
    given: dict[str, Any] = {}
    features: dict[int, Any] = {}
    for place, trunk in enumerate(trunks):
        # a model in the model, as layers of two trunks may have one name
        whole = k.Model(trunk.model.input, trunk.model.output, name=f"trunk_{place + 1}")
        found = whole(_fed(trunk, given, place))
        for number, tensor in zip(
            trunk.numbers, found if isinstance(found, list) else [found], strict=True
        ):
            flat = tensor if len(tensor.shape) == 2 else k.layers.Flatten()(tensor)
            scale = k.layers.Rescaling(float(factors[number]), name=f"joined_{number + 1}")
            features[number] = scale(flat)
    joined = k.layers.Concatenate(name="joined")([features[number] for number in sorted(features)])
    inputs = list(given.values())
    model = k.Model(inputs[0] if len(inputs) == 1 else inputs, stack.to_keras(joined), name=name)
    for layer in model.layers:
        layer.trainable = layer.name in stack.names_with_weights
    return model


def _fed(trunk: Trunk, given: dict[str, Any], place: int) -> Any:
    """What a trunk is called with; inputs that are new are put among those that are given."""
    k, fed = keras(), []
    for tensor in trunk.model.inputs:
        name = trunk.inputs[tensor.name]
        if name not in given:
            shape = tensor.shape[1:] if trunk.affine is None else trunk.shape
            dtype = tensor.dtype if trunk.affine is None else "uint8"
            given[name] = k.Input(shape, dtype=dtype, name=name)
        x = given[name]
        fed.append(x if trunk.affine is None else scaled(x, trunk.affine, f"scaling_{place + 1}"))
    return fed[0] if len(fed) == 1 else fed
