"""A Keras model as one flat graph: nested models opened, calls numbered, tensors fingerprinted.

Everything about cutting starts from this graph. Keras knows three kinds of models whose wiring
can be read: Functional, Sequential, and either of them used as a layer in another; the last is
inlined here, so that a cut can lie anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.errors import ModelFileError
from headstart.extractors.runtime import keras
from headstart.storage.keys import digest_of_array, fingerprint


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
        return np.flatnonzero(self.ancestry[ref.node]).tolist()

    def bottlenecks(self, output: Ref) -> set[Ref]:
        """The tensors that every path from the inputs to an output passes through.

        In topological order a node lies on every path if no edge leaps over it and no input comes
        after it. A tensor with a mask is none: the mask would be lost.
        """
        numbers = self.below(output)
        place = {number: position for position, number in enumerate(numbers)}
        leaps = [0] * (len(numbers) + 1)
        used: dict[int, set[int]] = {}
        last_input = 0
        for number in numbers:
            node = self.nodes[number]
            if node.is_input:
                last_input = place[number]
            for parent in node.inputs:
                used.setdefault(parent.node, set()).add(parent.index)
                leaps[place[parent.node] + 1] += 1
                leaps[place[number]] -= 1
        found, open_ = set(), 0
        for position, number in enumerate(numbers):
            open_ += leaps[position]
            indices = used.get(number, {output.index})
            if open_ == 0 and position >= last_input and len(indices) == 1:
                ref = Ref(number, next(iter(indices)))
                if not self.has_mask(ref):
                    found.add(ref)
        return found

    def has_mask(self, ref: Ref) -> bool:
        """Whether the tensor carries a Keras mask, such as that of an Embedding."""
        return getattr(self.tensor(ref), "_keras_mask", None) is not None

    def multiply_adds(self, number: int) -> int | None:
        """Multiply-adds of one node for one sample, estimated; None where sizes are open.

        Matrices and kernels are applied once at every position of the output (at every step of
        the input for recurrent layers); everything else costs one operation a value.
        """
        node = self.nodes[number]
        if node.is_input or node.kind == "Embedding":
            return 0
        kernels = sum(math.prod(w.shape) for w in node.weights if len(w.shape) > 1)
        recurrent = hasattr(node.operation, "return_sequences")
        tensor = self.tensor(node.inputs[0]) if recurrent else node.outputs[0]
        sizes = tensor.shape[1:-1] if kernels else tensor.shape[1:]
        if any(size is None for size in sizes):
            return None
        return math.prod(sizes) * (kernels or 1)

    @cached_property
    def ancestry(self) -> np.ndarray:
        """Which nodes each node is computed from, itself included: bool, (nodes, nodes)."""
        found = np.zeros((len(self.nodes), len(self.nodes)), bool)
        for number, node in enumerate(self.nodes):
            found[number, number] = True
            for parent in node.inputs:
                found[number] |= found[parent.node]
        return found

    @cached_property
    def parameters_below(self) -> np.ndarray:
        """Parameters at and below each node, shared weights counted once: int64, (nodes,)."""
        total = np.zeros(len(self.nodes), np.int64)
        users: dict[int, tuple[Any, list[int]]] = {}
        for number, node in enumerate(self.nodes):
            for weight in node.weights:
                users.setdefault(id(weight), (weight, []))[1].append(number)
        for weight, numbers in users.values():
            total += self.ancestry[:, numbers].any(axis=1) * math.prod(weight.shape)
        return total

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
                    weights[identity] = [digest_of_array(weight.numpy()) for weight in node.weights]
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
    if isinstance(model, keras().Sequential) and not model.built:
        raise ModelFileError(
            f"the Sequential model {model.name!r} was saved before it was built: it has no input "
            "shape and no weights",
            hint="Call it on data, or give it a keras.Input, before you save it.",
        )
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
        return {"array": digest_of_array(config)}
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
