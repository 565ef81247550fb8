"""SavedModel folders of every make: of Keras 3, Keras 2, `tf.Module`, and of TensorFlow 1.

What is kept is the frozen graph of one signature. Where TensorFlow's object loader fails (it does
on models of old that stored their optimizer's slots), the signature's graph is loaded alone, as
TensorFlow 1 would.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headstart.errors import ModelFileError, first_line
from headstart.extractors.runtime import quiet, tensorflow
from headstart.extractors.sources.freezing import freeze_function
from headstart.extractors.sources.operations import RESTORING, called_functions, refuse_operations
from headstart.extractors.tensorflow_graph import SIGNATURE

FILE = "saved_model.pb"
SERVE = "serve"


def is_saved_model(folder: Path) -> bool:
    return (folder / FILE).is_file() or (folder / "saved_model.pbtxt").is_file()


def freeze_saved_model(folder: Path, scratch: Path, *, trust: bool = False) -> Path:
    """Check a SavedModel, load it, and write its frozen graph under `scratch`.

    Args:
        folder: the SavedModel.
        scratch: where to write.
        trust: do not look for operations that reach outside of the graph before it is loaded.

    Raises:
        ModelFileError: it cannot be read, or has no signature that can be cut.
        UnsafeModel: its graph could do more than compute, and `trust` is not given.
    """
    meta = _read_meta(folder)
    if not trust:
        _check(meta, folder)
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            loaded = tensorflow().saved_model.load(str(folder))
    except Exception:  # whatever the object loader trips over, the signature may still be whole
        return _freeze_signature(folder, meta, scratch)
    function = _choose(loaded, folder)
    inputs = _inputs(function)
    _check_batch(inputs, folder)
    return freeze_function(function, list(inputs), scratch)


def _read_meta(folder: Path) -> Any:
    """The `MetaGraphDef` for serving, parsed only; nothing of it is run."""
    tensorflow()
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        if (folder / FILE).is_file():
            saved.ParseFromString((folder / FILE).read_bytes())
        else:
            text = (folder / "saved_model.pbtxt").read_text(encoding="utf-8")
            text_format.Parse(text, saved)
    except (OSError, DecodeError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ModelFileError(
            f"{folder} is damaged or not a SavedModel ({first_line(error)})",
            hint="Copy or save it again; nothing was registered.",
        ) from error
    for meta in saved.meta_graphs:
        if SERVE in meta.meta_info_def.tags or len(saved.meta_graphs) == 1:
            return meta
    raise ModelFileError(
        f"{folder} has no graph for serving", hint="Save it again with the tag 'serve'."
    )


def _check(meta: Any, folder: Path) -> None:
    """Look at every operation that loading or running could execute.

    The functions that only write checkpoints are left out: they are in every SavedModel, and
    nobody calls them.
    """
    functions = {function.signature.name: function for function in meta.graph_def.library.function}
    nodes = {node.name: node for node in meta.graph_def.node}
    saving = _ancestors([meta.saver_def.save_tensor_name], nodes)
    restoring = _ancestors([meta.saver_def.restore_op_name], nodes)
    # What is run besides, whatever the saver claims for itself: outputs, and what loading starts.
    outputs = [info.name for s in meta.signature_def.values() for info in s.outputs.values()]
    started = [name for c in meta.collection_def.values() for name in c.node_list.value]
    run = _ancestors([*outputs, *started, *(set(nodes) - saving - restoring)], nodes)
    restoring -= run
    called_by_saver = [
        called_functions((nodes[n] for n in s), functions) for s in (saving, restoring)
    ]
    called = set(functions).difference(*called_by_saver)
    called |= set(meta.object_graph_def.concrete_functions) & set(functions)
    called |= called_functions((nodes[name] for name in run), functions)
    called |= called_functions((n for name in called for n in functions[name].node_def), functions)
    what = str(folder)
    refuse_operations(
        [nodes[name] for name in run], [functions[name] for name in sorted(called)], what
    )
    refuse_operations(
        [nodes[name] for name in restoring],
        [functions[name] for name in sorted(called_by_saver[1] - called)],
        what,
        allowed=RESTORING,
    )


def _ancestors(names: Iterable[str], nodes: dict[str, Any]) -> set[str]:
    """Nodes and all that they are computed from; names of no node are left out."""
    found: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop().lstrip("^").split(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            stack.extend(nodes[name].input)
    return found


def _choose(loaded: Any, folder: Path) -> Any:
    """The function to cut: the serving signature, the only one, or the object's own call."""
    signatures = {
        name: function
        for name, function in dict(getattr(loaded, "signatures", {})).items()
        if name != "__saved_model_init_op"
    }
    if SIGNATURE in signatures:
        return signatures[SIGNATURE]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    if signatures:
        raise ModelFileError(
            f"{folder} has the signatures {', '.join(sorted(signatures))}, none called {SIGNATURE}",
            hint=f"Save it again with one signature, or one called {SIGNATURE}.",
        )
    own = loaded.__call__ if callable(loaded) else None
    for function in getattr(own, "concrete_functions", ()):
        if True not in tensorflow().nest.flatten(function.structured_input_signature):
            return function
    raise ModelFileError(
        f"{folder} has no signature",
        hint="Save it with tf.saved_model.save(model, folder, signatures=…).",
    )


