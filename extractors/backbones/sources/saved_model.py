"""SavedModel folders of every make: of Keras 3, Keras 2, `tf.Module`, and of TensorFlow 1.

What is kept is the frozen graph of one signature. Where TensorFlow's object loader fails (it does
on models of old that stored their optimizer's slots), the signature's graph is loaded alone, as
TensorFlow 1 would.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from headstart.errors import HeadstartError, ModelFileError, first_line
from headstart.extractors.backbones.sources.freeze import freeze_function
from headstart.extractors.backbones.sources.saver import with_restore_alone, without_saver
from headstart.extractors.backbones.tensorflow_graph import SIGNATURE
from headstart.extractors.runtime import quiet, tensorflow
from headstart.extractors.safety.copies import copy_below
from headstart.extractors.safety.operations import absent_function
from headstart.storage.files import open_regular

FILE, TEXT_FILE = "saved_model.pb", "saved_model.pbtxt"
SERVE = "serve"
LARGEST_GRAPH = (1 << 31) - 1
"""Bytes of a graph: protobuf reads no more."""


def is_saved_model(folder: Path) -> bool:
    return (folder / FILE).is_file() or (folder / TEXT_FILE).is_file()


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
    _check_functions(meta, folder)
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            loaded = _load(meta, folder, scratch, trust=trust)
    except HeadstartError:
        raise
    except Exception:  # whatever the object loader trips over, the signature may still be whole
        return _freeze_signature(folder, meta, scratch, trust=trust)
    function = _choose(loaded, folder)
    inputs = _inputs(function)
    _check_batch(inputs, folder)
    return freeze_function(function, list(inputs), scratch, trust=trust)


def _load(meta: Any, folder: Path, scratch: Path, *, trust: bool) -> Any:
    """The object that TensorFlow's loader makes; of a copy that was looked at, if not trusted."""
    if not trust:
        # One without objects is loaded as TensorFlow 1 does it.
        cut = without_saver if meta.HasField("object_graph_def") else with_restore_alone
        folder = _copied(cut(meta, str(folder)), folder, scratch / "looked_at")
    return tensorflow().saved_model.load(str(folder))


def _read_meta(folder: Path) -> Any:
    """The `MetaGraphDef` for serving, parsed only; nothing of it is run."""
    tensorflow()
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        if (folder / FILE).is_file():
            saved.ParseFromString(_content(folder / FILE))
        else:
            text_format.Parse(_content(folder / TEXT_FILE).decode(), saved)
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


def _check_functions(meta: Any, folder: Path) -> None:
    """Refuse a graph that calls what it does not hold.

    TensorFlow answers such a call with an error that quotes all functions there are, and searches
    that text in time that grows with its square: half a minute for 60 kB, for ever for a large one
    (`error_interpolation.parse_message`, TensorFlow 2.21).
    """
    absent = absent_function(meta.graph_def.node, meta.graph_def.library.function)
    if absent is not None:
        node, name = absent
        raise ModelFileError(
            f"{folder} is damaged: the operation {node!r} calls the function {name!r}, which it "
            "does not hold",
            hint="Copy or save it again; nothing was registered.",
        )


def _content(file: Path) -> bytes:
    with open_regular(file) as opened:
        if os.fstat(opened.fileno()).st_size > LARGEST_GRAPH:
            raise ModelFileError(
                f"{file} is larger than {LARGEST_GRAPH:,} bytes, the most that TensorFlow reads",
                hint="Save it again, with its weights as variables.",
            )
        return opened.read()


def _copied(meta: Any, folder: Path, target: Path) -> Path:
    """A SavedModel of one graph, with the variables and assets of `folder`."""
    from tensorflow.core.protobuf import saved_model_pb2

    target.mkdir()
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=[meta])
    (target / FILE).write_bytes(saved.SerializeToString(deterministic=True))
    for name in ("variables", "assets"):
        if (folder / name).is_dir():
            copy_below(folder / name, target / name, folder, "the SavedModel")
    return target


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


def _freeze_signature(folder: Path, meta: Any, scratch: Path, *, trust: bool) -> Path:
    """Load the serving signature's graph in a session, as TensorFlow 1 does, and freeze it."""
    given = folder
    if not trust:
        copy = scratch / "looked_at_as_graph"
        given = _copied(with_restore_alone(meta, str(folder)), folder, copy)
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
                v1.saved_model.load(session, tags, str(given))
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
    return freeze_function(function, list(inputs), scratch, trust=trust)
