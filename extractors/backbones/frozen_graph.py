"""A Keras layer that runs a part of a frozen TensorFlow graph.

Importing this module registers the layer with Keras as `headstart>FrozenGraph`, which is all that
`keras.saving.load_model` needs to load a model that holds one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headstart.extractors.runtime import keras, tensorflow

ASSET = "graph.pb"


@keras().saving.register_keras_serializable("headstart")
class FrozenGraph(keras().layers.Layer):
    """Some tensors of a frozen graph, computed from others; it has no weights to train.

    Args:
        feeds: names of the graph's tensors that the call's inputs stand for, in order.
        fetches: names of the tensors to compute.
        shapes: shape of each of `fetches`, without the batch dimension.
        dtypes: their dtypes.
        graph_def: the graph as a serialized `GraphDef`; None while a saved model is loaded, whose
            asset then brings it.
    """

    def __init__(
        self,
        feeds: Sequence[str],
        fetches: Sequence[str],
        shapes: Sequence[Sequence[int | None]],
        dtypes: Sequence[str],
        graph_def: bytes | None = None,
        **settings: Any,
    ) -> None:
        # Not autocast: what goes in has the dtype that the graph wants.
        super().__init__(**{"autocast": False, "trainable": False, **settings})
        self._feeds, self._fetches = list(feeds), list(fetches)
        self._shapes = [list(shape) for shape in shapes]
        self._dtypes = list(dtypes)
        self._function: Any = None
        self.built = True
        if graph_def is not None:
            self._set_graph(graph_def)

    def call(self, inputs: Any) -> list[Any]:
        tensors = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        outputs = self._function(*map(tensorflow().convert_to_tensor, tensors))
        return list(outputs) if isinstance(outputs, list | tuple) else [outputs]

    def compute_output_spec(self, inputs: Any) -> list[Any]:
        return [
            keras().KerasTensor((None, *shape), dtype)
            for shape, dtype in zip(self._shapes, self._dtypes, strict=True)
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "feeds": self._feeds,
            "fetches": self._fetches,
            "shapes": self._shapes,
            "dtypes": self._dtypes,
        }

    def save_assets(self, dir_path: str) -> None:
        (Path(dir_path) / ASSET).write_bytes(self._graph_def)

    def load_assets(self, dir_path: str) -> None:
        self._set_graph((Path(dir_path) / ASSET).read_bytes())

    def _set_graph(self, graph_def: bytes) -> None:
        tf = tensorflow()
        parsed = tf.compat.v1.GraphDef.FromString(graph_def)
        self._graph_def = graph_def
        imported = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(parsed, name=""), []
        )
        graph = imported.graph
        self._function = imported.prune(
            [graph.get_tensor_by_name(name) for name in self._feeds],
            [graph.get_tensor_by_name(name) for name in self._fetches],
        )
