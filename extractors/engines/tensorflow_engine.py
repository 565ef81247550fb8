"""TensorFlow: the reference that the other engines are checked against."""

from __future__ import annotations

import functools
import platform
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from headstart.errors import BackboneError
from headstart.extractors.backbones.graph import Graph
from headstart.extractors.engines.engine import Engine, in_order, refuse_unknown_rows
from headstart.extractors.engines.provider import Converted, Trial, Trunk
from headstart.extractors.preprocessing.batches import Batch
from headstart.extractors.runtime import keras, tensorflow
from headstart.values.installed import version_of

CALL_SIZE = 32
GPU_DEVICES = (Path("/dev/nvidia0"), Path("/dev/kfd"))
"""What the drivers of NVIDIA and of AMD (ROCm) make: looked for without loading TensorFlow."""


class TensorFlowEngine:
    """The trunk as one TensorFlow function, in inference mode.

    Args:
        trunk: the trunk.
        limits: for inputs that are row numbers of a table, how many rows it has.
        precision: what the trunk was built to compute in; see `in_bfloat16`.

    Attributes:
        function: the trunk as a `ConcreteFunction`.
        names: of its inputs, in order.
        limits: as given.
    """

    name = "tensorflow"
    lanes = 1  # one call keeps every core busy, or the GPU
    call_size = CALL_SIZE

    def __init__(
        self, trunk: Any, limits: Mapping[str, int] | None = None, precision: str = "float32"
    ) -> None:
        self.precision = precision
        self.limits = dict(limits or {})
        self.names = [tensor.name for tensor in trunk.inputs]
        # Traced here: Keras remembers sizes at the first call, which is not safe in a thread.
        self.function = trace(trunk)
        self._types = [tensor.dtype for tensor in trunk.inputs]
        self._lock = threading.Lock()

    def run(self, batch: Batch) -> list[np.ndarray]:
        arrays = in_order(batch, self.names)
        refuse_unknown_rows(self.names, arrays, self.limits)
        try:
            with self._lock:
                outputs = self.function(*map(_tensor, arrays, self._types))
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


def trace(trunk: Any) -> Any:
    """A trunk as a TensorFlow `ConcreteFunction` of its inputs, in their order."""
    tf = tensorflow()
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in trunk.inputs]
    call = tf.function(
        lambda *batch: trunk(batch[0] if len(batch) == 1 else list(batch), training=False),
        input_signature=specs,
        autograph=False,
    )
    return call.get_concrete_function()


def in_bfloat16(graph: Graph) -> Graph:
    """A graph whose layers compute in bfloat16 from now on; their weights stay float32.

    It is the layers of the graph that change, so it must be one that nobody else uses.

    Raises:
        BackboneError: it is a frozen TensorFlow graph, whose numbers have their types for good.
    """
    layers = keras().layers
    operations: list[Any] = [getattr(node, "operation", None) for node in graph.nodes]
    if not any(isinstance(operation, layers.Layer) for operation in operations):
        raise BackboneError(
            "the backbone is a frozen TensorFlow graph, which TensorFlow runs in float32 only",
            hint="Use --engine openvino, or --precision float32.",
        )
    graph.fingerprint(graph.outputs[0])  # before: the layers' types are part of their identity
    for operation in operations:
        if isinstance(operation, layers.Layer):
            for layer in operation._flatten_layers():  # Keras has no public walk
                if layer.dtype_policy.name == "float32":
                    layer.dtype_policy = keras().DTypePolicy("mixed_bfloat16")
    return graph


@functools.cache
def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here."""
    return bool(tensorflow().config.list_physical_devices("GPU"))


class TensorFlowProvider:
    """Brings the reference; see `EngineProvider`. Every process makes it of the model itself."""

    name: ClassVar[str] = TensorFlowEngine.name
    preference: ClassVar[int] = 0
    install: ClassVar[str] = "pip install tensorflow"

    @staticmethod
    def problem() -> str:
        return ""  # Headstart depends on it

    @staticmethod
    def version() -> str:
        return version_of("tensorflow")

    @staticmethod
    def processor() -> str:
        return platform.machine()

    @staticmethod
    def on_gpu() -> bool:
        """TensorFlow is asked only where there is a device of that kind: that imports it."""
        return any(device.exists() for device in GPU_DEVICES) and has_gpu()

    @staticmethod
    def caveats(precision: str) -> Sequence[str]:
        del precision
        return ()

    @staticmethod
    def convert(trunk: Trunk, trial: Trial) -> Converted:
        return Converted(trunk.build(trial.precision))

    @staticmethod
    def load(content: bytes, facts: Mapping[str, Any], precision: str) -> Engine:
        raise BackboneError(
            "a trunk of TensorFlow is not kept apart from its model", hint="Convert it again."
        )


def _tensor(array: np.ndarray, dtype: str) -> Any:
    """Features of half precision, handed on as float32, in the type that the next layer takes."""
    tf = tensorflow()
    tensor = tf.constant(array)
    halves = {"float16", "bfloat16"}
    return tf.cast(tensor, dtype) if dtype in halves and tensor.dtype == tf.float32 else tensor


def _storable(features: np.ndarray) -> np.ndarray:
    """Half precision (a backbone with a mixed policy) as float32: exact, and HDF5 has a type."""
    return (
        features
        if features.dtype.kind in "iub" or features.itemsize >= 4
        else (features.astype(np.float32))
    )
