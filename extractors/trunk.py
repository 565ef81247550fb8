"""Building models from a graph: the trunk up to some cuts, always in inference mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.extractors.cuts import Cut, find_ref
from headstart.extractors.graph import Graph, Node, Ref
from headstart.extractors.runtime import keras


def build_trunk(
    graph: Graph, cuts: Sequence[Cut], input_shape: tuple[int, ...] | None = None
) -> Any:
    """The sub-model from the inputs to one or more cuts, frozen.

    The layers are those of the graph's model, so the weights are shared with it. Every layer is
    called with `training=False`, whatever the trunk is called with later.

    Args:
        graph: the backbone's graph.
        cuts: where to cut; the trunk has one output each, in this order.
        input_shape: shape of one sample, for backbones whose input leaves sizes open.

    Returns:
        A `keras.Model`; its output is a list where there are several cuts.
    """
    k = keras()
    refs = [find_ref(graph, cut.point) for cut in cuts]
    needed = sorted({number for ref in refs for number in graph.below(ref)})
    _make_names_unique(graph, needed)
    tensors: dict[Ref, Any] = {}
    inputs = []
    for number in needed:
        node = graph.nodes[number]
        if node.is_input:
            tensors[Ref(number)] = _new_input(node, input_shape)
            inputs.append(tensors[Ref(number)])
        else:
            for index, output in enumerate(_call(node, tensors)):
                tensors[Ref(number, index)] = output
    outputs = [_pool(tensors[ref], cut) for ref, cut in zip(refs, cuts, strict=True)]
    trunk = k.Model(_single(inputs), _single(outputs), name="trunk")
    trunk.trainable = False
    return trunk


def _new_input(node: Node, input_shape: tuple[int, ...] | None) -> Any:
    tensor = node.outputs[0]
    shape = tensor.shape[1:] if input_shape is None else input_shape
    return keras().Input(shape=shape, dtype=tensor.dtype, name=node.operation.name)


def _call(node: Node, tensors: dict[Ref, Any]) -> list[Any]:
    k = keras()

    def to_tensor(argument: Any) -> Any:
        return tensors[argument] if isinstance(argument, Ref) else argument

    args, kwargs = k.tree.map_structure(to_tensor, (node.args, node.kwargs))
    if getattr(node.operation, "_call_has_context_arg", {}).get("training"):
        kwargs["training"] = False
    return k.tree.flatten(node.operation(*args, **kwargs))


def _pool(tensor: Any, cut: Cut) -> Any:
    """Pool a (batch, …, channels) map to (batch, features)."""
    if cut.pooling is None:
        return tensor
    k = keras()
    if cut.pooling == "flatten" or len(tensor.shape) == 2:
        return k.layers.Flatten(name="pooling_flatten")(tensor)
    axes = tuple(range(1, len(tensor.shape) - 1))
    function = k.ops.mean if cut.pooling == "gap" else k.ops.max
    return function(tensor, axis=axes)


def _make_names_unique(graph: Graph, numbers: list[int]) -> None:
    """Rename layers that nested models call the same: a flat model must tell them apart."""
    seen: dict[str, int] = {}
    for number in numbers:
        operation = graph.nodes[number].operation
        if seen.setdefault(operation.name, id(operation)) != id(operation):
            operation.name = _free_name(graph.nodes[number].path.replace("/", "_"), seen)
            seen[operation.name] = id(operation)


def _free_name(name: str, taken: dict[str, int]) -> str:
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _single(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
