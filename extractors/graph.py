"""A Keras model as one flat graph: nested models opened, calls numbered, tensors fingerprinted.

Everything about cutting starts from this graph. Keras knows three kinds of models whose wiring
can be read: Functional, Sequential, and either of them used as a layer in another; the last is
inlined here, so that a cut can lie anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.errors import ModelFileError
from headstart.extractors.runtime import keras
from headstart.storage.keys import fingerprint


@dataclass(frozen=True)
class Ref:
    """One output tensor of one node."""

    node: int
    index: int = 0


@dataclass
class Node:
    """One call of one operation.

    Attributes:
        operation: the Keras layer or operation; an `InputLayer` for the model's inputs.
        path: `layer`, or `outer/inner` inside a nested model.
        args: positional call arguments, tensors as `Ref`.
        kwargs: keyword call arguments, tensors as `Ref`.
        outputs: the symbolic outputs: shape and dtype of each.
        call: which call of this operation it is, from 0.
        calls: how often the operation is called in all.
    """

    operation: Any
    path: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    outputs: list[Any] = field(default_factory=list)
    call: int = 0
    calls: int = 1

    @property
    def is_input(self) -> bool:
        return not self.inputs

    @cached_property
    def inputs(self) -> list[Ref]:
        flat = keras().tree.flatten((self.args, self.kwargs))
        return [argument for argument in flat if isinstance(argument, Ref)]

    @property
    def name(self) -> str:
        """The cut point's name: the path, with the number of the call where there are several."""
        return self.path if self.calls == 1 else f"{self.path}#{self.call}"

    @property
    def kind(self) -> str:
        return type(self.operation).__name__

    @property
    def weights(self) -> list[Any]:
        return list(getattr(self.operation, "weights", ()))

    @property
    def activation(self) -> str | None:
        """The name of the layer's activation function; None where it has none."""
        if self.kind in ("Softmax", "ReLU"):
            return self.kind.lower()
        function = getattr(self.operation, "activation", None)
        return getattr(function, "__name__", None)


@dataclass(frozen=True)
class Graph:
    """A model's nodes in topological order, with references to its inputs and outputs."""

    nodes: list[Node]
    inputs: list[Ref]
    outputs: list[Ref]

    def node(self, ref: Ref) -> Node:
        return self.nodes[ref.node]

    def tensor(self, ref: Ref) -> Any:
        """The symbolic tensor: its `shape` begins with the batch dimension."""
        return self.nodes[ref.node].outputs[ref.index]

    def below(self, ref: Ref) -> list[int]:
        """The nodes that a tensor is computed from, itself included, in topological order."""
        found: set[int] = set()
        stack = [ref.node]
        while stack:
            number = stack.pop()
            if number not in found:
                found.add(number)
                stack.extend(parent.node for parent in self.nodes[number].inputs)
        return sorted(found)

    def parameters_below(self, ref: Ref) -> int:
        """Parameters at and below a tensor; those of a shared layer are counted once."""
        weights = {id(w): w for number in self.below(ref) for w in self.nodes[number].weights}
        return sum(int(np.prod(weight.shape)) for weight in weights.values())

    @cached_property
    def fingerprints(self) -> list[str]:
        """A hash for every node over all that it is computed from.

        Each node's hash covers its operation, its configuration, the bytes of its weights and
        the hashes of its inputs (a Merkle tree). So it does not depend on layer names, on what
        lies above, on the order in which Keras happens to list the layers, or on nesting.
        """
        weights: dict[int, list[Any]] = {}
        hashes: list[str] = []
        for number, node in enumerate(self.nodes):
            if node.is_input:
                position = self.inputs.index(Ref(number))
                tensor = node.outputs[0]
                what = {
                    "input": position,
                    "shape": list(tensor.shape[1:]),
                    "dtype": str(tensor.dtype),
                }
            else:
                identity = id(node.operation)
                if identity not in weights:
                    weights[identity] = [_digest_of_weight(weight) for weight in node.weights]
                what = {
                    "operation": _class_name(node.operation),
                    "config": _canonical(_config(node.operation)),
                    "weights": weights[identity],
                    "arguments": _canonical_arguments(node, hashes),
                }
            hashes.append(fingerprint("headstart.trunk/1", what))
        return hashes

    def fingerprint(self, ref: Ref) -> str:
        """The trunk fingerprint of a cut at this tensor."""
        node = self.fingerprints[ref.node]
        return node if ref.index == 0 else fingerprint("tensor", [node, ref.index])


def read_graph(model: Any) -> Graph:
    """The flat graph of a Functional or Sequential model.

    Raises:
        ModelFileError: the model's wiring cannot be read.
    """
    if not _is_readable(model):
        raise ModelFileError(
            f"the model {model.name!r} ({type(model).__name__}) is not a Functional or Sequential "
            "model, so its wiring cannot be read",
            hint="Save it as a Functional model.",
        )
    nodes: list[Node] = []
    inner = _functional(model)
    inputs = []
    for tensor in inner.inputs:
        operation = tensor._keras_history.operation
        nodes.append(Node(operation, operation.name, outputs=[tensor]))
        inputs.append(Ref(len(nodes) - 1))
    outputs = _inline(inner, inputs, "", nodes)
    _number_calls(nodes)
    return Graph(nodes, inputs, outputs)


