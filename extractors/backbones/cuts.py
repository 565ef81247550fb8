"""Cut points: which there are, which is the default, what a cut's name means."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from headstart.errors import LayerNotFound, ModelFileError
from headstart.extractors.backbones.graph import Graph, Node, Ref
from headstart.extractors.backbones.pooling import (
    check_pooling,
    is_masked,
    pooled_fingerprint,
    pooled_shape,
)
from headstart.registry.entities import CutPoint
from headstart.registry.names import nearest

PROBABILITIES = {"softmax", "sigmoid"}


POOLED_BY = {
    "GlobalAveragePooling2D": "gap",
    "GlobalAveragePooling3D": "gap",
    "GlobalMaxPooling2D": "gmp",
    "GlobalMaxPooling3D": "gmp",
}
"""A layer that pools maps to the pooling of ours that gives the same numbers."""


@dataclass(frozen=True)
class Cut:
    """A cut that was asked for: a cut point, and the pooling behind it.

    Attributes:
        point: the cut point.
        pooling: one of `POOLINGS`, or None.
        precision: in what the trunk computes: `float32`, `bfloat16`, or `int8-` and the digest of
            a calibration.
    """

    point: CutPoint
    pooling: str | None = None
    precision: str = "float32"

    @property
    def name(self) -> str:
        """The canonical name, such as `block5_pool|gap`."""
        return self.point.name if self.pooling is None else f"{self.point.name}|{self.pooling}"

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Of one sample's feature, pooling included; None where a dimension is not fixed."""
        if self.pooling is None:
            return self.point.shape
        return pooled_shape(self.pooling, self.point.shape)

    @property
    def fingerprint(self) -> str:
        """The trunk fingerprint, pooling included."""
        if self.pooling is None:
            return self.point.fingerprint
        return pooled_fingerprint(self.point.fingerprint, self.pooling, self.mask)

    @property
    def mask(self) -> str | None:
        """The input whose masked steps the pooling leaves out; None where it knows of none."""
        return self.point.mask if is_masked(self.pooling) else None


def list_cuts(graph: Graph, *, is_headless: bool = False) -> tuple[CutPoint, ...]:
    """Every tensor of the graph as a cut point, from the inputs upwards.

    Args:
        graph: the model.
        is_headless: the source says that the model ends in features: its outputs are the defaults.

    Returns:
        The cut points; the default of the first output is the backbone's.
    """
    defaults = [choose_default(graph, output, is_headless) for output in graph.outputs]
    output = graph.outputs[0]
    bottlenecks = graph.bottlenecks(output)
    shares = _compute_shares(graph)
    points = []
    names = {ref: name for name, ref in graph.refs()}
    for name, ref in graph.refs():
        point = _to_point(graph, ref, name, names)
        own = [number for number, (default, _) in enumerate(defaults) if default == ref]
        points.append(
            replace(
                point,
                is_default=0 in own,
                reason=defaults[own[0]][1] if own else None,
                pooling=_pooled_next(graph, graph.outputs[own[0]], ref) if own else None,
                default_of=tuple(graph.output_names[n] for n in own if len(defaults) > 1),
                is_bottleneck=ref in bottlenecks,
                compute_below=shares[ref.node] if shares else None,
            )
        )
    return tuple(points)


def find_ref(graph: Graph, point: CutPoint) -> Ref:
    """The tensor of a cut point, found by its name, its fingerprint checked.

    Raises:
        LayerNotFound: the graph is not the one that the cut point was listed from.
    """
    for name, ref in graph.refs():
        if name == point.name and graph.fingerprint(ref) == point.fingerprint:
            return ref
    raise LayerNotFound(
        f"the model has no tensor {point.name!r} with fingerprint {point.fingerprint[:12]}",
        hint="The stored model and the registry disagree; add the backbone again.",
    )


def _compute_shares(graph: Graph) -> list[float] | None:
    """For each node the share of the model's multiply-adds at and below it.

    The model is what all of its outputs are computed from: a part that only another output than
    the first needs may cost more than what the first one does.
    """
    costs = [graph.multiply_adds(number) for number in range(len(graph.nodes))]
    if None in costs:
        return None
    below = graph.ancestry @ np.array(costs, np.float64)
    whole = graph.ancestry[[output.node for output in graph.outputs]].any(axis=0)
    return (below / max(1.0, whole @ np.array(costs, np.float64))).tolist()


