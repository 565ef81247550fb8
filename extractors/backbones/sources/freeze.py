"""From a TensorFlow function to a frozen graph in one file: constants, no variables, no code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headstart.errors import ModelFileError, first_line
from headstart.extractors.backbones.tensorflow_graph import SIGNATURE
from headstart.extractors.runtime import keras, quiet, tensorflow
from headstart.extractors.safety.operations import called_functions, refuse_operations

KEPT = "A graph that is kept may only compute, even if it is trusted: save it without that part."


def freeze_model(model: Any, scratch: Path, *, trust: bool = False) -> Path:
    """Trace a Keras model whose wiring cannot be read, in inference mode, and freeze it.

    Args:
        model: a built model: a subclass, or one with layers of the user's own.
        scratch: a folder for the file.
        trust: let through operations that are not known to do more than compute.

    Raises:
        ModelFileError: its inputs are not known, or it cannot be traced.
        UnsafeModel: its graph would run Python code or touch files.
    """
    tf = tensorflow()
    specs = _input_specs(model)

    def call(*tensors: Any) -> Any:
        return model(_in_shape(model, specs, tensors), training=False)

    try:
        function = tf.function(call, autograph=False).get_concrete_function(*specs.values())
    except Exception as error:  # the user's own call may raise anything
        raise ModelFileError(
            f"the model {model.name!r} cannot be traced ({first_line(error)})",
            hint="Its call must be made of TensorFlow or Keras operations.",
        ) from error
    return freeze_function(function, list(specs), scratch, trust=trust)


def freeze_function(
    function: Any, names: Sequence[str], scratch: Path, *, trust: bool = False
) -> Path:
    """Replace a concrete function's variables by constants and write the graph.

    Args:
        function: a TensorFlow `ConcreteFunction`.
        names: what its inputs are called, in order.
        scratch: a folder for the file.
        trust: let through operations that are not known to do more than compute.
    """
    from tensorflow.python.framework.convert_to_constants import (  # no public face
        convert_variables_to_constants_v2,
    )

    _refuse_tables(function.graph.as_graph_def())
    with quiet():
        frozen = convert_variables_to_constants_v2(function, lower_control_flow=False)
    if len(frozen.inputs) != len(names):
        raise ModelFileError(
            "the model keeps something besides variables that cannot be stored as numbers",
            hint="Save it without tables and iterators.",
        )
    outputs = _output_names(function.structured_outputs)
    return write_frozen(
        frozen.graph.as_graph_def(),
        {name: tensor.name for name, tensor in zip(names, frozen.inputs, strict=True)},
        {name: tensor.name for name, tensor in zip(outputs, frozen.outputs, strict=True)},
        scratch,
        trust=trust,
    )


def write_frozen(
    graph_def: Any,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    scratch: Path,
    *,
    trust: bool = False,
) -> Path:
    """A frozen graph and the names of its inputs and outputs as one `MetaGraphDef` file."""
    tf = tensorflow()
    ends = [name.split(":")[0] for name in [*outputs.values(), *inputs.values()]]
    part = _needed(graph_def, ends)
    refuse_operations(part.node, part.library.function, "the model's graph", hint=KEPT, trust=trust)
    meta = tf.compat.v1.MetaGraphDef(graph_def=part)
    for key, name in inputs.items():
        meta.signature_def[SIGNATURE].inputs[key].name = name
    for key, name in outputs.items():
        meta.signature_def[SIGNATURE].outputs[key].name = name
    file = scratch / "frozen.pb"
    try:
        file.write_bytes(meta.SerializeToString(deterministic=True))
    except ValueError as error:
        raise ModelFileError(
            f"the frozen model is too large ({first_line(error)})",
            hint="A TensorFlow graph holds up to 2 GiB; save the model as NAME.keras.",
        ) from error
    return file


def check_frozen(file: Path, *, trust: bool = False) -> None:
    """Refuse a stored frozen graph from elsewhere that could do more than compute.

    Raises:
        UnsafeModel: it could.
        ModelFileError: it is no frozen graph as `write_frozen` writes it.
    """
    from google.protobuf.message import DecodeError

    try:
        meta = tensorflow().compat.v1.MetaGraphDef.FromString(file.read_bytes())
    except DecodeError as error:
        raise ModelFileError(f"{file} is not a frozen TensorFlow graph") from error
    if SIGNATURE not in meta.signature_def:
        raise ModelFileError(
            f"{file} is a frozen graph without the signature {SIGNATURE!r}",
            hint="Save the model as a SavedModel, and add that folder.",
        )
    part = meta.graph_def
    refuse_operations(part.node, part.library.function, str(file), hint=KEPT, trust=trust)


def _needed(graph_def: Any, ends: Sequence[str]) -> Any:
    """The graph without what the ends are not computed from; control edges are dropped with it."""
    part = tensorflow().compat.v1.GraphDef(versions=graph_def.versions)
    nodes = {node.name: node for node in graph_def.node}
    found: set[str] = set()
    stack = list(ends)
    while stack:
        name = stack.pop()
        if name not in found:
            found.add(name)
            stack.extend(i.split(":")[0] for i in nodes[name].input if not i.startswith("^"))
    for node in graph_def.node:
        if node.name in found:
            kept = part.node.add()
            kept.CopyFrom(node)
            del kept.input[:]
            kept.input.extend(name for name in node.input if not name.startswith("^"))
    functions = {function.signature.name: function for function in graph_def.library.function}
    called = called_functions(part.node, functions)
    part.library.function.extend(functions[name] for name in sorted(called))
    return part


def _refuse_tables(graph_def: Any) -> None:
    operations = [*graph_def.node, *(n for f in graph_def.library.function for n in f.node_def)]
    table = next((node for node in operations if "HashTable" in node.op), None)
    if table is not None:
        raise ModelFileError(
            f"the model looks words up in a table ({table.name}), which cannot be frozen",
            hint="Save it from the token numbers upwards, or as NAME.keras with its "
            "TextVectorization or lookup layer.",
        )


def _input_specs(model: Any) -> dict[str, Any]:
    """A TensorSpec for each of a built model's inputs, by name."""
    tf = tensorflow()
    tensors = getattr(model, "inputs", None)
    if tensors:
        return {t.name: tf.TensorSpec(t.shape, t.dtype, t.name) for t in tensors}
    shapes = getattr(model, "_build_shapes_dict", None)  # what Keras' own export goes by
    if not shapes:
        raise ModelFileError(
            f"the model {model.name!r} ({type(model).__name__}) was never called, so its inputs "
            "are not known",
            hint="Call it on a batch of data first.",
        )
    specs = {}
    for name, shape in _flat_shapes(shapes).items():
        dtype = "int32" if _begins_with_embedding(model) else model.input_dtype
        specs[name] = tf.TensorSpec((None, *shape[1:]), dtype, name)
    return specs


