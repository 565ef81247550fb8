"""Models of keras.applications: `applications:NAME?weights=imagenet&size=224`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from headstart.errors import BackboneError, ModelFileError, WeightsUnavailable, first_line
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.preprocessing.defaults import image_pipeline
from headstart.extractors.runtime import keras, names_from_the_start
from headstart.extractors.safety.copies import copy_file
from headstart.extractors.safety.inspection import check_weights
from headstart.registry.names import nearest
from headstart.registry.zoo import ZooEntry, get_entry

OPTIONS = ("weights", "size", "top")


@dataclass(frozen=True)
class Choice:
    """What a source asks for: the model, `imagenet`, `none` or a file, the input's side."""

    entry: ZooEntry
    weights: str
    size: int
    top: bool


def parse(text: str) -> Choice:
    """Read `NAME?weights=…&size=…&top=…`.

    Raises:
        NotFound: keras.applications has no such model.
        BackboneError: an option is unknown or its value is not valid.
    """
    name, _, query = text.partition("?")
    entry = get_entry(f"applications:{name}")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in OPTIONS:
            raise BackboneError(
                f"applications:{name} has no option {option!r}",
                hint=nearest(option, OPTIONS) or f"The options are {', '.join(OPTIONS)}.",
            )
    size = options.get("size", str(entry.size))
    if not size.isdecimal() or not 32 <= int(size) <= 4096:
        raise BackboneError(f"size is {size!r}", hint="Give pixels, 32 to 4096.")
    top = options.get("top", "true").lower()
    if top not in ("true", "false"):
        raise BackboneError(f"top is {top!r}", hint="Give true or false.")
    return Choice(entry, options.get("weights", "imagenet"), int(size), top == "true")


def open_application(text: str, scratch: Path) -> Opened:
    """Build a model of keras.applications and save it under `scratch`.

    Raises:
        WeightsUnavailable: the ImageNet weights could not be downloaded.
        ModelFileError: the local weights file is missing or does not fit.
    """
    choice = parse(text)
    model = _with_weights(choice, scratch)
    file = scratch / f"{choice.entry.name}.keras"
    save_model(model, file)
    pipeline = image_pipeline(choice.entry.mode, choice.size, choice.size)
    return Opened(read_graph(model), file, "keras", pipeline, choice.entry.licence)


def _with_weights(choice: Choice, scratch: Path) -> Any:
    if choice.weights in ("none", "imagenet"):
        return _build(choice, None if choice.weights == "none" else choice.weights)
    weights = Path(choice.weights).expanduser()
    if not weights.is_file():
        raise ModelFileError(
            f"no weights file {weights}", hint="Give weights=imagenet, none or a local file."
        )
    copy = copy_file(weights, scratch)
    with copy.named():
        check_weights(copy.path)
        return _build(choice, str(copy.path))


def _build(choice: Choice, weights: str | None) -> Any:
    settings: dict[str, Any] = {"weights": weights, "include_top": choice.top}
    if choice.size != choice.entry.size or not choice.top:
        settings["input_shape"] = (choice.size, choice.size, 3)
    if not choice.top:
        settings["pooling"] = "avg"
    try:
        with names_from_the_start():
            return getattr(keras().applications, choice.entry.name)(**settings)
    except Exception as error:  # Keras raises plain Exception when a download fails
        raise _explained(choice, error) from error


def _explained(choice: Choice, error: Exception) -> BackboneError:
    source = choice.entry.source
    if choice.weights == "imagenet" and "URL fetch failure" in str(error):
        return WeightsUnavailable(
            f"the ImageNet weights of {choice.entry.name} could not be downloaded "
            f"({first_line(error, 120)})",
            hint=f"Check the network, or give a local file: '{source}?weights=FILE'.",
        )
    return ModelFileError(
        f"{source} cannot be built with weights={choice.weights}, size={choice.size}, "
        f"top={str(choice.top).lower()} ({first_line(error)})",
        hint="Check that the weights are of this model, size and top.",
    )
