"""What layers do with their sums, in NumPy and in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from headstart.extractors.runtime import keras

UNIT = "unit"
"""The activation that divides a row by its length; one of length 0 stays."""
SHORTEST = 1e-12
"""Of the square of a length: what is shorter counts as so long. Keras has the same."""
TOP = "top_"
"""Begins the activation that tells the largest of a row: the rest says how many."""
SHARES = "shares"
"""The activation that divides a row by its sum."""
EXPONENTIAL = "exponential"
AFFINITIES = "affinities_"
"""Begins the activation that is exponential of the first of a row, of which the rest says how many,
and leaves the others as they are."""
HIGHEST = 80.0
"""Exponents are taken for no more, in a fit as in what it gives: e^80 is 5.5e34, and float32 ends
at e^88.7, beyond which a sample far from all others had an infinite mean."""


def activate(name: str, x: np.ndarray) -> np.ndarray:
    """An activation: one of `ACTIVATIONS`; `top_K`, 1 for the K largest of a row and 0 else;
    `shares`, a row divided by its sum; `unit`, by its length; `affinities_K`, the exponential of
    the first K of a row, and the others as they are."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name](x)
    if name.startswith(AFFINITIES):
        first = affinities_in(name)
        return np.concatenate([ACTIVATIONS[EXPONENTIAL](x[:, :first]), x[:, first:]], axis=1)
    if name == UNIT:
        squares = np.einsum("ij,ij->i", x, x)[:, None]
        return x / np.sqrt(np.maximum(squares, np.float32(SHORTEST)))
    if name == SHARES:
        return x / x.sum(axis=1, keepdims=True)
    count = int(name.removeprefix(TOP))
    least = np.partition(x, -count, axis=1)[:, -count, None]
    return (x >= least).astype(np.float32)


def activate_in_keras(name: str, x: Any) -> Any:
    """The same, of Keras' own operations, so that a saved model needs nothing of ours."""
    ops = keras().ops
    if name == EXPONENTIAL:
        return ops.exp(ops.minimum(x, HIGHEST))
    if name.startswith(AFFINITIES):
        first = affinities_in(name)
        return ops.concatenate([activate_in_keras(EXPONENTIAL, x[:, :first]), x[:, first:]], axis=1)
    if name == SHARES:
        return ops.divide(x, ops.sum(x, axis=-1, keepdims=True))
    if name == UNIT:
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return ops.divide(x, ops.sqrt(ops.maximum(squares, SHORTEST)))
    values, _ = ops.top_k(x, int(name.removeprefix(TOP)), sorted=True)
    return ops.cast(ops.greater_equal(x, values[:, -1:]), "float32")


def affinities_in(name: str) -> int:
    """Of how many numbers of a row an activation is exponential."""
    return int(name.removeprefix(AFFINITIES))


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
