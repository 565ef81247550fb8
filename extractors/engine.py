"""Engines run a trunk on batches; TensorFlow is the reference that others are checked against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from headstart.extractors.batches import Batch
from headstart.extractors.runtime import tensorflow


class Engine(Protocol):
    """Runs a trunk.

    Attributes:
        name: recorded with every shard.
    """

    name: str

    def run(self, batch: Batch) -> list[np.ndarray]:
        """Features of a batch, (n, *input shape) or one such array an input by name.

        Returns:
            One array (n, *feature shape) a cut.
        """
        ...


class TensorFlowEngine:
    """The trunk as one TensorFlow function, in inference mode.

    Args:
        trunk: the trunk.
        limits: for inputs that are row numbers of a table, how many rows it has. A GPU gives
            zeros for rows that are not there; here that is an error everywhere.
    """

    name = "tensorflow"

    def __init__(self, trunk: Any, limits: Mapping[str, int] | None = None) -> None:
        tf = tensorflow()
        self._limits = dict(limits or {})
        self._names = [tensor.name for tensor in trunk.inputs]
        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in trunk.inputs]
        call = tf.function(
            lambda *batch: trunk(batch[0] if len(batch) == 1 else list(batch), training=False),
            input_signature=specs,
            autograph=False,
        )
        # Traced here: Keras remembers sizes at the first call, which is not safe in a thread.
        self._call = call.get_concrete_function()

    def run(self, batch: Batch) -> list[np.ndarray]:
        # A trunk below some of the inputs wants only those.
        arrays = [batch[name] for name in self._names] if isinstance(batch, dict) else [batch]
        for name, array in zip(self._names, arrays, strict=True):
            self._check_numbers(name, array)
        try:
            outputs = self._call(*map(tensorflow().constant, arrays))
        except tensorflow().errors.OpError as error:
            raise ValueError(error.message) from error
        if not isinstance(outputs, list | tuple):
            outputs = [outputs]
        for output in outputs:
            if output.shape.rank == 0 or len(output) != len(arrays[0]):
                raise ValueError(
                    f"a batch of {len(arrays[0])} gives features of shape {tuple(output.shape)}: "
                    "this cut has no row for each sample"
                )
        return [_storable(output.numpy()) for output in outputs]

    def _check_numbers(self, name: str, numbers: np.ndarray) -> None:
        rows = self._limits.get(name)
        if rows is not None and numbers.size and not 0 <= numbers.min() <= numbers.max() < rows:
            raise ValueError(
                f"the input {name} holds numbers from {numbers.min()} to {numbers.max()}, its "
                f"table has {rows:,} rows"
            )


def _storable(features: np.ndarray) -> np.ndarray:
    """Half precision (a backbone with a mixed policy) as float32: exact, and HDF5 has a type."""
    return (
        features
        if features.dtype.kind in "iub" or features.itemsize >= 4
        else (features.astype(np.float32))
    )
