"""How far an engine's features are from those of TensorFlow in float32."""

from __future__ import annotations

from collections.abc import Iterable

TOLERANCES = {"float32": 1e-4, "bfloat16": 0.2}
"""Largest relative error, by precision. bfloat16 keeps 8 bits of a number, and the errors of some
fifty layers add up: EfficientNet-Lite0 with ImageNet's weights comes to 0.1 in OpenVINO and in
TensorFlow alike, ResNet50 to 0.003. What that costs in accuracy is in docs/benchmarks.md."""


AGAIN = {"tensorflow": 5e-5}
"""Largest relative error in float32 of an engine that computes a row once more, where it is less
than what engines may differ by. The same sums are taken in another order in a batch of another
size, by other threads, on another processor: a step of rounding is 6e-8, sums have thousands of
terms, and layers add up. 1.1e-5 was seen between batches of 1 and of 32; a row of another sample,
or of another model, differs by 0.1 or more."""
STORED = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""What rounding a float32 to these changes it by, at most, as a part of it."""


def tolerance(engines: Iterable[str], precision: str, storage: str) -> float:
    """Largest relative error of rows as they were stored, against TensorFlow in float32.

    Args:
        engines: those that may have computed them.
        precision: in what they did.
        storage: how numbers are stored.
    """
    allowed = TOLERANCES[precision]
    if precision == "float32":
        allowed = max((AGAIN.get(engine, allowed) for engine in engines), default=allowed)
    return allowed + STORED.get(storage, 0.0)