def _to_point(graph: Graph, ref: Ref, name: str, names: dict[Ref, str]) -> CutPoint:
    node = graph.node(ref)
    below = _nearest_cut(graph, node.inputs[0], names) if node.inputs else None
    return CutPoint(
        name=name,
        operation=node.kind,
        input=None if below is None else names[below],
        shape=tuple(graph.tensor(ref).shape[1:]),
        dtype=str(graph.tensor(ref).dtype),
        parameters_below=int(graph.parameters_below[ref.node]),
        fingerprint=graph.fingerprint(ref),
        warning=_warning(graph, ref, name),
        mask=_mask_input(graph, ref),
    )


def _mask_input(graph: Graph, ref: Ref) -> str | None:
    """The input that masks a sequence which carries no mask of its own, as BERT's have it."""
    shape = graph.tensor(ref).shape
    if len(shape) != 3 or graph.has_mask(ref):
        return None
    for given in graph.inputs:
        name, steps = graph.node(given).path, graph.tensor(given).shape[1:]
        if (
            "mask" in name
            and len(steps) == 1
            and (None in steps + shape[1:2] or steps == shape[1:2])
        ):
            return name
    return None


def _nearest_cut(graph: Graph, ref: Ref, names: Container[Ref]) -> Ref | None:
    """The tensor itself if it can be a cut, else the nearest one below it that can."""
    while ref not in names:
        inputs = graph.node(ref).inputs
        if not inputs:
            return None
        ref = inputs[0]
    return ref


def choose_default(
    graph: Graph, output: Ref | None = None, is_headless: bool = False
) -> tuple[Ref, str]:
    """The penultimate tensor: the input of the last layer with weights that feeds an output.

    What follows that layer (softmax, dropout, reshape) has no weights and does not fool this.
    A dropout before it passes its input on unchanged, so the layer below the dropout is named.
    A model whose last layer with weights is no classifier (a convolution of 3x3, a batch
    normalization, a recurrent layer) has no head: its output is the feature.

    Args:
        graph: the model.
        output: which of its outputs; the first one without it.
        is_headless: the source says that the model has no head.

    Returns:
        The tensor, and why in words.
    """
    output = output or graph.outputs[0]
    cuts = {ref for _, ref in graph.refs()}
    weighted = [number for number in graph.below(output) if graph.nodes[number].weights]
    last = graph.nodes[weighted[-1]] if weighted else None
    if is_headless or last is None or not _is_head(graph, last, weighted[-1], output):
        chosen, reason = output, "the output of a model without a classifier"
    else:
        chosen = last.inputs[0]
        reason = f"the input of {last.name} ({last.kind}), the last layer with weights"
    chosen = _below_identities(graph, chosen)
    nearest_cut = _nearest_cut(graph, chosen, cuts)
    if nearest_cut is None:
        raise ModelFileError(
            "the model's output does not depend on its inputs in a way that can be cut",
            hint="Look at its graph; there is no tensor of known rank with a batch dimension.",
        )
    return _below_identities(graph, nearest_cut, cuts), reason


def _pooled_next(graph: Graph, output: Ref, chosen: Ref) -> str | None:
    """How the network itself pools a map behind its default cut, on the way to the output."""
    if len(graph.tensor(chosen).shape) < 4:
        return None
    above = [graph.nodes[number] for number in graph.below(output) if number > chosen.node]
    return next((POOLED_BY[node.kind] for node in above if _pools_maps(node)), None)


def _pools_maps(node: Node) -> bool:
    """Whether a layer does what one of our poolings does: channels stand last."""
    order = getattr(getattr(node, "operation", None), "data_format", "channels_last")
    return node.kind in POOLED_BY and order == "channels_last"