def _flat_shapes(shapes: Mapping[str, Any]) -> dict[str, Any]:
    if len(shapes) == 1:
        (only,) = shapes.values()
        if isinstance(only, Mapping):
            return dict(only)
        if only and isinstance(only[0], list | tuple):
            return {f"input_{number}": shape for number, shape in enumerate(only)}
        return {"input": only}
    return {key.removesuffix("_shape"): shape for key, shape in shapes.items()}


def _begins_with_embedding(model: Any) -> bool:
    return any(isinstance(layer, keras().layers.Embedding) for layer in model.layers[:1])


def _in_shape(model: Any, specs: Mapping[str, Any], tensors: tuple[Any, ...]) -> Any:
    """The tensors as the model wants to be called with them."""
    if getattr(model, "inputs", None):
        return keras().tree.pack_sequence_as(model._inputs_struct, list(tensors))
    shapes = getattr(model, "_build_shapes_dict", {})
    only = next(iter(shapes.values())) if len(shapes) == 1 else None
    if isinstance(only, Mapping):
        return dict(zip(specs, tensors, strict=True))
    return tensors[0] if len(tensors) == 1 else list(tensors)


def _output_names(structure: Any) -> list[str]:
    """What a function's outputs are called, in the order in which TensorFlow gives them."""
    names = [name for name, _ in _leaves(structure, ())]
    return [f"output_{name}" if not name or name.isdecimal() else name for name in names]


def _leaves(structure: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(structure, Mapping):
        for key in sorted(structure):
            yield from _leaves(structure[key], (*path, str(key)))
    elif isinstance(structure, list | tuple):
        for number, item in enumerate(structure):
            yield from _leaves(item, (*path, str(number)))
    else:
        yield "_".join(path), structure
