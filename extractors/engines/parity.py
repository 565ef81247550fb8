"""How far an engine's features are from those of TensorFlow in float32."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.extractors.engines.engine import kind_of

TOLERANCES = {"float32": 1e-4, "bfloat16": 0.2, "int8": 0.1}
"""Largest relative error, by precision. bfloat16 keeps 8 bits of a number, and the errors of some
fifty layers add up: EfficientNet-Lite0 with ImageNet's weights comes to 0.1 in OpenVINO and in
TensorFlow alike, ResNet50 to 0.003. What that costs in accuracy is in docs/benchmarks.md.

int8 is compared with what the same quantized trunk gave when it was made: its sums are of whole
numbers, and the same on processors that take them whole. A rounding elsewhere can put an activation
on the next of its 256 levels, which layers after it make larger; those without VNNI or AMX sum in
16 bits that overflow, and give EfficientNet-Lite0's rows that differ by 0.19 on average, by 0.6 at
most, from AVX-512 VNNI: such are refused."""


AGAIN = {"tensorflow": 5e-5}
"""Largest relative error in float32 of an engine that computes a row once more, where it is less
than what engines may differ by. The same sums are taken in another order in a batch of another
size, by other threads, on another processor: a step of rounding is 6e-8, sums have thousands of
terms, and layers add up. 1.1e-5 was seen between batches of 1 and of 32; a row of another sample,
or of another model, differs by 0.1 or more."""
STORED = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""What rounding a float32 to these changes it by, at most, as a part of it."""


def allowed_of(precision: str) -> float:
    """Largest relative error of an engine in this precision."""
    return TOLERANCES[kind_of(precision)]


def tolerance(engines: Iterable[str], precision: str, storage: str) -> float:
    """Largest relative error of rows as they were stored, against TensorFlow in float32.

    Args:
        engines: those that may have computed them.
        precision: in what they did.
        storage: how numbers are stored.
    """
    allowed = allowed_of(precision)
    if precision == "float32":
        allowed = max((AGAIN.get(engine, allowed) for engine in engines), default=allowed)
    return allowed + STORED.get(storage, 0.0)