def resolve(points: Sequence[CutPoint], wanted: str | None) -> Cut:
    """The cut that a name means: `LAYER`, `LAYER:input`, `LAYER:output`, `LAYER#1`, `…|gap`.

    Args:
        points: the backbone's cut points.
        wanted: the name; None or `default` for the default cut, `default:OUTPUT` for that of
            another output, each with its pooling, if it has one and no other is named.

    Raises:
        LayerNotFound: there is no such layer, side, call or pooling.
    """
    name, bar, pooling = (wanted or "default").partition("|")
    if name == "default":
        point = next(point for point in points if point.is_default)
    elif name.startswith("default:"):
        point = _default_of(points, name.removeprefix("default:"))
    else:
        point = _find(points, name)
        return Cut(point, _checked(pooling, point, str(wanted)) if bar else None)
    return Cut(point, _checked(pooling, point, str(wanted)) if bar else point.pooling)


def _checked(pooling: str, point: CutPoint, wanted: str) -> str:
    check_pooling(pooling, point.shape, wanted)
    return pooling


def _default_of(points: Sequence[CutPoint], output: str) -> CutPoint:
    known = {name: point for point in points for name in point.default_of}
    if output not in known:
        raise LayerNotFound(
            f"the backbone has no output {output!r}",
            hint=nearest(output, known)
            or (f"Its outputs are {', '.join(known)}." if known else "It has one output: default."),
        )
    return known[output]


def _find(points: Sequence[CutPoint], name: str) -> CutPoint:
    by_name = {point.name: point for point in points}
    if name in by_name:
        return by_name[name]
    layer, colon, side = name.rpartition(":")
    if not colon:
        layer, side = name, "output"
    if side not in ("input", "output"):
        raise LayerNotFound(
            f"no side {side!r} in cut {name!r}", hint="Write LAYER:input or LAYER:output."
        )
    if layer not in by_name:
        raise _unknown(layer, by_name)
    point = by_name[layer]
    if side == "output":
        return point
    if point.input is None:
        raise LayerNotFound(
            f"{layer!r} is an input of the backbone", hint=f"Write {layer} or {layer}:output."
        )
    return by_name[point.input]


def _unknown(layer: str, known: Iterable[str]) -> LayerNotFound:
    calls = [name for name in known if name.partition("#")[0] == layer]
    if calls:
        hint = f"It is called {len(calls)} times: write {' or '.join(calls)}."
    else:
        hint = nearest(layer, known) or "See `headstart backbone cuts` for the names."
    return LayerNotFound(f"no layer {layer!r} in the backbone", hint=hint)


def _is_head(graph: Graph, node: Node, number: int, output: Ref) -> bool:
    if node.is_dense:
        return True
    if node.kernel_size is None:
        return False
    above = [graph.nodes[n] for n in graph.below(output) if n > number]
    is_pointwise = set(node.kernel_size) == {1}
    gives_probabilities = any(n.activation in PROBABILITIES for n in [node, *above])
    keeps_map = len(graph.tensor(output).shape) > 3
    return gives_probabilities or (is_pointwise and not keeps_map)


def _below_identities(graph: Graph, ref: Ref, among: Container[Ref] | None = None) -> Ref:
    """The tensor below whatever passes it on unchanged; only to one of `among`, if given."""
    found = ref
    while graph.node(ref).is_identity and graph.node(ref).inputs:
        ref = graph.node(ref).inputs[0]
        if among is None or ref in among:
            found = ref
    return found


def _warning(graph: Graph, ref: Ref, name: str) -> str | None:
    """Says so where the tensor holds class probabilities: at a softmax that is the output."""
    outputs = {_below_identities(graph, output) for output in graph.outputs}
    at_output = ref in graph.outputs or _below_identities(graph, ref) in outputs
    if at_output and _below(graph, ref).activation in PROBABILITIES:
        width = graph.tensor(ref).shape[-1]
        return f"{name} gives class probabilities ({width} of them), not features"
    return None


def _below(graph: Graph, ref: Ref) -> Node:
    """The node that makes a tensor's values, through dropout, reshape and flatten."""
    node = graph.node(_below_identities(graph, ref))
    while node.is_reshape and node.inputs:
        node = graph.node(_below_identities(graph, node.inputs[0]))
    return node
