"""Masks of sequences: which steps count, and what the layers above a masked tensor need besides it.

A mask is an input of the model, as BERT's, or it is computed beside the sequence, as Keras does for
an Embedding with `mask_zero` and what stands on it. Such a tensor is no bottleneck by itself; with
its mask it may be one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from headstart.extractors.backbones.cuts import find_ref
from headstart.extractors.backbones.graph import Graph, Ref
from headstart.extractors.runtime import keras
from headstart.registry.entities import CutPoint

MASKED = "masked"
"""The pooling whose vector holds a sequence and its mask; see `poolings.own`."""


def find_mask(graph: Graph, point: CutPoint) -> Ref | None:
    """The tensor that says which steps of a cut's sequence count; None where there is none."""
    if point.mask is not None:
        return next(ref for ref in graph.inputs if graph.node(ref).path == point.mask)
    sequence = find_ref(graph, point)
    mask = getattr(graph.tensor(sequence), "_keras_mask", None)
    if mask is None:
        return None
    own = next((ref for _, ref in graph.refs() if graph.tensor(ref) is mask), None)
    return own or _mask_of_users(graph, sequence)


def _mask_of_users(graph: Graph, sequence: Ref) -> Ref | None:
    """The mask with which the layers above take a sequence: a model that was loaded computes the
    mask of an Embedding a second time, and the first is no part of the graph."""
    users = [node for node in graph.nodes if node.inputs[:1] == [sequence]]
    masks = {mask for one in users if (mask := one.mask) is not None}
    return masks.pop() if len(masks) == 1 else None


def needs_only(graph: Graph, starts: Collection[Ref], target: Ref) -> bool:
    """Whether a tensor can be computed from some others, and from nothing else."""
    known = {number for ref in starts for number in graph.below(ref)}
    above = {number for number in graph.below(target) if number not in known}
    return not any(
        graph.nodes[number].is_input
        or any(ref.node not in above and ref not in starts for ref in graph.nodes[number].inputs)
        for number in above
    )


def is_bottleneck_with_mask(graph: Graph, point: CutPoint, target: CutPoint) -> bool:
    """Whether a sequence and its mask are all that is needed to go on to another cut."""
    mask = find_mask(graph, point)
    if mask is None or None in point.shape or len(point.shape) != 2:
        return False
    return needs_only(graph, (find_ref(graph, point), mask), find_ref(graph, target))


def unpacked(graph: Graph, point: CutPoint, vector: Any) -> dict[Ref, Any]:
    """A sequence and its mask out of the vector that `MASKED` made of them.

    Args:
        graph: the backbone's.
        point: the sequence's cut point.
        vector: (batch, steps * (features + 1)), symbolic.

    Returns:
        Symbolic tensors by what they stand for in the graph; the sequence carries the mask.
    """
    ops, mask = keras().ops, find_mask(graph, point)
    assert mask is not None
    steps, width = point.shape
    both = ops.reshape(vector, (-1, steps, (width or 0) + 1))
    sequence = both[..., :-1]
    counts = ops.greater(both[..., -1], 0.5)
    if graph.tensor(mask).dtype != "bool":
        return {
            find_ref(graph, point): sequence,
            mask: ops.cast(counts, graph.tensor(mask).dtype),
        }
    sequence._keras_mask = counts  # layers above pass it on, as they do in the whole model
    return {find_ref(graph, point): sequence, mask: counts}
