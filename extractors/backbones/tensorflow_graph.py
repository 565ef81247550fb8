"""The graph of a frozen TensorFlow function: for SavedModels and for models written in Python.

Its nodes are the operations that depend on an input; everything else is a constant. Cut points
are the tensors at layer scopes: the one tensor that leaves `block1/` is the cut point `block1`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.errors import ModelFileError
from headstart.extractors.backbones.graph import Graph, Node, Ref
from headstart.extractors.backbones.operation_identity import attributes_of, digest_of
from headstart.extractors.backbones.scopes import scopes_of, shortener
from headstart.extractors.runtime import tensorflow
from headstart.storage.keys import fingerprint

SIGNATURE = "serving_default"
PASSING = {
    "EnsureShape",
    "Identity",
    "IdentityN",
    "PreventGradient",
    "Snapshot",
    "StopGradient",
}
"""Operations that give each input unchanged as the output of the same number."""
MATRIX_PRODUCTS = {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}
CONVOLUTIONS = {"Conv2D": 2, "Conv3D": 3}
SUMS = {"Add", "AddV2", "BiasAdd"}
RESHAPES = {"Reshape", "Squeeze", "ExpandDims"}


@dataclass(frozen=True)
class Spec:
    """Shape and dtype of a tensor; a tensor of unknown rank has the shape ()."""

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant of the frozen graph with at least one axis: a weight."""

    shape: tuple[int, ...]


@dataclass
class OperationNode(Node):
    """One operation of a frozen graph that depends on its inputs; identities are left out."""

    operation: Any = None
    parents: list[Ref] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)

    @cached_property
    def inputs(self) -> list[Ref]:
        return self.parents

    @property
    def kind(self) -> str:
        return self.operation.type

    @property
    def weights(self) -> list[Any]:
        return self.constants

    @property
    def activation(self) -> str | None:
        return self.kind.lower() if self.kind in ("Softmax", "Sigmoid", "Relu", "Tanh") else None

    @property
    def is_identity(self) -> bool:
        return False

    @property
    def is_reshape(self) -> bool:
        return self.kind in RESHAPES

    @property
    def is_lookup(self) -> bool:
        return self.kind.startswith("Gather")

    @property
    def is_dense(self) -> bool:
        return self.kind in MATRIX_PRODUCTS and bool(self.constants)

    @property
    def kernel_size(self) -> tuple[int, ...] | None:
        axes = CONVOLUTIONS.get(self.kind)
        return self.constants[0].shape[:axes] if axes and self.constants else None


