"""The poolings that are there without any other package; see `pooling.Pooling`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headstart.errors import BackboneError
from headstart.extractors.runtime import keras

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Own:
    """See `Pooling`; its name is part of feature keys, and what it computes never changes."""

    name: str
    words: str
    run: Callable[[Any, Any], Any]
    is_of_sequences: bool = False
    is_masked: bool = False
    width: Callable[[Shape], int | None] = lambda shape: shape[-1]
    version: int = 1


def _flatten(tensor: Any, mask: Any) -> Any:
    return keras().layers.Flatten()(tensor)


def _all_values(shape: Shape) -> int | None:
    sizes = [size for size in shape if size is not None]
    return math.prod(sizes) if len(sizes) == len(shape) else None


def _over_map(name: str) -> Callable[[Any, Any], Any]:
    """A reduction of `keras.ops` over all places of a map."""

    def run(tensor: Any, mask: Any) -> Any:
        return getattr(keras().ops, name)(tensor, axis=tuple(range(1, len(tensor.shape) - 1)))

    return run


def _mean(tensor: Any, mask: Any) -> Any:
    ops = keras().ops
    if mask is None:
        return ops.mean(tensor, axis=1)
    weight = _weight(tensor, mask)
    # Of a sequence whose steps are all masked the sum is 0, and so is its mean: no 0/0.
    return ops.sum(tensor * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


def _max(tensor: Any, mask: Any) -> Any:
    ops = keras().ops
    if mask is None:
        return ops.max(tensor, axis=1)
    weight = _weight(tensor, mask)
    # Masked steps lie far below any feature; infinity would give NaN where it meets a weight of 0.
    return ops.max(tensor * weight + (weight - 1.0) * 1e30, axis=1)


def _cls(tensor: Any, mask: Any) -> Any:
    return tensor[:, 0]


def _last(tensor: Any, mask: Any) -> Any:
    if mask is None:
        return tensor[:, -1]
    ops, weight = keras().ops, _weight(tensor, mask)
    # Steps are counted along the sequence: the last that counts has the highest number.
    steps = ops.cumsum(ops.ones_like(weight), axis=1) * weight
    is_last = ops.cast(ops.equal(steps, ops.max(steps, axis=1, keepdims=True)), tensor.dtype)
    return ops.sum(tensor * is_last * weight, axis=1)


def _masked(tensor: Any, mask: Any) -> Any:
    if mask is None:
        raise BackboneError(
            "|masked is for sequences with a mask, and this has none", hint="Name the cut alone."
        )
    ops = keras().ops
    both = ops.concatenate([tensor, _weight(tensor, mask)], axis=-1)
    if tensor.shape[1] is None:  # the length is that of the texts, which are padded to one
        return keras().layers.Flatten()(both)
    return ops.reshape(both, (-1, _with_mask(tensor.shape[1:])))


def _with_mask(shape: Shape) -> int | None:
    steps, features = shape[0], shape[-1]
    return None if steps is None or features is None else steps * (features + 1)


def _weight(tensor: Any, mask: Any) -> Any:
    """1 for each step that counts, 0 for the others, (batch, steps, 1)."""
    ops = keras().ops
    return ops.expand_dims(ops.cast(mask, tensor.dtype), -1)


WITHOUT_MASKED = "over the steps of a sequence, masked steps left out"
GAP = Own("gap", "global average", _over_map("mean"))
GMP = Own("gmp", "global maximum", _over_map("max"))
FLATTEN = Own("flatten", "all values as one vector", _flatten, width=_all_values)
MEAN = Own("mean", f"average {WITHOUT_MASKED}", _mean, is_of_sequences=True, is_masked=True)
MAX = Own("max", f"maximum {WITHOUT_MASKED}", _max, is_of_sequences=True, is_masked=True)
CLS = Own("cls", "the first step of a sequence", _cls, is_of_sequences=True)
MASKED = Own(
    "masked",
    "the steps of a sequence as they are, each with 1 behind it if it counts and 0 if it is masked",
    _masked,
    is_of_sequences=True,
    is_masked=True,
    width=_with_mask,
)
LAST = Own(
    "last",
    "the last step of a sequence that is not masked",
    _last,
    is_of_sequences=True,
    is_masked=True,
)
