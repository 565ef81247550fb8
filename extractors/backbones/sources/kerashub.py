"""KerasHub models from a local folder: `kerashub:DIR?sequence_length=128`, or `?tower=text`.

The folder is a preset that `save_to_preset` wrote, or a model of Hugging Face transformers of a
family that KerasHub converts (`config.json`, `model.safetensors` and a vocabulary).
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from headstart.errors import BackboneError, ModelFileError, ModelFileMissing, first_line
from headstart.extractors.backbones.keras_graph import is_readable, read_graph
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.backbones.sources.files import load_model, open_made
from headstart.extractors.backbones.sources.freeze import freeze_model
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.backbones.sources.sentence_modules import pooling_of
from headstart.extractors.backbones.sources.towers import (
    check_tower,
    longest_text,
    tower_of,
)
from headstart.extractors.backbones.tensorflow_graph import read_frozen
from headstart.extractors.preprocessing.pipeline import Files, Preprocessing
from headstart.extractors.preprocessing.steps.hub import family_of
from headstart.extractors.runtime import keras, keras_hub
from headstart.extractors.safety.copies import Copy, copy_folder
from headstart.extractors.safety.first_load import FirstLoad, made
from headstart.extractors.safety.presets import check_preset
from headstart.fields import WrongField, read_json

TASK, BACKBONE = "task.json", "config.json"
PREPROCESSORS = ("preprocessor.json", "tokenizer.json", "image_converter.json")
WEIGHTS = {".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pt", ".safetensors"}
MEND = "Write the preset again with save_to_preset, or add it without that file and --preprocess."
LONGEST = 512
LARGEST_LENGTH = 65_536
STAMP = (1980, 1, 1, 0, 0, 0)
"""The time of every member of the stored archive, so that its bytes say only what it holds."""


def open_kerashub(
    text: str,
    scratch: Path,
    files: Files,
    *,
    trust: bool = False,
    first: FirstLoad | None = None,
) -> Opened:
    """Load a task (a model with its head) or a backbone from a preset folder.

    Args:
        text: the folder, and maybe `?sequence_length=…`, how many tokens a text becomes, and
            `tower=image` or `text` of a model that has both.
        scratch: a folder for the model's file.
        files: where the preprocessor is stored.
        trust: load it even if it brings code.
        first: how to load it apart first, if it is not trusted.

    Raises:
        ModelFileError: the folder is no preset, or KerasHub cannot load it.
        UnsafeModel: it could run code when it is loaded, and `trust` is not given.
    """
    path, _, query = text.partition("?")
    folder, (length, tower) = Path(path).expanduser(), _options(query)
    if not folder.exists():
        raise ModelFileMissing(
            f"no folder {folder}",
            hint="kerashub: takes a folder written by save_to_preset, or a Hugging Face model's.",
        )
    if not (folder / BACKBONE).is_file():
        raise ModelFileError(
            f"{folder} is not a KerasHub preset: it holds no {BACKBONE}",
            hint="Give a folder written by save_to_preset, or a Hugging Face model's.",
        )
    check_tower(folder, tower)
    if trust or first is None:
        keras_hub()
        return _described(folder, length, files, lambda: _loaded(folder, scratch, trust, tower))
    copy = copy_folder(folder, scratch, "the preset")
    with copy.named():
        return _described(
            copy.path, length, files, lambda: _made_apart(copy, scratch, first, tower)
        )


def _described(
    folder: Path, length: int, files: Files, model: Callable[[], tuple[Opened, dict[str, Any]]]
) -> Opened:
    """What `model` opens, with the preset's own preprocessing."""
    pooling = pooling_of(folder)  # refused before a model is loaded for nothing
    opened, known = model()
    pipeline = _preprocessing(folder, known, files, length)
    is_headless = not (folder / TASK).is_file() or family_of(folder) is not None
    return replace(opened, preprocessing=pipeline, is_headless=is_headless, pooling=pooling)


def _loaded(
    folder: Path, scratch: Path, trust: bool, tower: str | None
) -> tuple[Opened, dict[str, Any]]:
    model, known = read_preset(folder, tower)
    return _open(model, scratch, trust), known


def _made_apart(
    copy: Copy, scratch: Path, first: FirstLoad, tower: str | None
) -> tuple[Opened, dict[str, Any]]:
    check_preset(copy.path, max_bytes=first.max_bytes)
    keras_hub()
    known = first.run("kerashub", copy.path, scratch, copy.source, hub=True, tower=tower)
    return open_made(made(known)), known


