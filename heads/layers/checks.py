"""What layers must be to make a head that works: whoever reads them from a file, or has them of a
fit, asks here, before anybody is told what the head says."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from headstart.errors import HeadError
from headstart.heads.layers.activations import ACTIVATIONS, AFFINITIES, SHARES, TOP, UNIT
from headstart.heads.layers.layer import Layer
from headstart.storage.manifest import Label
from headstart.values.showable import brief

TOP_K = re.compile(TOP + r"([1-9][0-9]{0,8})")
FIRST_K = re.compile(AFFINITIES + r"([1-9][0-9]{0,8})")


def check_layers(layers: Sequence[Layer], classes: Sequence[Label]) -> None:
    """See that layers fit on each other and on the classes, and that nothing but finite numbers is
    in them.

    Args:
        layers: from the features upwards.
        classes: the label of each output; none if the outputs are numbers.

    Raises:
        HeadError: they do not; the message says which layer, and why.
    """
    if not layers:
        raise HeadError("it has no layers")
    for number, layer in enumerate(layers):
        where = "its layer" if len(layers) == 1 else f"layer {number + 1} of {len(layers)}"
        below = layers[number - 1] if number else None
        _check_weights(layer, where)
        _check_place(layer, below, where)
        _check_activation(layer, below, where, is_last=layer is layers[-1])
    _check_first(layers[0])
    _check_classes(classes, len(layers[-1].bias))


def _check_weights(layer: Layer, where: str) -> None:
    kernel = layer.kernel
    if kernel.ndim != 2 or not kernel.size:
        raise HeadError(f"{where} has a kernel of shape {kernel.shape}, which is no matrix")
    _check_numbers(kernel, kernel.shape, f"the kernel of {where}")
    _check_numbers(layer.bias, kernel.shape[1:], f"the bias of {where}")


def _check_numbers(array: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    if array.shape != shape:
        raise HeadError(f"{what} has shape {array.shape}, where it must have {shape}")
    if array.dtype != np.float32:
        raise HeadError(f"{what} is of {array.dtype}, where it must be of float32")
    if not np.isfinite(array).all():
        raise HeadError(f"{what} holds values that are no finite numbers")


def _check_place(layer: Layer, below: Layer | None, where: str) -> None:
    if below is None:
        return
    if any(one is not None for one in (layer.origin, layer.bounds, layer.attention)):
        raise HeadError(f"{where} has an origin, bounds or queries, as only the first may")
    given, taken = len(below.bias), len(layer.kernel)
    if given != taken:
        raise HeadError(f"{where} takes {taken:,} numbers, and the layer below gives {given:,}")


def _check_activation(layer: Layer, below: Layer | None, where: str, *, is_last: bool) -> None:
    """`top_K`, `affinities_K` and `unit` are for layers below others; `shares` is of votes of the K
    largest."""
    name = layer.activation
    chosen = (TOP_K.fullmatch(name) or FIRST_K.fullmatch(name)) if isinstance(name, str) else None
    if not isinstance(name, str) or (name not in (*ACTIVATIONS, SHARES, UNIT) and not chosen):
        raise HeadError(f"{where} has the activation {brief(name)}, which no head has")
    if chosen and int(chosen[1]) > len(layer.bias):
        raise HeadError(f"{where} has the activation {name}, and {len(layer.bias):,} numbers")
    if is_last and (chosen or name == UNIT):
        raise HeadError(f"the last layer has the activation {name}, whose outputs say nothing")
    if name == SHARES:
        is_of_votes = below is not None and TOP_K.fullmatch(below.activation)
        if not (is_last and is_of_votes and layer.kernel.min() >= 0 and layer.bias.min() >= 0):
            raise HeadError(
                f"{where} has the activation {name} of what is no votes: they are 0 or more, and "
                "stand behind top_K"
            )


def _check_first(layer: Layer) -> None:
    """What is done with features before the first kernel."""
    if layer.attention is not None:
        queries, tokens = layer.attention.queries, layer.attention.tokens
        count = queries.shape[-1] if queries.ndim == 2 else 0
        _check_numbers(queries, (tokens.width, count), "the array of queries")
        if not tokens.count or not count or queries.size != len(layer.kernel):
            raise HeadError(
                f"its kernel takes {len(layer.kernel):,} numbers, and {count:,} queries of "
                f"{tokens.count:,} tokens give {queries.size:,}"
            )
    shape = (layer.inputs,)
    if layer.origin is not None:
        _check_numbers(layer.origin, shape, "the origin")
    if layer.bounds is not None:
        lower, upper = layer.bounds.lower, layer.bounds.upper
        _check_numbers(lower, shape, "the lower bound")
        _check_numbers(upper, shape, "the upper bound")
        if (lower > upper).any():
            raise HeadError("a lower bound is above the upper one")


def _check_classes(classes: Sequence[Label], outputs: int) -> None:
    for label in classes:
        if not isinstance(label, str | int) or isinstance(label, bool):
            raise HeadError(f"{brief(label)} is among its classes, and is no label")
    if len(set(classes)) < len(classes):
        twice = next(one for one in classes if list(classes).count(one) > 1)
        raise HeadError(f"the class {brief(twice)} is there twice")
    if classes and len(classes) != outputs:
        raise HeadError(f"it has {len(classes):,} classes and {outputs:,} outputs")
