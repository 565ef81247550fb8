"""Which TensorFlow operations a graph may hold: a graph can run Python, and read and write files.

An operation is allowed if TensorFlow knows it, it keeps no state outside of the graph (but for
variables and random numbers), and its name does not say that it deals with files, Python or
other processes. Everything else is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from headstart.errors import UnsafeModel
from headstart.extractors.runtime import tensorflow

OUTSIDE = re.compile(
    r"File|PyFunc|Dataset|Iterator|Proto|Rpc|Reader|Summary|Debug|Print|Dump|Restore|Save|"
    r"Checkpoints|Remote|^_?Send|^_?Recv|Host|Xla|TPU|Sharded|Collective|"
    # Not stateful by their registration, and yet: a file mapped into memory, a file compared with
    # a tensor, the end of the process, queues between threads, other devices.
    r"ImmutableConst|VocabRemapping|^Abort$|Mlir|Queue|Barrier|Accumulator(?!V2)|BatchFunction|"
    r"^Batch$|^Unbatch|Infeed|Outfeed|Prelinearize|Tpu|DTensor|Mesh|Relayout|SparseCore|Sdca|"
    r"CustomAggregator|pressElement|WindowOp|GetDeadline|ConstructionFails|^Stack(Push|Pop|Close)"
)
STATEFUL = re.compile(
    r"^(VarHandleOp|Variable|VariableV2|VarIsInitializedOp|VariableShape|ReadVariableOp|"
    r"Assign\w*VariableOp|DisableCopyOnRead|Resource(Apply|SparseApply|Gather|Scatter|Strided)\w*|"
    r"(Stateful)?PartitionedCall|While|If|Case|_?Arg|_?Retval|GuaranteeConst|DeepCopy|Empty|"
    r"Assert|CheckNumerics(V2)?|CudnnRNN\w*|TensorArray\w*|Random\w+|Truncated\w+|ParameterizedTruncated\w+|"
    r"Multinomial|StatelessRandomGetAlg|StatefulStandardNormal\w*|StatefulUniform\w*|"
    r"StatefulTruncatedNormal|RngReadAndSkip|RngSkip|"
    r"(Mutable)?(Hash|DenseHash)Table\w*|LookupTable\w+|InitializeTableV2)$"
)
"""Tables are let through here, as a plainer message follows when they cannot be frozen."""
LARGEST_CONSTANT = 2 << 30
ROOM = 256 << 20
"""Bytes that all constants of a graph together may have, whatever is stored of them."""
BLOW_UP = 50
"""How many times their stored size: one number may stand for a whole constant."""


def refuse_operations(
    nodes: Iterable[Any],
    functions: Iterable[Any],
    what: str,
    hint: str = "If you know where it comes from and trust it, add it with --trust.",
) -> None:
    """Refuse a graph with an operation that could do more than compute.

    Args:
        nodes: the graph's `NodeDef`s.
        functions: `FunctionDef`s that it may call.
        what: what is refused, for the message.
        hint: the way on.

    Raises:
        UnsafeModel: there is one; the message names it.
    """
    claimed = stored = 0
    for node in [*nodes, *(node for function in functions for node in function.node_def)]:
        problem = _problem(node)
        if problem is not None:
            raise UnsafeModel(
                f"{what} is refused: the operation {node.name!r} {problem}",
                hint=hint,
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


def _problem(node: Any) -> str | None:
    tensorflow()
    from tensorflow.python.framework import op_def_registry  # no public face

    definition = op_def_registry.get(node.op)
    if definition is None:
        return f"({node.op}) is not one of TensorFlow's"
    if OUTSIDE.search(node.op):
        return f"({node.op}) reaches outside of the graph"
    if definition.is_stateful and not STATEFUL.match(node.op):
        return f"({node.op}) keeps a state outside of the graph"
    if node.op == "Const" and _claimed(node) > LARGEST_CONSTANT:
        return "is a constant of absurd size"
    return None


def _claimed(node: Any) -> int:
    """Bytes of a constant by its shape, of which a file may store one number."""
    tensor = node.attr["value"].tensor
    return math.prod(abs(dim.size) for dim in tensor.tensor_shape.dim) * 4
