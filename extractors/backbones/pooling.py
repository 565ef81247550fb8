"""Pooling behind a cut: from a map or a sequence to one vector a sample."""

from __future__ import annotations

from typing import Any

from headstart.errors import LayerNotFound
from headstart.extractors.runtime import keras

POOLINGS = {
    "gap": "global average",
    "gmp": "global maximum",
    "flatten": "all values as one vector",
    "mean": "average over the steps of a sequence, masked steps left out",
    "max": "maximum over the steps of a sequence, masked steps left out",
    "cls": "the first step of a sequence",
    "last": "the last step of a sequence that is not masked",
}
MASKED = {"mean", "max", "last"}
SEQUENCES = {"mean", "max", "cls", "last"}


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
    if pooling in SEQUENCES and len(shape) != 2:
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
    k = keras()
    if pooling == "flatten":
        return k.layers.Flatten(name="pooling_flatten")(tensor)
    if pooling in ("gap", "gmp"):
        axes = tuple(range(1, len(tensor.shape) - 1))
        return (k.ops.mean if pooling == "gap" else k.ops.max)(tensor, axis=axes)
    return _pool_sequence(tensor, pooling, mask)


def _pool_sequence(tensor: Any, pooling: str, mask: Any) -> Any:
    ops = keras().ops
    if mask is None:
        mask = getattr(tensor, "_keras_mask", None)
    if pooling == "cls":
        return tensor[:, 0]
    if mask is None:
        plain = {"mean": lambda x: ops.mean(x, axis=1), "max": lambda x: ops.max(x, axis=1)}
        return plain[pooling](tensor) if pooling in plain else tensor[:, -1]
    weight = ops.expand_dims(ops.cast(mask, tensor.dtype), -1)
    if pooling == "mean":
        return ops.sum(tensor * weight, axis=1) / ops.maximum(ops.sum(weight, axis=1), 1.0)
    if pooling == "max":
        return ops.max(tensor * weight + (weight - 1.0) * 1e30, axis=1)
    # Steps are counted along the sequence: the last that counts has the highest number.
    steps = ops.cumsum(ops.ones_like(weight), axis=1) * weight
    is_last = ops.cast(ops.equal(steps, ops.max(steps, axis=1, keepdims=True)), tensor.dtype)
    return ops.sum(tensor * is_last * weight, axis=1)
