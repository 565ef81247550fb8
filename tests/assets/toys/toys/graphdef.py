"""TensorFlow's own frozen graphs as an engine: nothing faster, but all that an engine has to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from headstart.extractors.engines.engine import Engine, in_order, refuse_unknown_rows
from headstart.extractors.engines.provider import Converted, Trial, Trunk


class GraphDefEngine:
    """A frozen graph.

    Args:
        content: of its `GraphDef`.
        facts: names of the inputs and of the tensors, and the arithmetic before them.
        precision: in what it computes.
    """

    name = "graphdef"
    lanes = 1
    call_size = 8

    def __init__(self, content: bytes, facts: Mapping[str, Any], precision: str) -> None:
        import tensorflow as tf

        def imported() -> None:
            graph = tf.compat.v1.GraphDef()
            graph.ParseFromString(content)
            tf.import_graph_def(graph, name="")

        wrapped = tf.compat.v1.wrap_function(imported, [])
        tensors = [[wrapped.graph.get_tensor_by_name(n) for n in facts[k]] for k in ("ins", "outs")]
        self._function = wrapped.prune(*tensors)
        self._facts = facts
        self._constant = tf.constant
        self.precision = precision

    def run(self, batch: Any) -> list[np.ndarray]:
        names = self._facts["names"]
        arrays = in_order(batch, names)
        refuse_unknown_rows(names, arrays, self._facts["limits"])
        if self._facts["scale"] is not None:
            arrays = [self._arithmetic(arrays[0])]
        for name, array, shape in zip(names, arrays, self._facts["shapes"], strict=True):
            if any(want not in (None, have) for want, have in zip(shape, array.shape, strict=True)):
                raise ValueError(f"the input {name} takes {shape}, received {array.shape}")
        return [np.asarray(found) for found in self._function(*map(self._constant, arrays))]

    def _arithmetic(self, pixels: np.ndarray) -> np.ndarray:
        pixels = pixels[..., ::-1] if self._facts["is_reversed"] else pixels
        scale, offset = np.float32(self._facts["scale"]), np.float32(self._facts["offset"])
        return (pixels.astype(np.float32) * scale + offset).astype(np.float32)


class GraphDefProvider:
    """Brings the engine; see `EngineProvider`."""

    name: ClassVar[str] = GraphDefEngine.name
    preference: ClassVar[int] = -1
    install: ClassVar[str] = "pip install tensorflow"

    @staticmethod
    def problem() -> str:
        return ""

    @staticmethod
    def version() -> str:
        return "0.1"

    @staticmethod
    def processor() -> str:
        return "any"

    @staticmethod
    def on_gpu() -> bool:
        return False

    @staticmethod
    def caveats(precision: str) -> Sequence[str]:
        return () if precision == "float32" else ("graphdef computes in float32",)

    @staticmethod
    def convert(trunk: Trunk, trial: Trial) -> Converted:
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        frozen = convert_variables_to_constants_v2(trunk.function)
        affine = trunk.arithmetic
        facts = {
            "names": list(trunk.names),
            "limits": dict(trunk.limits),
            "ins": [tensor.name for tensor in frozen.inputs],
            "shapes": [tensor.shape.as_list() for tensor in frozen.inputs],
            "outs": [tensor.name for tensor in frozen.outputs],
            "scale": None if affine is None else affine.scale.tolist(),
            "offset": None if affine is None else affine.offset.tolist(),
            "is_reversed": affine is not None and affine.is_reversed,
        }
        content = frozen.graph.as_graph_def().SerializeToString()
        engine = GraphDefEngine(content, facts, trial.precision)
        return Converted(engine, content, facts)

    @staticmethod
    def load(content: bytes, facts: Mapping[str, Any], precision: str) -> Engine:
        return GraphDefEngine(content, facts, precision)