def load_preset(folder: Path) -> Any:
    """The model of a preset folder.

    Raises:
        ModelFileError: KerasHub cannot load it.
    """
    hub = keras_hub()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if (folder / TASK).is_file():
                return preset_class(folder / TASK).from_preset(str(folder))
            return hub.models.Backbone.from_preset(str(folder))
    except Exception as error:  # KerasHub raises whatever its layers raise
        raise ModelFileError(
            f"KerasHub cannot load {folder} ({first_line(error)})",
            hint="Check that the folder is whole and fits the installed keras-hub.",
        ) from error


def read_preset(folder: Path, tower: str | None = None) -> tuple[Any, dict[str, Any]]:
    """The model of a preset folder, or a tower of it, and what its preprocessing goes by: names and
    ranks of inputs, and how many tokens at most.

    Raises:
        ModelFileError: KerasHub cannot load it.
    """
    model = load_preset(folder)
    longest = getattr(model, "max_sequence_length", 0)
    if tower is not None:
        whole = getattr(model, "backbone", model)  # of a task
        model, longest = tower_of(whole, tower), longest_text(whole)
    return model, {
        "inputs": [[tensor.name, len(tensor.shape)] for tensor in model.inputs],
        "longest": min(longest or 0, LONGEST),
    }


def _open(model: Any, scratch: Path, trust: bool) -> Opened:
    if not is_readable(model):
        file = freeze_model(model, scratch, trust=trust)
        return Opened(read_frozen(file), file, "tensorflow")
    file = scratch / "model.keras"
    save_model(model, file)
    # As it will be loaded: KerasHub names some of its layers anew.
    return Opened(read_graph(load_model(file, known=True)), file, "keras")


def preset_class(file: Path) -> Any:
    """The KerasHub class that a preset's JSON file names."""
    keras_hub()
    name = json.loads(file.read_text(encoding="utf-8"))["registered_name"]
    found = keras().saving.get_registered_object(name)
    if found is None:
        raise ModelFileError(
            f"{file} names {name!r}, which the installed KerasHub does not have", hint=MEND
        )
    return found


def _options(query: str) -> tuple[int, str | None]:
    """How many tokens a text becomes, and which tower is meant."""
    options = dict(parse_qsl(query, keep_blank_values=True))
    length, tower = options.pop("sequence_length", "0"), options.pop("tower", None)
    if options:
        raise BackboneError(
            f"kerashub: has no option {min(options)!r}",
            hint="The options are sequence_length and tower.",
        )
    if not length.isdecimal() or int(length) > LARGEST_LENGTH:
        raise BackboneError(
            f"sequence_length is {length!r}", hint=f"Give 1 to {LARGEST_LENGTH} tokens."
        )
    return int(length), tower


def _preprocessing(
    folder: Path, known: dict[str, Any], files: Files, length: int
) -> Preprocessing | None:
    """The preset's own preprocessor as a step; None where it has none."""
    given = [folder / name for name in PREPROCESSORS if (folder / name).is_file()]
    if not given:
        return None
    for file in given:
        _check_settings(file)
    inputs = known["inputs"]
    is_own = (folder / PREPROCESSORS[0]).is_file() and family_of(folder) is None
    own = 0 if is_own else int(known["longest"])
    step = {
        "step": "kerashub",
        "preset": files.keep(_archive(folder)),
        "sequence_length": length or own,
        "inputs": [str(name) for name, _ in inputs] if len(inputs) > 1 else [],
    }
    decode = [{"step": "decode_image"}] if inputs[0][1] == 4 else []
    return Preprocessing.from_json({"steps": [*decode, step]}, files=files)


def _check_settings(file: Path) -> None:
    """See that a file of a preprocessor holds what KerasHub makes one of.

    Raises:
        ModelFileError: it holds something else, or names a class that KerasHub does not have.
    """
    try:
        settings = read_json(file.read_bytes(), str(file))
    except WrongField as error:
        raise ModelFileError(f"{file} cannot be read ({error})", hint=MEND) from error
    if not isinstance(settings, dict):
        raise ModelFileError(f"{file} is not a table of settings", hint=MEND)
    if file.name == PREPROCESSORS[0] and not isinstance(settings.get("registered_name"), str):
        raise ModelFileError(f"{file} names no preprocessor (registered_name)", hint=MEND)
    if file.name == PREPROCESSORS[0]:
        preset_class(file)


def _archive(folder: Path) -> bytes:
    """Everything in the preset but the weights."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in WEIGHTS:
                name = path.relative_to(folder).as_posix()
                archive.writestr(zipfile.ZipInfo(name, STAMP), path.read_bytes())
    return content.getvalue()
