"""Poolings that leave tokens, but fewer: `|tokens49`, `|tokens7x7`.

They are a family, as any number may be asked for; the number is a part of the name, and so of
feature keys. Each token is the mean of those near it, as of adaptive average pooling: of n places
the i-th of k takes those from floor(i n / k) to ceil((i + 1) n / k).
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import Any

import numpy as np

from headstart.errors import BackboneError, LayerNotFound
from headstart.extractors.backbones.poolings.own import Own, Shape
from headstart.extractors.runtime import keras

NAME = re.compile(r"tokens([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?")


def find_fewer(name: str) -> Own | None:
    """The pooling of a name, if it is one of these."""
    found = NAME.fullmatch(name)
    if found is None:
        return None
    wanted = tuple(int(size) for size in found.groups() if size is not None)
    return Own(name, "fewer tokens", partial(_run, name, wanted), width=lambda shape: shape[-1])


def shape_of(name: str, shape: Shape) -> Shape:
    """Of what a pooling of these gives of features of a shape: (tokens, width).

    Raises:
        LayerNotFound: it does not suit them.
    """
    found = NAME.fullmatch(name)
    assert found is not None
    rows, columns = int(found[1]), int(found[2] or 0)
    if len(shape) not in (2, 3):
        raise _unfit(name, f"features are of shape {shape}", "It is for maps and sequences.")
    if not columns and len(shape) == 3 and math.isqrt(rows) ** 2 != rows:
        raise _unfit(name, "a map is pooled to a grid", "Say which, such as |tokens7x7.")
    sizes = _grid(shape) if columns or len(shape) == 3 else shape[:1]
    if sizes is None:
        raise _unfit(
            name,
            f"a sequence of {shape[0]} steps is no square grid, with or without a class token",
            f"Name |tokens{rows * columns} for so many spans of it.",
        )
    wanted = _wanted(rows, columns, len(sizes))
    if any(size is not None and one > size for one, size in zip(wanted, sizes, strict=True)):
        raise _unfit(name, f"there are {' x '.join(map(str, sizes))}", "Name fewer, or no pooling.")
    return math.prod(wanted) + _leading(shape, bool(columns)), shape[-1]


def _wanted(rows: int, columns: int, dimensions: int) -> tuple[int, ...]:
    if columns:
        return rows, columns
    return (rows,) if dimensions == 1 else (math.isqrt(rows),) * 2


def _grid(shape: Shape) -> Shape | None:
    """Height and width of a map, or of the patches of a sequence, before which a class token may
    stand; None of a sequence that is none."""
    if len(shape) == 3:
        return shape[:2]
    if shape[0] is None:
        return None
    for steps in (shape[0], shape[0] - 1):
        if steps > 1 and math.isqrt(steps) ** 2 == steps:
            return (math.isqrt(steps),) * 2
    return None


def _leading(shape: Shape, is_grid: bool) -> int:
    """Tokens that stay as they are: 1 where a class token stands before a grid."""
    steps = shape[0] or 0
    return int(len(shape) == 2 and is_grid and math.isqrt(steps) ** 2 != steps)


def _unfit(name: str, why: str, hint: str) -> LayerNotFound:
    return LayerNotFound(f"|{name} does not suit: {why}", hint=hint)


def _run(name: str, wanted: tuple[int, ...], tensor: Any, mask: Any) -> Any:
    shape = tuple(tensor.shape[1:])
    if None in shape:
        raise BackboneError(
            f"|{name} needs features of fixed size, and these are of shape {shape}",
            hint="Name a cut that has one, or another pooling.",
        )
    ops, (tokens, width) = keras().ops, shape_of(name, shape)
    steps = math.prod(shape[:-1])
    grid = _grid(shape) if len(wanted) == 2 or len(shape) == 3 else (steps,)
    assert grid is not None and tokens is not None  # or there would be no shape
    lead = _leading(shape, len(wanted) == 2)
    sizes = _wanted(wanted[0], wanted[1] if len(wanted) == 2 else 0, len(grid))
    means = np.ones((1, 1), np.float32)
    for size, count in zip(grid, sizes, strict=True):
        means = np.kron(means, _means(size or 0, count))
    whole = np.zeros((tokens, steps), np.float32)
    whole[:lead, :lead] = np.eye(lead)
    whole[lead:, lead:] = means
    # one product with a constant behind the tensor, which every engine has
    turned = ops.transpose(ops.reshape(tensor, (-1, steps, width)), (0, 2, 1))
    return ops.transpose(ops.matmul(turned, whole.T), (0, 2, 1))


def _means(size: int, count: int) -> np.ndarray:
    """(count, size): each row has the mean of some places."""
    found = np.zeros((count, size), np.float32)
    for row in range(count):
        start, stop = row * size // count, -(-(row + 1) * size // count)
        found[row, start:stop] = 1 / (stop - start)
    return found
