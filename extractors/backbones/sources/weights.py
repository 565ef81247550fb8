"""Weights alone, with the architecture from another file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headstart.errors import ModelFileError, ModelFileMissing, first_line
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.backbones.sources.files import (
    application_layers,
    check_model,
    check_there,
    load_model,
    open_made,
    open_own,
)
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.runtime import keras
from headstart.extractors.safety.copies import copy_file
from headstart.extractors.safety.first_load import FirstLoad, made
from headstart.extractors.safety.inspection import COMPILED, check_files, check_weights
from headstart.storage.files import read_regular


def open_weights(
    path: Path,
    architecture: Path,
    scratch: Path,
    *,
    trust: bool = False,
    first: FirstLoad | None = None,
) -> Opened:
    """Open weights alone, with the architecture from another file.

    Args:
        path: `NAME.weights.h5`, or the older `.h5` without a `model_config`.
        architecture: a saved model whose own weights are left, or `.json` of `model.to_json()`.
        scratch: a folder for the model's file.
        trust: load files even if they bring code.
        first: how to load them apart, if they are not trusted.

    Raises:
        ModelFileError: one of the files cannot be read, or the weights do not fit.
        UnsafeModel: one of them could run code, and `trust` is not given.
    """
    _check_there(path, architecture)
    weights, built = copy_file(path, scratch), copy_file(architecture, scratch)
    with weights.named(), built.named():
        if not trust:
            _check(weights.path, built.path, None if first is None else first.max_bytes)
        if first is not None and not trust:
            given = str(built.path)
            answer = first.run("weights", weights.path, scratch, path, architecture=given)
            return open_made(made(answer))
        model = load_architecture(built.path, trust=trust, known=True)
        load_weights(model, weights.path, built.path)
    file = scratch / "model.keras"
    save_model(model, file)
    return open_own(file, scratch, trust=trust)


def _check_there(path: Path, architecture: Path) -> None:
    if architecture.suffix != ".json":
        check_there(architecture)
    elif not architecture.is_file():
        raise ModelFileMissing(f"no architecture file {architecture}", hint="Check the path.")
    if not path.is_file():
        raise ModelFileMissing(f"no weights file {path}", hint="Check the path.")


def _check(path: Path, architecture: Path, max_bytes: int | None) -> None:
    """Look into weights and their architecture before either is loaded."""
    if architecture.suffix == ".json":
        stored = path.stat().st_size
        check_files([architecture], stored_bytes=stored, max_bytes=max_bytes)
    else:
        check_model(architecture, max_bytes=max_bytes)
    check_weights(path)


def load_weights(model: Any, path: Path, architecture: Path) -> None:
    """Give a model its weights from a file.

    Raises:
        ModelFileError: they do not fit.
    """
    try:
        model.load_weights(path)
    except Exception as error:  # Keras raises whatever h5py and its layers raise
        raise ModelFileError(
            f"the weights of {path} do not fit the architecture of {architecture} "
            f"({first_line(error)})",
            hint="Give the architecture that they were trained with.",
        ) from error


def load_architecture(path: Path, *, trust: bool = False, known: bool = False) -> Any:
    """A model whose weights do not matter, from a saved one or from JSON.

    Args:
        path: the file.
        trust: let Keras run code that it brings.
        known: it was looked into before.
    """
    if path.suffix != ".json":
        return load_model(path, trust=trust, known=known)
    try:
        config = json.loads(read_regular(path).decode(), object_hook=_uncompiled)
        return keras().models.model_from_json(
            json.dumps(config), custom_objects=application_layers()
        )
    except Exception as error:  # Keras raises whatever its layers raise
        raise ModelFileError(
            f"Keras cannot build the architecture of {path} ({first_line(error)})",
            hint="Write it with model.to_json() from Keras 3, or give a saved model.",
        ) from error


def _uncompiled(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != COMPILED}
