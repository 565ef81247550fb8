"""Building models from a graph: the trunk up to some cuts, the tail above one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.errors import BackboneError
from headstart.extractors.cuts import Cut, find_ref
from headstart.extractors.graph import Graph, Node, Ref
from headstart.extractors.pooling import pool
from headstart.extractors.runtime import keras
from headstart.registry.entities import CutPoint


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
    refs = [find_ref(graph, cut.point) for cut in cuts]
    needed = sorted({number for ref in refs for number in graph.below(ref)})
    _make_names_unique(graph, needed)
    tensors: dict[Ref, Any] = {}
    inputs = []
    for number in needed:
        if graph.nodes[number].is_input:
            tensors[Ref(number)] = _new_input(graph.nodes[number], input_shape)
            inputs.append(tensors[Ref(number)])
    _replay(graph, needed, tensors)
    outputs = [pool(tensors[ref], cut.pooling) for ref, cut in zip(refs, cuts, strict=True)]
    trunk = keras().Model(_single(inputs), _single(outputs), name="trunk")
    trunk.trainable = False
    return trunk


def build_tail(graph: Graph, point: CutPoint) -> Any:
    """The rest of the model: from a bottleneck to the model's first output.

    Args:
        graph: the backbone's graph.
        point: a cut point that is a bottleneck.

    Raises:
        BackboneError: it is none, so the rest needs more than this tensor.
    """
    ref, output = find_ref(graph, point), graph.outputs[0]
    if not point.is_bottleneck:
        raise BackboneError(
            f"{point.name!r} is no bottleneck: the output depends on more than this tensor",
            hint="See `headstart backbone cuts` for the bottlenecks.",
        )
    needed = [n for n in graph.below(output) if n not in set(graph.below(ref))]
    _make_names_unique(graph, needed)
    tensor = graph.tensor(ref)
    features = keras().Input(shape=tensor.shape[1:], dtype=tensor.dtype, name="features_in")
    tensors = {ref: features}
    _replay(graph, needed, tensors)
    return keras().Model(features, tensors[output], name="tail")


def _replay(graph: Graph, numbers: list[int], tensors: dict[Ref, Any]) -> None:
    """Call the nodes again, in order, on tensors of a new model."""
    for number in numbers:
        node = graph.nodes[number]
        if not node.is_input:
            for index, output in enumerate(_call(node, tensors)):
                tensors[Ref(number, index)] = output


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
