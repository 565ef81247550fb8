"""Which TensorFlow operations a graph may hold: a graph can run Python, and read and write files.

Of what is not trusted, those that are listed as doing nothing but compute, and no other. Of what is
trusted, all but those that reach outside, as far as their names and TensorFlow's registry tell: a
graph that is kept may be exported, and whoever gets it has not said that he trusts it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headstart.errors import UnsafeModel
from headstart.extractors.runtime import tensorflow
from headstart.extractors.safety.allowed_operations import ALLOWED

OUTSIDE = re.compile(
    r"File|PyFunc|Dataset|Iterator|Proto|Rpc|Reader|Summary|Debug|Print|Dump|Restore|Save|"
    r"Checkpoints|Remote|^_?Send|^_?Recv|Host|Xla|TPU|Sharded|Collective|"
    # Not stateful by their registration, and yet: a file mapped into memory, a file compared with
    # a tensor, the end of the process, queues between threads, other devices.
    r"ImmutableConst|VocabRemapping|^Abort$|Mlir|Queue|Barrier|Accumulator(?!V2)|BatchFunction|"
    r"^Batch$|^Unbatch|Infeed|Outfeed|Prelinearize|Tpu|DTensor|Mesh|Relayout|SparseCore|Sdca|"
    r"CustomAggregator|pressElement|WindowOp|GetDeadline|ConstructionFails|^Stack(Push|Pop|Close)"
)
TRUST = "If you know where it comes from and trust it, add it with --trust."
HANDLES = {20, 21}
"""`DT_RESOURCE` and `DT_VARIANT`, of types.proto: a handle that a file makes up."""
LARGEST_CONSTANT = 2 << 30
ROOM = 256 << 20
"""Bytes that all constants of a graph together may have, whatever is stored of them."""
BLOW_UP = 50
"""How many times their stored size: one number may stand for a whole constant."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with an operation, and the way on."""

    text: str
    hint: str | None = None


def refuse_operations(
    nodes: Iterable[Any],
    functions: Iterable[Any],
    what: str,
    *,
    hint: str = TRUST,
    trust: bool = False,
) -> None:
    """Refuse a graph with an operation that could do more than compute.

    Args:
        nodes: the graph's `NodeDef`s.
        functions: `FunctionDef`s that it may call.
        what: what is refused, for the message.
        hint: the way on, for operations that are known to do more.
        trust: let through those that are not listed, if they are not known to do more.

    Raises:
        UnsafeModel: there is one; the message names it.
    """
    claimed = stored = 0
    for node in [*nodes, *(node for function in functions for node in function.node_def)]:
        problem = _problem(node, trust)
        if problem is not None:
            raise UnsafeModel(
                f"{what} is refused: the operation {node.name!r} {problem.text}",
                hint=problem.hint or hint,
            )
        if node.op == "Const":
            claimed += _claimed(node)
            stored += node.ByteSize()
    if claimed > ROOM + BLOW_UP * stored:
        raise UnsafeModel(f"{what} is refused: its constants claim {claimed:,} bytes", hint=hint)


def called_functions(nodes: Iterable[Any], functions: dict[str, Any]) -> set[str]:
    """Names of all functions that some nodes call, and that those call."""
    found: set[str] = set()
    stack = list(nodes)
    while stack:
        for name in called_by(stack.pop()) - found:
            if name in functions:
                found.add(name)
                stack.extend(functions[name].node_def)
    return found


def absent_function(nodes: Iterable[Any], functions: Iterable[Any]) -> tuple[str, str] | None:
    """A call of a function that is neither there nor an operation; None if there is no such call.

    Args:
        nodes: the graph's `NodeDef`s.
        functions: its `FunctionDef`s.

    Returns:
        Names of the node that calls and of what it calls.
    """
    tensorflow()
    from tensorflow.python.framework import op_def_registry  # no public face

    functions = list(functions)
    names = {function.signature.name for function in functions}
    for node in [*nodes, *(node for function in functions for node in function.node_def)]:
        for name in called_by(node) - names:
            if op_def_registry.get(name) is None:
                return node.name, name
    return None


def called_by(node: Any) -> set[str]:
    """Names of the functions that a node calls itself."""
    named = {f.name for value in node.attr.values() for f in (value.func, *value.list.func)}
    return named - {""}


def _problem(node: Any, trust: bool) -> Problem | None:
    tensorflow()
    from tensorflow.python.framework import op_def_registry  # no public face

    definition = op_def_registry.get(node.op)
    if definition is None:
        return Problem(f"({node.op}) is not one of TensorFlow's")
    if node.op not in ALLOWED:
        if OUTSIDE.search(node.op):
            return Problem(f"({node.op}) reaches outside of the graph")
        if definition.is_stateful:
            return Problem(f"({node.op}) keeps a state outside of the graph")
        if not trust:
            return Problem(f"({node.op}) is not listed as doing nothing but compute", TRUST)
    if node.op == "Const" and node.attr["dtype"].type in HANDLES:
        return Problem("is a constant that stands for something in memory, not for numbers")
    if node.op == "Const" and _claimed(node) > LARGEST_CONSTANT:
        return Problem("is a constant of absurd size")
    return None


def _claimed(node: Any) -> int:
    """Bytes of a constant by its shape, of which a file may store one number."""
    tensor = node.attr["value"].tensor
    return math.prod(abs(dim.size) for dim in tensor.tensor_shape.dim) * 4