def _inputs(function: Any) -> dict[str, Any]:
    """The function's inputs by name, without what it captured."""
    count = len(function.inputs) - len(function.captured_inputs)
    tensors = function.inputs[:count]
    return {tensor.op.name: tensor for tensor in tensors}


def _check_batch(inputs: dict[str, Any], folder: Path) -> None:
    for name, tensor in inputs.items():
        shape = tensor.shape
        if shape.rank is None or shape.rank < 1:
            raise ModelFileError(
                f"{folder}: the input {name!r} is not a batch of samples (shape {shape})",
                hint="Save it again with a signature that takes batches alone.",
            )
        if shape[0] is not None:
            raise ModelFileError(
                f"{folder} takes batches of exactly {shape[0]} (input {name!r})",
                hint="Save it again with an open batch dimension (None).",
            )


def _freeze_signature(folder: Path, meta: Any, scratch: Path) -> Path:
    """Load the serving signature's graph in a session, as TensorFlow 1 does, and freeze it."""
    tf = tensorflow()
    v1 = tf.compat.v1
    keys = sorted(meta.signature_def)
    key = SIGNATURE if SIGNATURE in keys else next((k for k in keys if not k.startswith("_")), None)
    if key is None:
        raise ModelFileError(f"{folder} has no signature", hint="Save it again with one.")
    signature = meta.signature_def[key]
    tags = list(meta.meta_info_def.tags)
    try:
        with warnings.catch_warnings(), quiet(), v1.Graph().as_default() as graph:
            warnings.simplefilter("ignore")
            with v1.Session(graph=graph) as session:
                v1.saved_model.load(session, tags, str(folder))
                outputs = {name: info.name for name, info in signature.outputs.items()}
                inputs = {name: info.name for name, info in signature.inputs.items()}
                _check_batch({n: graph.get_tensor_by_name(t) for n, t in inputs.items()}, folder)
                ends = [name.split(":")[0] for name in outputs.values()]
                frozen = v1.graph_util.convert_variables_to_constants(
                    session, graph.as_graph_def(), ends
                )
    except ModelFileError:
        raise
    except Exception as error:  # a damaged or unfinished folder fails in many ways
        raise ModelFileError(
            f"TensorFlow cannot load {folder} ({first_line(error)})",
            hint="Copy or save it again; nothing was registered.",
        ) from error
    # Once more as a function: freezing that inlines the functions which the graph calls.
    whole = v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen, name=""), [])
    find = whole.graph.get_tensor_by_name
    function = whole.prune(
        [find(name) for name in inputs.values()],
        {key: find(name) for key, name in outputs.items()},
    )
    return freeze_function(function, list(inputs), scratch)
