"""How far an engine's features are from those of TensorFlow in float32."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

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


def relative_error(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> float:
    """The largest relative L2 error of a row, over all cuts; infinite where shapes differ.

    Rows that are not finite in the reference say nothing. A row is compared on the scale of the
    average row, where it is smaller than that: an image of nothing gives features near zero.

    Args:
        found: one array (n, *feature shape) a cut.
        expected: the reference's.
    """
    return max(map(_error, found, expected), default=0.0)


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        return float("inf")
    wide = expected.astype(np.float64).reshape(len(expected), -1)
    counts = np.isfinite(wide).all(axis=1)
    wide, given = wide[counts], found.reshape(wide.shape)[counts].astype(np.float64)
    if not len(wide) or not np.isfinite(given).all():
        return float("inf")
    off, sizes = np.linalg.norm(given - wide, axis=1), np.linalg.norm(wide, axis=1)
    return float((off / np.maximum(sizes, max(float(sizes.mean()), 1e-30))).max())