class TensorFlowGraph(Graph):
    """The graph of a frozen function.

    Args:
        graph_def: the frozen `GraphDef`.
        inputs: the name of each input and of its tensor.
        outputs: likewise of the outputs.
    """

    def __init__(self, graph_def: Any, inputs: dict[str, str], outputs: dict[str, str]) -> None:
        tf = tensorflow()
        self._graph_def = graph_def
        self._graph = tf.Graph()
        with self._graph.as_default():
            tf.import_graph_def(graph_def, name="")
        feeds = {self._graph.get_tensor_by_name(name).op: key for key, name in inputs.items()}
        ends = [_source(self._graph.get_tensor_by_name(name)) for name in outputs.values()]
        self._order = _in_order([tensor.op for tensor in ends])
        self._numbers: dict[Any, int] = {}
        nodes = self._read_nodes(feeds)
        for key, end in zip(outputs, ends, strict=True):
            if self._find(end) is None:
                raise ModelFileError(f"the output {key!r} does not depend on any input")
        super().__init__(
            nodes,
            [Ref(self._numbers[op]) for op in feeds if op in self._numbers],
            [ref for tensor in ends if (ref := self._find(tensor))],
            list(outputs),
        )

    def refs(self) -> list[tuple[str, Ref]]:
        return self._cuts

    @cached_property
    def _cuts(self) -> list[tuple[str, Ref]]:
        """Inputs, and for every scope the one tensor that leaves it; sorted upwards."""
        found = {ref: self.node(ref).path for ref in self.inputs}
        taken = set(found.values())
        exits = self._exits()
        for scope in sorted(exits, key=lambda name: (name.count("/"), name)):
            if len(exits[scope]) == 1:
                (ref,) = exits[scope]
                if self._can_be_cut(ref) and ref not in found and scope not in taken:
                    found[ref] = scope
                    taken.add(scope)
        for ref, name in zip(self.outputs, self.output_names, strict=True):
            path = self.node(ref).path
            found.setdefault(ref, path if path not in taken else f"{path}:{name}")
        return [(found[ref], ref) for ref in sorted(found, key=lambda ref: (ref.node, ref.index))]

    def _exits(self) -> dict[str, set[Ref]]:
        """For every scope the tensors that are used outside of it."""
        exits: dict[str, set[Ref]] = {}
        scopes = [scopes_of(node.path) if node.inputs else [] for node in self.nodes]
        for number, node in enumerate(self.nodes):
            for parent in node.inputs:
                for scope in scopes[parent.node]:
                    if scope not in scopes[number]:
                        exits.setdefault(scope, set()).add(parent)
        for ref in self.outputs:
            for scope in scopes[ref.node]:
                exits.setdefault(scope, set()).add(ref)
        return exits

    def _can_be_cut(self, ref: Ref) -> bool:
        """Whether it holds numbers and has one row a sample."""
        spec = self.tensor(ref)
        numbers = spec.dtype.startswith(("float", "bfloat", "int", "uint"))
        return numbers and len(spec.shape) > 1 and spec.shape[0] is None

    def connect(self, start: dict[Ref, Any], wanted: Sequence[Ref]) -> list[Any]:
        from headstart.extractors.backbones.frozen_graph import FrozenGraph

        already = [ref for ref in wanted if ref in start]
        computed = [ref for ref in wanted if ref not in start]
        tensors = {ref: start[ref] for ref in already}
        if computed:
            specs = [self.tensor(ref) for ref in computed]
            names = {self._tensor(ref): f"feed_{n}" for n, ref in enumerate(start)}
            layer = FrozenGraph(
                feeds=[f"{name}:0" for name in names.values()],
                fetches=[self._tensor(ref).name for ref in computed],
                shapes=[spec.shape[1:] for spec in specs],
                dtypes=[spec.dtype for spec in specs],
                graph_def=self._part(names, [self._tensor(ref).op for ref in computed]),
            )
            tensors.update(zip(computed, layer(list(start.values())), strict=True))
        return [tensors[ref] for ref in wanted]

    @cached_property
    def fingerprints(self) -> list[str]:
        """Merkle hashes; identities are looked through, so that wrapping changes nothing."""
        functions = {f.signature.name: f for f in self._graph_def.library.function}
        hashes: dict[Any, str] = {}
        for op in self._order:
            number = self._numbers.get(op)
            if number is not None and self.nodes[number].is_input:
                spec = self.nodes[number].outputs[0]
                what: dict[str, Any] = {
                    "input": self.inputs.index(Ref(number)),
                    "shape": list(spec.shape[1:]),
                    "dtype": spec.dtype,
                }
            elif op.type == "Const":
                value = tensorflow().make_ndarray(op.get_attr("value"))
                what = {"constant": digest_of(value)}
            else:
                what = {
                    "operation": op.type,
                    "attributes": attributes_of(op.node_def, functions),
                    "inputs": [f"{hashes[t.op]}:{t.value_index}" for t in _sources(op)],
                }
            hashes[op] = fingerprint("headstart.tensorflow/1", what)
        return [hashes[node.operation] for node in self.nodes]

    def _read_nodes(self, feeds: dict[Any, str]) -> list[OperationNode]:
        nodes: list[OperationNode] = []
        weights: dict[Any, list[Constant]] = {}
        shorten = shortener(
            [op.name for op in self._order if op not in feeds and op.type != "Const"]
        )
        for op in self._order:
            if op in feeds:
                node = OperationNode(feeds[op], _specs(op), operation=op)
            else:
                sources = _sources(op)
                refs = [self._find(tensor) for tensor in sources]
                parents = [ref for ref in refs if ref is not None]
                if not parents:
                    weights[op] = _constants(op, weights)
                    continue
                constants = [
                    constant
                    for tensor, ref in zip(sources, refs, strict=True)
                    if ref is None
                    for constant in weights[tensor.op]
                ]
                node = OperationNode(
                    shorten(op.name), _specs(op), operation=op, parents=parents, constants=constants
                )
                self._give_bias_away(node, nodes)
            self._numbers[op] = len(nodes)
            nodes.append(node)
        return nodes

    def _give_bias_away(self, node: OperationNode, nodes: list[OperationNode]) -> None:
        """A bias belongs to the product or convolution below it, as in a layer."""
        if node.kind not in SUMS or len(node.inputs) != 1 or len(node.constants) != 1:
            return
        below = nodes[node.inputs[0].node]
        while below.is_reshape and below.inputs:
            below = nodes[below.inputs[0].node]
        if below.is_dense or below.kernel_size is not None:
            below.constants += node.constants
            node.constants = []

    def _find(self, tensor: Any) -> Ref | None:
        """The node's tensor that this one is; None for constants."""
        number = self._numbers.get(tensor.op)
        return None if number is None else Ref(number, tensor.value_index)

    def _tensor(self, ref: Ref) -> Any:
        return self.nodes[ref.node].operation.outputs[ref.index]

    def _part(self, feeds: dict[Any, str], ends: Iterable[Any]) -> bytes:
        """The `GraphDef` from some tensors, now placeholders, up to some operations."""
        tf = tensorflow()
        part = tf.compat.v1.GraphDef(versions=self._graph_def.versions)
        part.library.CopyFrom(self._graph_def.library)
        names = {(tensor.op.name, tensor.value_index): name for tensor, name in feeds.items()}
        for tensor, name in feeds.items():
            node = part.node.add(name=name, op="Placeholder")
            node.attr["dtype"].type = tensor.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(tensor.shape.as_proto())
        for op in _in_order(ends, lambda tensor: tensor in feeds):
            node = part.node.add()
            node.CopyFrom(op.node_def)
            del node.input[:]
            for tensor in _sources(op):
                key = (tensor.op.name, tensor.value_index)
                node.input.append(names.get(key, tensor.name))
        return part.SerializeToString(deterministic=True)


