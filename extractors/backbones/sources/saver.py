"""A SavedModel without its saver: the parts of it that write checkpoints and read them.

Every SavedModel brings operations that write files. They cannot be allowed, as a file may have
them called by whatever it likes; and they are not needed, as TensorFlow's object loader restores
variables by itself. So they are cut out, and what is loaded is what is left, all of it looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from headstart.extractors.safety.operations import (
    called_by,
    called_functions,
    refuse_operations,
)

RESTORE = "RestoreV2"


def without_saver(meta: Any, what: str) -> Any:
    """A copy for TensorFlow's object loader, which never runs the file's own saver.

    Args:
        meta: the `MetaGraphDef`.
        what: the folder, for the message.

    Raises:
        UnsafeModel: an operation or function that is left, reachable or not, could do more than
            compute.
    """
    saving, restoring = _parts(meta)
    kept = _cut(meta, saving | restoring)
    kept.ClearField("saver_def")
    refuse_operations(kept.graph_def.node, kept.graph_def.library.function, what)
    return kept


def with_restore_alone(meta: Any, what: str) -> Any:
    """A copy for a session as TensorFlow 1 has it, which runs the file's own restore operation.

    That part may hold `RestoreV2`, but only to read the checkpoint that the session names.

    Raises:
        UnsafeModel: an operation that is left could do more than that.
    """
    saving, restoring = _parts(meta)
    kept = _cut(meta, saving - restoring)
    if kept.saver_def.save_tensor_name:  # must name something; nobody calls it
        kept.saver_def.save_tensor_name = kept.saver_def.filename_tensor_name
    functions = {function.signature.name: function for function in kept.graph_def.library.function}
    reading = [node for node in kept.graph_def.node if node.name in restoring]
    others = [node for node in kept.graph_def.node if node.name not in restoring]
    called = called_functions(others, functions) | _mentioned(kept, functions)
    own = called_functions(reading, functions) - _closed(called, functions)
    refuse_operations(others, [f for name, f in functions.items() if name not in own], what)
    rest = _without_restores(
        reading, functions, own, _node_name(kept.saver_def.filename_tensor_name)
    )
    refuse_operations(rest, [], what)
    return kept


def _parts(meta: Any) -> tuple[set[str], set[str]]:
    """The nodes that only saving needs, and those that only restoring needs.

    What is run besides is neither, whatever the saver claims for itself: outputs, and what loading
    starts.
    """
    nodes = {node.name: node for node in meta.graph_def.node}
    saving = _ancestors([meta.saver_def.save_tensor_name], nodes)
    restoring = _ancestors([meta.saver_def.restore_op_name], nodes)
    outputs = [info.name for s in meta.signature_def.values() for info in s.outputs.values()]
    started = [name for c in meta.collection_def.values() for name in c.node_list.value]
    run = _ancestors([*outputs, *started, *(set(nodes) - saving - restoring)], nodes)
    return saving - run, restoring - run


def _cut(meta: Any, away: set[str]) -> Any:
    """A copy without some nodes, and without the functions that nothing else could call."""
    kept = type(meta)()
    kept.CopyFrom(meta)
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    left = [node for node in meta.graph_def.node if node.name not in away]
    theirs = called_functions((n for n in meta.graph_def.node if n.name in away), functions)
    named = _mentioned(meta, functions) | (set(functions) - theirs)
    needed = _closed(named | called_functions(left, functions), functions)
    del kept.graph_def.node[:]
    kept.graph_def.node.extend(left)
    del kept.graph_def.library.function[:]
    kept.graph_def.library.function.extend(
        function for name, function in functions.items() if name in needed
    )
    return kept


def _mentioned(meta: Any, functions: dict[str, Any]) -> set[str]:
    """The functions that an object of the file may call, at loading or later."""
    graph = meta.object_graph_def
    found = set(graph.concrete_functions)
    for node in graph.nodes:
        found.add(node.bare_concrete_function.concrete_function_name)
        found.update(node.function.concrete_functions)
        found.add(node.captured_tensor.concrete_function)
    for gradient in meta.graph_def.library.gradient:
        found |= {gradient.function_name, gradient.gradient_func}
    found |= {gradient.gradient_func for gradient in meta.graph_def.library.registered_gradients}
    return found & set(functions)


def _closed(names: Iterable[str], functions: dict[str, Any]) -> set[str]:
    """Some functions and all that they call."""
    names = set(names)
    return names | called_functions((n for f in names for n in functions[f].node_def), functions)


def _without_restores(
    reading: list[Any], functions: dict[str, Any], own: set[str], checkpoint: str
) -> Iterator[Any]:
    """All operations but those that read the checkpoint which the session names, and no other."""
    calls = [*reading, *(node for name in own for node in functions[name].node_def)]
    fed: dict[str, set[str]] = {name: set() for name in own}
    for node in reading:
        if node.op != RESTORE or _node_name(node.input[0]) != checkpoint:
            yield node
        for name in called_by(node) & own:
            if sum(name in called_by(other) for other in calls) == 1:
                given = zip(functions[name].signature.input_arg, node.input, strict=False)
                fed[name] = {a.name for a, tensor in given if _node_name(tensor) == checkpoint}
    for name in sorted(own):
        for node in functions[name].node_def:
            if node.op != RESTORE or node.input[0] not in fed[name]:
                yield node


def _ancestors(names: Iterable[str], nodes: dict[str, Any]) -> set[str]:
    """Nodes and all that they are computed from; names of no node are left out."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = _node_name(stack.pop())
        if name in nodes and name not in found:
            found.add(name)
            stack.extend(nodes[name].input)
    return found


def _node_name(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]
