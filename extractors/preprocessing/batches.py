"""Batches: one array for a backbone with one input, one array an input for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.errors import PreprocessingError

Prepared = np.ndarray | dict[str, np.ndarray]
"""One sample ready for the trunk: an array without batch dimension, or one an input by name."""
Batch = np.ndarray | dict[str, np.ndarray]
"""Several samples: arrays (n, ...)."""


def stack(samples: Sequence[Prepared], names: Sequence[str] = ()) -> Batch:
    """Samples as one batch.

    Args:
        samples: one or more, all alike.
        names: what the samples are called, for the message.

    Raises:
        PreprocessingError: their shapes differ; the two samples are named.
    """
    first = samples[0]
    for number, sample in enumerate(samples):
        if shapes(sample) != shapes(first):
            what = names[number] if names else f"number {number}"
            other = names[0] if names else "the first"
            raise PreprocessingError(
                f"sample {what} has shape {shapes(sample)} after preprocessing, "
                f"{other} has {shapes(first)}",
                hint="Add a resize step to the preprocessing.",
            )
    if isinstance(first, np.ndarray):
        return np.stack(samples)  # type: ignore[arg-type]
    return {name: np.stack([sample[name] for sample in samples]) for name in first}  # type: ignore[index]


def take(batch: Batch, rows: Any) -> Batch:
    """Some rows: a slice, or an array of row numbers."""
    if isinstance(batch, Mapping):
        return {name: array[rows] for name, array in batch.items()}
    return batch[rows]


def length(batch: Batch) -> int:
    """How many samples a batch holds."""
    return len(next(iter(batch.values())) if isinstance(batch, Mapping) else batch)


def shapes(value: Prepared | Batch) -> Any:
    """The shape, or the shape of every input."""
    if isinstance(value, Mapping):
        return {name: array.shape for name, array in value.items()}
    return value.shape


def dtypes(value: Prepared | Batch) -> Any:
    """The dtype, or the dtype of every input."""
    if isinstance(value, Mapping):
        return {name: str(array.dtype) for name, array in value.items()}
    return str(value.dtype)


def arrays(value: Prepared | Batch) -> list[np.ndarray]:
    """All arrays."""
    return list(value.values()) if isinstance(value, Mapping) else [value]
