"""What is done in a confined child: a model that nobody trusts is loaded, and made into files.

Each task takes a request (see `safety.forkserver`) whose source was looked into already,
and gives plain data. Files that it makes lie in the request's scratch folder; whoever
asked looks at them again, as at any file from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from headstart.extractors.backbones.keras_graph import is_readable, is_unbuilt_sequential
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.backbones.sources.files import load_model
from headstart.extractors.backbones.sources.freeze import freeze_model
from headstart.extractors.backbones.sources.kerashub import read_preset
from headstart.extractors.backbones.sources.saved_model import freeze_saved_model
from headstart.extractors.backbones.sources.weights import load_architecture, load_weights
from headstart.extractors.runtime import keras, keras_hub, tensorflow

MODEL = "model.keras"
GRAPH = ".pb"
THREADS = 2
"""Enough to load; each has a stack, which counts against the limit of memory."""


def prepare(request: dict[str, Any] | None = None) -> None:
    """Import what a request needs, before the fork; no operation is run."""
    keras()
    if request is None:
        threading = tensorflow().config.threading
        threading.set_intra_op_parallelism_threads(THREADS)
        threading.set_inter_op_parallelism_threads(THREADS)
    elif request.get("hub"):
        keras_hub()


def _saved_model(request: dict[str, Any]) -> dict[str, Any]:
    scratch = Path(request["scratch"])
    return {"file": _computed(freeze_saved_model(Path(request["source"]), scratch))}


def _file(request: dict[str, Any]) -> dict[str, Any]:
    """Load a model file; its graph if its wiring cannot be read, else nothing but that it went."""
    source = Path(request["source"])
    if source.suffix == GRAPH:
        _compute_constants(source)
        return {"file": None}
    model = load_model(source, known=True)
    if is_readable(model) or is_unbuilt_sequential(model):
        return {"file": None}
    return {"file": _computed(freeze_model(model, Path(request["scratch"])))}


def _weights(request: dict[str, Any]) -> dict[str, Any]:
    architecture = Path(request["architecture"])
    model = load_architecture(architecture, known=True)
    load_weights(model, Path(request["source"]), architecture)
    return {"file": _kept(model, Path(request["scratch"]))}


def _preset(request: dict[str, Any]) -> dict[str, Any]:
    model, known = read_preset(Path(request["source"]), request.get("tower"))
    return {"file": _kept(model, Path(request["scratch"])), **known}


def _kept(model: Any, scratch: Path) -> str:
    """The name of the file that a model was made into."""
    if not (is_readable(model) or is_unbuilt_sequential(model)):
        return _computed(freeze_model(model, scratch))
    save_model(model, scratch / MODEL)
    return MODEL


def _computed(file: Path) -> str:
    _compute_constants(file)
    return file.name


def _compute_constants(file: Path) -> None:
    """Compute what of a frozen graph is computed of constants alone.

    TensorFlow does so whenever it reads a graph whose shapes depend on them, and passes over what
    there is no memory for (`EvaluateConstantTensor`). Here that is an error, so that whoever reads
    the graph without a limit is not made to take more.
    """
    v1 = tensorflow().compat.v1
    with v1.Graph().as_default() as graph:
        v1.import_graph_def(v1.MetaGraphDef.FromString(file.read_bytes()).graph_def, name="")
    known: set[Any] = set()
    for operation in graph.get_operations():
        inputs = [tensor.op for tensor in operation.inputs]
        if operation.type == "Const" or (inputs and known.issuperset(inputs)):
            known.add(operation)
    config = v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = -1  # none: nothing is folded beforehand
    computed = [operation for operation in known if operation.type != "Const"]
    with v1.Session(graph=graph, config=config) as session:
        if not _went(session, computed):  # one of them cannot be computed; the others may be large
            for operation in computed:
                _went(session, [operation])


def _went(session: Any, operations: list[Any]) -> bool:
    errors = tensorflow().errors
    try:
        session.run(operations)
    except errors.ResourceExhaustedError:
        raise
    except errors.OpError:
        return False
    return True


TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "saved_model": _saved_model,
    "file": _file,
    "weights": _weights,
    "kerashub": _preset,
}
