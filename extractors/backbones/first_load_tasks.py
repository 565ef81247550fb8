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
from headstart.extractors.backbones.sources.files import load_model
from headstart.extractors.backbones.sources.freeze import freeze_model
from headstart.extractors.backbones.sources.kerashub import describe, load_preset
from headstart.extractors.backbones.sources.saved_model import freeze_saved_model
from headstart.extractors.backbones.sources.weights import load_architecture, load_weights
from headstart.extractors.runtime import keras, keras_hub, tensorflow

MODEL = "model.keras"
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
    return {"file": freeze_saved_model(Path(request["source"]), scratch).name}


def _file(request: dict[str, Any]) -> dict[str, Any]:
    """Load a model file; its graph if its wiring cannot be read, else nothing but that it went."""
    model = load_model(Path(request["source"]), known=True)
    if is_readable(model) or is_unbuilt_sequential(model):
        return {"file": None}
    return {"file": freeze_model(model, Path(request["scratch"])).name}


def _weights(request: dict[str, Any]) -> dict[str, Any]:
    architecture = Path(request["architecture"])
    model = load_architecture(architecture, known=True)
    load_weights(model, Path(request["source"]), architecture)
    return {"file": _kept(model, Path(request["scratch"]))}


def _preset(request: dict[str, Any]) -> dict[str, Any]:
    model = load_preset(Path(request["source"]))
    return {"file": _kept(model, Path(request["scratch"])), **describe(model)}


def _kept(model: Any, scratch: Path) -> str:
    """The name of the file that a model was made into."""
    if not (is_readable(model) or is_unbuilt_sequential(model)):
        return freeze_model(model, scratch).name
    model.save(scratch / MODEL)
    return MODEL


TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "saved_model": _saved_model,
    "file": _file,
    "weights": _weights,
    "kerashub": _preset,
}
