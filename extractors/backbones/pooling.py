"""Pooling behind a cut: from a map or a sequence to one vector a sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from headstart.errors import LayerNotFound
from headstart.extractors.runtime import keras


@dataclass(frozen=True)
class Pooling:
    """A kind of pooling.

    Attributes:
        words: what it gives.
        run: takes a symbolic tensor (batch, ..., features), and the mask of a sequence (batch,
            steps) or None; gives (batch, features), by operations of Keras alone: they become part
            of the trunk, which other engines convert.
        is_of_sequences: whether it is only for (steps, features).
        is_masked: whether it looks at the mask.
    """

    words: str
    run: Callable[[Any, Any], Any]
    is_of_sequences: bool = False
    is_masked: bool = False


def _flatten(tensor: Any, mask: Any) -> Any:
    return keras().layers.Flatten(name="pooling_flatten")(tensor)


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
    return ops.sum(tensor * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)


def _max(tensor: Any, mask: Any) -> Any:
    ops = keras().ops
    if mask is None:
        return ops.max(tensor, axis=1)
    weight = _weight(tensor, mask)
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


def _weight(tensor: Any, mask: Any) -> Any:
    """1 for each step that counts, 0 for the others, (batch, steps, 1)."""
    ops = keras().ops
    return ops.expand_dims(ops.cast(mask, tensor.dtype), -1)


WITHOUT_MASKED = "over the steps of a sequence, masked steps left out"
POOLINGS = {
    "gap": Pooling("global average", _over_map("mean")),
    "gmp": Pooling("global maximum", _over_map("max")),
    "flatten": Pooling("all values as one vector", _flatten),
    "mean": Pooling(f"average {WITHOUT_MASKED}", _mean, is_of_sequences=True, is_masked=True),
    "max": Pooling(f"maximum {WITHOUT_MASKED}", _max, is_of_sequences=True, is_masked=True),
    "cls": Pooling("the first step of a sequence", _cls, is_of_sequences=True),
    "last": Pooling(
        "the last step of a sequence that is not masked",
        _last,
        is_of_sequences=True,
        is_masked=True,
    ),
}
"""By the name behind `|` in a cut: it is part of feature keys, and so never renamed."""
MASKED = {name for name, pooling in POOLINGS.items() if pooling.is_masked}


def check_pooling(pooling: str, shape: tuple[int | None, ...], cut: str) -> None:
    """Refuse a pooling that is not known, or not for features of this shape.

    Args:
        pooling: its name.
        shape: of one sample's feature.
        cut: what was asked for, for the message.

    Raises:
        LayerNotFound: it does not fit.
    """
    if pooling not in POOLINGS:
        raise LayerNotFound(
            f"no pooling {pooling!r} in cut {cut!r}",
            hint=f"Choose one of {', '.join(f'|{known}' for known in POOLINGS)}.",
        )
    if POOLINGS[pooling].is_of_sequences and len(shape) != 2:
        raise LayerNotFound(
            f"|{pooling} is for sequences (steps, features); {cut!r} has features of shape {shape}",
            hint="Use |gap, |gmp or |flatten.",
        )


def pool(tensor: Any, pooling: str | None, mask: Any = None) -> Any:
    """Pool a symbolic tensor (batch, ..., features) to (batch, features).

    A sequence's mask is the one that is given, or the one that Keras carries along from an
    Embedding with `mask_zero` or a Masking layer.
    """
    if pooling is None:
        return tensor
    known = POOLINGS[pooling]
    if known.is_masked and mask is None:
        mask = getattr(tensor, "_keras_mask", None)
    return known.run(tensor, mask)
