"""What says which numbers an operation of a frozen graph gives: its constant, its attributes."""

from __future__ import annotations

from typing import Any

from headstart.storage.keys import digest_of_array, digest_of_bytes, fingerprint


def digest_of(value: Any) -> str:
    """Of a constant, an array of any dtype."""
    if value.dtype.kind in "OSU":
        return digest_of_bytes(repr(value.tolist()).encode())
    return digest_of_array(value)


def attributes_of(node: Any, functions: dict[str, Any]) -> dict[str, str]:
    """An operation's attributes, without those that say nothing about its numbers."""
    return {
        key: _attribute(value, functions)
        for key, value in sorted(node.attr.items())
        if not key.startswith("_")
    }


def _attribute(value: Any, functions: dict[str, Any]) -> str:
    names = [value.func.name] if value.HasField("func") else [f.name for f in value.list.func]
    if not names:
        return value.SerializeToString(deterministic=True).hex()
    return fingerprint("functions", [_function(functions[name], functions) for name in names])


def _function(function: Any, functions: dict[str, Any]) -> Any:
    """What a function of the graph does; its own name, which is new in every trace, left out."""
    return {
        "arguments": [[arg.name, arg.type] for arg in function.signature.input_arg],
        "results": [[arg.name, arg.type] for arg in function.signature.output_arg],
        "returns": dict(sorted(function.ret.items())),
        "nodes": [
            [node.name, node.op, list(node.input), attributes_of(node, functions)]
            for node in function.node_def
        ],
    }
