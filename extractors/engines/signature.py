"""What goes into a trunk and what comes out, as an engine keeps it beside the trunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tensor:
    """An input or output of a trunk: its name in the graph, and of one sample shape and dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Signature:
    """What goes into a trunk and what comes out.

    Attributes:
        names: the backbone's names of the inputs.
        inputs: the inputs, in that order.
        outputs: one a cut.
        limits: for inputs that are row numbers of a table, how many rows it has.
    """

    names: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    limits: Mapping[str, int]

    @staticmethod
    def of(function: Any, names: Sequence[str], limits: Mapping[str, int]) -> Signature:
        """Of a `ConcreteFunction`, with the backbone's names of its inputs."""
        inputs, outputs = _tensors(function.inputs), _tensors(function.outputs)
        return Signature(tuple(names), inputs, outputs, dict(limits))

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Signature:
        """From what `asdict` gave."""
        inputs, outputs = _tensors_in(value["inputs"]), _tensors_in(value["outputs"])
        return Signature(tuple(value["names"]), inputs, outputs, value["limits"])

    @property
    def is_fixed(self) -> bool:
        """Whether all sizes of a sample are known."""
        return all(None not in tensor.shape for tensor in (*self.inputs, *self.outputs))


def _tensors(tensors: Sequence[Any]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(t.name, tuple(t.shape[1:].as_list()), t.dtype.as_numpy_dtype.__name__)
        for t in tensors
    )


def _tensors_in(found: Sequence[Mapping[str, Any]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(t["name"], tuple(t["shape"]), t["dtype"]) for t in found)
