"""How large a model would be, from its configuration alone.

What is computed is a lower bound: what a layer's weights hold at least, whatever it is called on.
All of it must lie in the file that brings the configuration, so a file that stores less is refused
before anything is built.
"""

from __future__ import annotations

import re
from typing import Any

ROWS = ("input_dim", "vocabulary_size", "vocab_size")
COLUMNS = ("output_dim", "hidden_dim", "embedding_dim", "hidden_size")
RECURRENT = re.compile(r"(LSTM|GRU|SimpleRNN)(Cell)?$")
MOST = (1 << 63) - 1
"""Where counting ends: products of very many sides have very many digits."""
BYTES = 4
"""Of a number, in memory: float32."""


def least_numbers(name: str, config: dict[str, Any], build: Any = None) -> int:
    """A lower bound of how many numbers a layer's weights hold.

    Args:
        name: its class.
        config: its configuration.
        build: its `build_config`, where the file has one.
    """
    inputs = _channels(config, build)
    units = _count(config, "units")
    found = [
        _convolution(name, config, inputs),
        units * (max(inputs, units) if RECURRENT.search(name) else inputs),
        _table(config),
        _count(config, "num_heads") * _count(config, "key_dim") * inputs,
        _count(config, "hidden_dim") * _count(config, "intermediate_dim"),
        _einsum(config, build) if name == "EinsumDense" else 0,
    ]  # fmt: skip
    return min(max(found), MOST)


def _table(config: dict[str, Any]) -> int:
    """Of an embedding; where several lengths of row are named, the table has the shortest."""
    columns = [_count(config, key) for key in COLUMNS if _count(config, key)]
    return max(_count(config, key) for key in ROWS) * min(columns, default=0)


def _convolution(name: str, config: dict[str, Any], inputs: int) -> int:
    size = config.get("kernel_size")
    if size is None:
        return 0
    rank = re.search(r"([123])D", name)
    kernel = size ** int(rank[1]) if isinstance(size, int) and rank else _product(size)
    multiplier = max(1, _count(config, "depth_multiplier"))
    if "depth_multiplier" in config:  # each channel has a kernel of its own
        return kernel * multiplier * inputs
    return kernel * _count(config, "filters") * max(1, inputs // max(1, _count(config, "groups")))


def _einsum(config: dict[str, Any], build: Any) -> int:
    """The size of an `EinsumDense`'s kernel, by the letters of its equation: `abc,cd->abd`."""
    equation = re.fullmatch(r"([a-z]+),([a-z]+)->([a-z]+)", str(config.get("equation")))
    if equation is None:
        return 0
    incoming, kernel, outgoing = equation.groups()
    given = build.get("input_shape") if isinstance(build, dict) else None
    shape = config.get("output_shape")
    out = shape if isinstance(shape, list) else [shape]
    sizes = dict(zip(outgoing[-len(out) :], out, strict=False))
    sizes |= dict(zip(incoming, given, strict=False)) if isinstance(given, list) else {}
    return _product([sizes.get(letter) for letter in kernel])


def _channels(config: dict[str, Any], build: Any) -> int:
    """How many channels come in, 1 where the file does not say."""
    shape = build.get("input_shape") if isinstance(build, dict) else None
    if not isinstance(shape, list) or not shape:
        return 1
    first = config.get("data_format") == "channels_first" and len(shape) > 2
    size = shape[1] if first else shape[-1]
    return size if isinstance(size, int) and size > 0 else 1


def _count(config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _product(value: Any) -> int:
    if isinstance(value, int):
        return max(0, value)
    numbers = value if isinstance(value, list) else []
    found = 1
    for number in numbers:
        if isinstance(number, int) and number > 0:
            found = min(found * number, MOST)
    return found
