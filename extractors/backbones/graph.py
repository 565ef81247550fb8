"""A model as one flat graph: what cutting needs to know, whatever the model is made of.

There are two kinds. `KerasGraph` is read from a Functional or Sequential model; `TensorFlowGraph`
from a frozen TensorFlow function, for SavedModels and for models whose `call` is Python code.
Cut points, bottlenecks, defaults, trunks and tails are the same for both.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.storage.keys import fingerprint


@dataclass(frozen=True)
class Ref:
    """One output tensor of one node."""

    node: int
    index: int = 0


@dataclass
class Node(ABC):
    """One call of one operation.

    Attributes:
        path: `layer`, or `outer/inner` inside a nested model.
        outputs: the symbolic outputs: `shape` (batch first) and `dtype` of each.
        call: which call of this operation it is, from 0.
        calls: how often the operation is called in all.
    """

    path: str
    outputs: list[Any] = field(default_factory=list)
    call: int = 0
    calls: int = 1

    @property
    def is_input(self) -> bool:
        return not self.inputs

    @property
    def name(self) -> str:
        """The cut point's name: the path, with the number of the call where there are several."""
        return self.path if self.calls == 1 else f"{self.path}#{self.call}"

    @cached_property
    @abstractmethod
    def inputs(self) -> list[Ref]:
        """The tensors that it is computed from, constants left out."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """The class of the layer, or the type of the operation."""

    @property
    @abstractmethod
    def weights(self) -> list[Any]:
        """What it has of its own: objects with a `shape`; shared ones are the same object."""

    @property
    @abstractmethod
    def activation(self) -> str | None:
        """The name of its activation function, such as `softmax`; None where it has none."""

    @property
    @abstractmethod
    def is_identity(self) -> bool:
        """Whether it passes its input on unchanged at inference."""

    @property
    @abstractmethod
    def is_reshape(self) -> bool:
        """Whether it only orders its input's values in another shape."""

    @property
    @abstractmethod
    def is_dense(self) -> bool:
        """Whether it is a product with a matrix of weights."""

    @property
    def is_lookup(self) -> bool:
        """Whether it picks rows of its weights, as an Embedding does."""
        return False

    @property
    def mask(self) -> Ref | None:
        """The tensor that tells it which steps of its input count."""
        return None

    @property
    def is_recurrent(self) -> bool:
        """Whether its weights are applied at every step of its input."""
        return False

    @property
    @abstractmethod
    def kernel_size(self) -> tuple[int, ...] | None:
        """Of a convolution; None for everything else."""


class Graph(ABC):
    """A model's nodes in topological order, with references to its inputs and outputs.

    Attributes:
        nodes: the nodes.
        inputs: the model's inputs, in its own order.
        outputs: its outputs, likewise.
        output_names: what each output is called.
    """

    def __init__(
        self,
        nodes: Sequence[Any],
        inputs: list[Ref],
        outputs: list[Ref],
        output_names: list[str],
    ) -> None:
        self.nodes = list(nodes)
        self.inputs = inputs
        self.outputs = outputs
        self.output_names = output_names

    @abstractmethod
    def refs(self) -> list[tuple[str, Ref]]:
        """Every tensor that can be a cut point, with its name, from the inputs upwards."""

    @abstractmethod
    def connect(self, start: dict[Ref, Any], wanted: Sequence[Ref]) -> list[Any]:
        """Compute tensors of the graph on tensors of a new Keras model.

        Args:
            start: symbolic Keras tensors that stand for some tensors of the graph; everything
                that `wanted` needs must be computable from them.
            wanted: the tensors to compute.

        Returns:
            A symbolic Keras tensor for each of `wanted`. The layers are frozen and always run
            with `training=False`.
        """

    @cached_property
    @abstractmethod
    def fingerprints(self) -> list[str]:
        """A hash for every node over all that it is computed from (a Merkle tree).

        It covers the operation, its configuration, the bytes of its weights and the hashes of its
        inputs; so it does not depend on names, nor on what lies above.
        """

    @property
    def vocabulary(self) -> int:
        """The fewest rows of a table that integer inputs may pick from; 2 where none is known."""
        sizes = [node.weights[0].shape[0] for node in self.nodes if node.is_lookup and node.weights]
        return min(sizes, default=2)

    @property
    def limits(self) -> dict[str, int]:
        """For inputs that are row numbers of a table (an Embedding): how many rows it has."""
        tables = [node for node in self.nodes if node.is_lookup and node.weights and node.inputs]
        return {
            self.node(ref).path: min(
                node.weights[0].shape[0] for node in tables if node.inputs[0] == ref
            )
            for ref in self.inputs
            if any(node.inputs[0] == ref for node in tables)
        }

    def node(self, ref: Ref) -> Any:
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
        if node.is_input or node.is_lookup:
            return 0
        kernels = sum(math.prod(w.shape) for w in node.weights if len(w.shape) > 1)
        tensor = self.tensor(node.inputs[0]) if node.is_recurrent else node.outputs[0]
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

    @property
    def parameters(self) -> int:
        """Parameters of the whole model."""
        weights = {id(weight): weight for node in self.nodes for weight in node.weights}
        return sum(math.prod(weight.shape) for weight in weights.values())

    def fingerprint(self, ref: Ref) -> str:
        """The trunk fingerprint of a cut at this tensor."""
        node = self.fingerprints[ref.node]
        return node if ref.index == 0 else fingerprint("tensor", [node, ref.index])