def read_frozen(path: Path) -> TensorFlowGraph:
    """The graph of a stored `MetaGraphDef`: a frozen graph and its signature.

    Raises:
        ModelFileError: it is none.
    """
    tf = tensorflow()
    from google.protobuf.message import DecodeError

    try:
        meta = tf.compat.v1.MetaGraphDef.FromString(path.read_bytes())
    except DecodeError as error:
        raise ModelFileError(f"{path} is not a frozen TensorFlow graph") from error
    signature = meta.signature_def[SIGNATURE]
    return TensorFlowGraph(
        meta.graph_def,
        {key: signature.inputs[key].name for key in sorted(signature.inputs)},
        {key: signature.outputs[key].name for key in sorted(signature.outputs)},
    )


def _in_order(
    ends: Iterable[Any], is_given: Callable[[Any], bool] = lambda tensor: False
) -> list[Any]:
    """Operations that others are computed from, those included, in topological order."""
    found: dict[Any, None] = {}
    stack = [(op, False) for op in ends]
    while stack:
        op, is_done = stack.pop()
        if is_done:
            found[op] = None
        elif op not in found:
            stack.append((op, True))
            needed = (t for t in _sources(op) if not is_given(t))
            stack.extend((tensor.op, False) for tensor in needed if tensor.op not in found)
    return list(found)


def _source(tensor: Any) -> Any:
    """The tensor that this one is, through whatever passes it on unchanged."""
    while tensor.op.type in PASSING:
        tensor = tensor.op.inputs[tensor.value_index]
    return tensor


def _sources(op: Any) -> list[Any]:
    """An operation's inputs, identities looked through."""
    return [_source(tensor) for tensor in op.inputs]


def _specs(op: Any) -> list[Spec]:
    return [
        Spec(tuple(t.shape.as_list()) if t.shape.rank is not None else (), t.dtype.name)
        for t in op.outputs
    ]


def _constants(op: Any, known: dict[Any, list[Constant]]) -> list[Constant]:
    """The weights that a constant operation is made of: constants of real numbers with axes."""
    if op.type == "Const":
        tensor = op.outputs[0]
        if tensor.shape.rank and tensor.dtype.is_floating:
            return [Constant(tuple(tensor.shape.as_list()))]
        return []
    return [constant for tensor in _sources(op) for constant in known[tensor.op]]