def _is_readable(operation: Any) -> bool:
    """Whether a model is nothing but its graph: a subclass may do anything in its `call`."""
    k = keras()
    functional = _functional_class()
    if isinstance(operation, k.Sequential):
        return type(operation).call is k.Sequential.call and operation.built
    return isinstance(operation, functional) and type(operation).call is functional.call


def _functional_class() -> Any:
    from keras.src.models.functional import Functional  # not in the public API

    return Functional


def _functional(model: Any) -> Any:
    """The Functional model inside a Sequential; any other model as it is."""
    return getattr(model, "_functional", None) or model


def _inline(model: Any, inputs: list[Ref], prefix: str, nodes: list[Node]) -> list[Ref]:
    """Append a Functional model's nodes to `nodes`; returns its outputs."""
    tree = keras().tree
    known = {id(tensor): ref for tensor, ref in zip(model.inputs, inputs, strict=True)}

    def to_ref(argument: Any) -> Any:
        return known.get(id(argument), argument)

    for node in _ordered(model):
        operation = node.operation
        if node.is_input:
            continue
        args, kwargs = node.arguments.convert(to_ref)
        path = f"{prefix}{operation.name}"
        if _is_readable(operation):
            refs = [known[id(tensor)] for tensor in node.input_tensors]
            outputs = _inline(_functional(operation), refs, f"{path}/", nodes)
        else:
            nodes.append(Node(operation, path, args, kwargs, list(node.outputs)))
            outputs = [Ref(len(nodes) - 1, index) for index in range(len(node.outputs))]
        for tensor, ref in zip(node.outputs, outputs, strict=True):
            known[id(tensor)] = ref
    return [known[id(tensor)] for tensor in tree.flatten(model.outputs)]


def _ordered(model: Any) -> Iterator[Any]:
    """Keras' own execution order: by decreasing depth, see `Function._run_through_graph`."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _number_calls(nodes: list[Node]) -> None:
    by_operation: dict[tuple[int, str], list[Node]] = {}
    for node in nodes:
        by_operation.setdefault((id(node.operation), node.path), []).append(node)
    for calls in by_operation.values():
        for number, node in enumerate(calls):
            node.call, node.calls = number, len(calls)


def _class_name(operation: Any) -> str:
    """`keras.layers>Dense`: without the module, which moves between versions of Keras."""
    cls = type(operation)
    registered = keras().saving.get_registered_name(cls)
    if registered != cls.__name__:
        return registered
    if not cls.__module__.startswith("keras."):
        return f"{cls.__module__}>{registered}"
    family = "layers" if isinstance(operation, keras().layers.Layer) else "ops"
    return f"keras.{family}>{registered}"


def _config(operation: Any) -> dict[str, Any]:
    config = keras().saving.serialize_keras_object(operation)["config"]
    if hasattr(operation, "get_vocabulary"):
        config = {**config, "vocabulary": list(operation.get_vocabulary())}
    return config


IGNORED = {"name", "trainable", "seed", "build_config", "shared_object_id", "registered_name"}
IGNORED_ENDINGS = ("_initializer", "_regularizer", "_constraint")
"""Parts of a layer's configuration that change no number at inference."""


def _canonical(config: Any) -> Any:
    """A configuration without what changes no number at inference, as plain JSON values."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return config["config"]["name"]
        return {
            str(key): _canonical(value)
            for key, value in config.items()
            if key not in IGNORED and not str(key).endswith(IGNORED_ENDINGS)
        }
    if isinstance(config, list | tuple):
        return [_canonical(value) for value in config]
    if isinstance(config, np.generic):
        return config.item()
    if isinstance(config, np.ndarray):
        return {"array": _digest_of_array(config)}
    if config is None or isinstance(config, str | int | float | bool):
        return config
    if callable(config):
        return f"{config.__module__}.{config.__qualname__}"
    return repr(config)


def _canonical_arguments(node: Node, hashes: list[str]) -> Any:
    def name(argument: Any) -> Any:
        if isinstance(argument, Ref):
            return f"tensor:{hashes[argument.node]}:{argument.index}"
        return _canonical(argument)

    kwargs = {key: value for key, value in node.kwargs.items() if key != "training"}
    return _canonical(_map(name, (list(node.args), kwargs)))


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    return keras().tree.map_structure(function, structure)


def _digest_of_weight(weight: Any) -> str:
    return _digest_of_array(np.asarray(weight.numpy()))


def _digest_of_array(array: np.ndarray) -> str:
    array = np.ascontiguousarray(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    digest = hashlib.sha256(f"{array.dtype.str}\0{array.shape}\0".encode())
    digest.update(array.data if array.dtype.kind in "fiub" else array.tobytes())
    return digest.hexdigest()
