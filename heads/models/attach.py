"""Attaching a head to its trunk: one ordinary Keras model."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.errors import ParityError
from headstart.extractors.difference import share_of_largest
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.runtime import keras
from headstart.heads.combined.ensemble import Ensemble
from headstart.heads.dense_stack import DenseStack

TOLERANCES = {"float32": 1e-4, "bfloat16": 0.25}
"""Largest difference of a probability, by the precision of the cached features."""


def attach(trunk: Any, stack: DenseStack | Ensemble, name: str) -> Any:
    """A `keras.Model` from the trunk's input to class probabilities; the trunk is frozen."""
    model = keras().Model(trunk.input, stack.to_keras(trunk.outputs[0]), name=name)
    for layer in model.layers:
        layer.trainable = layer.name in stack.names_with_weights
    return model


def predict(model: Any, inputs: Batch) -> np.ndarray:
    """Probabilities (n, classes) of preprocessed samples, or of those of each input by name.

    They are computed operation by operation: `predict_on_batch` traces a function for each new
    model, which takes longer than the few calls that such a model gets, and TensorFlow warns of it.
    """
    if isinstance(inputs, dict):
        inputs = {tensor.name: inputs[tensor.name] for tensor in model.inputs}
    return np.asarray(model(inputs, training=False))


def check_parity(given: np.ndarray, expected: np.ndarray, tolerance: float) -> float:
    """The largest difference between a model's probabilities and those of the cached path.

    Of numbers above 1, as a share of the largest.

    Args:
        given: of the attached model, (n, classes).
        expected: the head's probabilities on the cached features, (n, classes).
        tolerance: the largest difference allowed.

    Raises:
        ParityError: it is larger.
    """
    difference = share_of_largest(given, expected)
    if not difference <= tolerance:  # also catches NaN
        raise ParityError(
            f"the attached model differs by {difference:.2g} from the cached features' path",
            hint="Run `headstart features verify`; nothing was saved.",
        )
    return difference
