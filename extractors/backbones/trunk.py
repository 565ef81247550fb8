"""Building models from a graph: the trunk up to some cuts, the tail above one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.errors import BackboneError
from headstart.extractors.backbones.cuts import Cut, find_ref
from headstart.extractors.backbones.graph import Graph, Ref
from headstart.extractors.backbones.masks import MASKED, find_mask
from headstart.extractors.backbones.pooling import pool
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
    masks = [_mask_of(graph, cut) for cut in cuts]
    known = [ref for ref in masks if ref is not None]
    inputs, tensors = _from_inputs(graph, [*refs, *known], input_shape)
    mask_of: dict[Ref | None, Any] = dict(zip(known, tensors[len(refs) :], strict=True))
    outputs = [
        pool(tensor, cut.pooling, mask_of.get(mask))
        for tensor, cut, mask in zip(tensors, cuts, masks, strict=False)
    ]
    return _frozen(inputs, outputs, "trunk")


def build_whole(graph: Graph, input_shape: tuple[int, ...] | None = None) -> Any:
    """The whole model with its first output, frozen; what trunk and tail must add up to."""
    return _frozen(*_from_inputs(graph, graph.outputs[:1], input_shape), "whole")


def _from_inputs(
    graph: Graph, refs: Sequence[Ref], input_shape: tuple[int, ...] | None
) -> tuple[list[Any], list[Any]]:
    """Inputs of a new model, those that are needed, and the tensors computed from them."""
    needed = {number for ref in refs for number in graph.below(ref)}
    inputs = {
        ref: _new_input(graph, ref, input_shape) for ref in graph.inputs if ref.node in needed
    }
    return list(inputs.values()), graph.connect(inputs, refs)


def _frozen(inputs: list[Any], outputs: list[Any], name: str) -> Any:
    model = keras().Model(_single(inputs), _single(outputs), name=name)
    model.trainable = False
    return model


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
            f"{point.name!r} is not a bottleneck: the output depends on more than this tensor",
            hint="See `headstart backbone cuts` for the bottlenecks.",
        )
    tensor = graph.tensor(ref)
    features = keras().Input(shape=tensor.shape[1:], dtype=tensor.dtype, name="features_in")
    return keras().Model(features, graph.connect({ref: features}, [output])[0], name="tail")


def _mask_of(graph: Graph, cut: Cut) -> Ref | None:
    """The tensor that a cut's pooling takes a mask from, unless the sequence carries its own."""
    return find_mask(graph, cut.point) if cut.mask or cut.pooling == MASKED else None


def _new_input(graph: Graph, ref: Ref, input_shape: tuple[int, ...] | None) -> Any:
    tensor = graph.tensor(ref)
    shape = tensor.shape[1:] if input_shape is None else input_shape
    return keras().Input(shape=shape, dtype=tensor.dtype, name=graph.node(ref).path)


def _single(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors
