"""The graph of a Keras model: nested models opened, calls numbered, tensors fingerprinted.

Keras knows three kinds of models whose wiring can be read: Functional, Sequential, and either of
them used as a layer in another; the last is inlined here, so that a cut can lie anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.errors import ModelFileError
from headstart.extractors.backbones.graph import Graph, Node, Ref
from headstart.extractors.runtime import keras
from headstart.storage.keys import digest_of_array, fingerprint

LOOKUPS = {"PositionEmbedding", "TokenAndPositionEmbedding"}
"""Of KerasHub; the latter's first weights are those of tokens."""
DENSE = {"Dense", "EinsumDense"}
CONVOLUTIONS = {"Conv1D", "Conv2D", "Conv3D"}
IDENTITIES = {
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
}
"""Layers that pass their input on unchanged at inference."""


@dataclass
class KerasNode(Node):
    """One call of one Keras layer or operation.

    Attributes:
        operation: the layer or operation; an `InputLayer` for the model's inputs.
        args: positional call arguments, tensors as `Ref`.
        kwargs: keyword call arguments, tensors as `Ref`.
    """

    operation: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> list[Ref]:
        flat = keras().tree.flatten((self.args, self.kwargs))
        return [argument for argument in flat if isinstance(argument, Ref)]

    @property
    def kind(self) -> str:
        return type(self.operation).__name__

    @property
    def weights(self) -> list[Any]:
        return list(getattr(self.operation, "weights", ()))

    @property
    def activation(self) -> str | None:
        if self.kind in ("Softmax", "ReLU"):
            return self.kind.lower()
        function = getattr(self.operation, "activation", None)
        return getattr(function, "__name__", None)

    @property
    def is_identity(self) -> bool:
        is_linear = self.kind == "Activation" and self.activation == "linear"
        return self.kind in IDENTITIES or is_linear

    @property
    def is_reshape(self) -> bool:
        return self.kind in ("Reshape", "Flatten")

    @property
    def is_dense(self) -> bool:
        return self.kind in DENSE

    @property
    def is_lookup(self) -> bool:
        is_embedding = isinstance(self.operation, keras().layers.Embedding)
        return is_embedding or self.kind in LOOKUPS

    @property
    def mask(self) -> Ref | None:
        given = self.kwargs.get("mask")
        return given if isinstance(given, Ref) else None

    @property
    def is_recurrent(self) -> bool:
        return hasattr(self.operation, "return_sequences")

    @property
    def kernel_size(self) -> tuple[int, ...] | None:
        return tuple(self.operation.kernel_size) if self.kind in CONVOLUTIONS else None


class KerasGraph(Graph):
    """The graph of a Functional or Sequential model."""

    def refs(self) -> list[tuple[str, Ref]]:
        return [
            (node.name if index == 0 else f"{node.name}[{index}]", Ref(number, index))
            for number, node in enumerate(self.nodes)
            for index in range(len(node.outputs))
        ]

    def connect(self, start: dict[Ref, Any], wanted: Sequence[Ref]) -> list[Any]:
        """Call the layers again; their weights are shared with the model."""
        known = {number for ref in start for number in self.below(ref)}
        needed = sorted({n for ref in wanted for n in self.below(ref)} - known)
        _make_names_unique(self, needed)
        tensors = dict(start)
        for number in needed:
            for index, output in enumerate(_call(self.nodes[number], tensors)):
                tensors[Ref(number, index)] = output
        return [tensors[ref] for ref in wanted]

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


def read_graph(model: Any) -> KerasGraph:
    """The flat graph of a Functional or Sequential model.

    Raises:
        ModelFileError: the model's wiring cannot be read.
    """
    if is_unbuilt_sequential(model):
        raise ModelFileError(
            f"the Sequential model {model.name!r} was saved before it was built: it has no input "
            "shape and no weights",
            hint="Call it on data, or give it a keras.Input, before you save it.",
        )
    if not is_readable(model):
        raise ModelFileError(
            f"the model {model.name!r} ({type(model).__name__}) is not a Functional or Sequential "
            "model, so its wiring cannot be read",
            hint="Save it as a Functional model.",
        )
    nodes: list[KerasNode] = []
    inner = _functional(model)
    inputs = []
    for tensor in inner.inputs:
        operation = tensor._keras_history.operation
        nodes.append(KerasNode(operation.name, [tensor], operation=operation))
        inputs.append(Ref(len(nodes) - 1))
    outputs = _inline(inner, inputs, "", nodes)
    _number_calls(nodes)
    return KerasGraph(nodes, inputs, outputs, list(inner.output_names))


def is_readable(operation: Any) -> bool:
    """Whether a model is nothing but its graph: a subclass may do anything in its `call`."""
    k = keras()
    functional = _functional_class()
    if isinstance(operation, k.Sequential):
        return type(operation).call is k.Sequential.call and operation.built
    return isinstance(operation, functional) and type(operation).call is functional.call


def is_unbuilt_sequential(model: Any) -> bool:
    return isinstance(model, keras().Sequential) and not model.built


def _functional_class() -> Any:
    from keras.src.models.functional import Functional  # not in the public API

    return Functional


def _functional(model: Any) -> Any:
    """The Functional model inside a Sequential; any other model as it is."""
    return getattr(model, "_functional", None) or model


def _inline(model: Any, inputs: list[Ref], prefix: str, nodes: list[KerasNode]) -> list[Ref]:
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
        if is_readable(operation):
            refs = [known[id(tensor)] for tensor in node.input_tensors]
            outputs = _inline(_functional(operation), refs, f"{path}/", nodes)
        else:
            nodes.append(
                KerasNode(path, list(node.outputs), operation=operation, args=args, kwargs=kwargs)
            )
            outputs = [Ref(len(nodes) - 1, index) for index in range(len(node.outputs))]
        for tensor, ref in zip(node.outputs, outputs, strict=True):
            known[id(tensor)] = ref
    return [known[id(tensor)] for tensor in tree.flatten(model.outputs)]


def _ordered(model: Any) -> Iterator[Any]:
    """Keras' own execution order: by decreasing depth, see `Function._run_through_graph`."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _number_calls(nodes: list[KerasNode]) -> None:
    by_operation: dict[tuple[int, str], list[KerasNode]] = {}
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
        return _canonical(config.item())
    if isinstance(config, float) and not math.isfinite(config):
        return {"float": str(config)}  # JSON has no such numbers
    if isinstance(config, np.ndarray):
        return {"array": digest_of_array(config)}
    if config is None or isinstance(config, str | int | float | bool):
        return config
    if callable(config):
        return f"{config.__module__}.{config.__qualname__}"
    return repr(config)


def _canonical_arguments(node: KerasNode, hashes: list[str]) -> Any:
    def name(argument: Any) -> Any:
        if isinstance(argument, Ref):
            return f"tensor:{hashes[argument.node]}:{argument.index}"
        return _canonical(argument)

    kwargs = {key: value for key, value in node.kwargs.items() if key != "training"}
    return _canonical(_map(name, (list(node.args), kwargs)))


def _map(function: Callable[[Any], Any], structure: Any) -> Any:
    return keras().tree.map_structure(function, structure)


def _call(node: KerasNode, tensors: dict[Ref, Any]) -> list[Any]:
    k = keras()

    def to_tensor(argument: Any) -> Any:
        return tensors[argument] if isinstance(argument, Ref) else argument

    args, kwargs = k.tree.map_structure(to_tensor, (node.args, node.kwargs))
    if getattr(node.operation, "_call_has_context_arg", {}).get("training"):
        kwargs["training"] = False
    return k.tree.flatten(node.operation(*args, **kwargs))


def _make_names_unique(graph: KerasGraph, numbers: list[int]) -> None:
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
