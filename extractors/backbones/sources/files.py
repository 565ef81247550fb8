"""Model files: `.keras` and whole-model HDF5."""

from __future__ import annotations

import importlib
import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from headstart.errors import HeadstartError, ModelFileError, UnsafeModel, WeightsOnly, first_line
from headstart.extractors.backbones.keras_graph import (
    is_readable,
    is_unbuilt_sequential,
    read_graph,
)
from headstart.extractors.backbones.safety.first_load import FirstLoad, made
from headstart.extractors.backbones.safety.inspection import (
    BLOW_UP,
    COMPILED,
    ROOM,
    check_file,
    check_files,
    check_weights,
    walk,
)
from headstart.extractors.backbones.safety.names import APPLICATIONS
from headstart.extractors.backbones.sources.custom_objects import CustomObjects
from headstart.extractors.backbones.sources.freeze import check_frozen, freeze_model
from headstart.extractors.backbones.sources.keras2 import is_keras2, load_keras2
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.backbones.sources.saved_model import freeze_saved_model, is_saved_model
from headstart.extractors.backbones.tensorflow_graph import read_frozen
from headstart.extractors.runtime import keras, keras_hub, names_from_the_start
from headstart.storage.files import check_regular

NO_CUSTOM_OBJECTS = CustomObjects()
HDF5_SUFFIXES = (".h5", ".hdf5")
PACKED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def open_file(
    path: Path,
    scratch: Path,
    *,
    trust: bool = False,
    custom: CustomObjects = NO_CUSTOM_OBJECTS,
    first: FirstLoad | None = None,
) -> Opened:
    """Open a saved model, after a look into it.

    Args:
        path: a `.keras` or `.h5` file, or a SavedModel folder.
        scratch: a folder for what has to be made of it.
        trust: load it even if it brings code.
        custom: layers and functions of the user's own; a model that has some is kept as the
            frozen graph of what they compute, so that their code is not needed again.
        first: how to load it apart first, if it is not trusted; None for a file of our own. One
            that needs code of the user's own is not: that code runs in this process anyway.

    Raises:
        ModelFileError: the file is missing, damaged, or not a model that can be read.
        WeightsOnly: it holds weights without an architecture.
        UnsafeModel: it could run code when it is loaded, and `trust` is not given.
    """
    if path.exists() and not path.is_dir():
        check_regular(path)
    if path.suffix == ".pb" and path.is_file():
        check_frozen(path)
        return _open_frozen(path)
    apart = None if trust or custom.objects else first
    digest = "" if apart is None else apart.prepare(path)
    if is_saved_model(path):
        if apart is None:
            return _open_frozen(freeze_saved_model(path, scratch, trust=trust))
        return open_made(made(apart.run("saved_model", path, scratch)))
    if apart is not None:
        check_model(path, max_bytes=apart.max_bytes)
        frozen = apart.passes(path, scratch, digest)
        if frozen is not None:
            return open_made(frozen)
    known = apart is not None
    model = load_model(path, trust=trust, known=known, own=custom.objects)
    if _uses(model, custom):
        return _open_frozen(freeze_model(model, scratch))
    if is_readable(model) or is_unbuilt_sequential(model):
        return Opened(read_graph(model), path, format_of(path))
    return _open_frozen(freeze_model(model, scratch))


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
    if not trust:
        _check_architecture(path, architecture, None if first is None else first.max_bytes)
    if first is not None and not trust:
        given = str(architecture.absolute())
        return open_made(made(first.run("weights", path, scratch, architecture=given)))
    model = load_architecture(architecture, trust=trust, known=True)
    load_weights(model, path, architecture)
    file = scratch / "model.keras"
    model.save(file)
    return open_file(file, scratch, trust=trust)


def open_made(file: Path) -> Opened:
    """Open what a confined child made of a model, looked at as any file from outside."""
    if file.suffix == ".pb":
        check_frozen(file)
        return _open_frozen(file)
    check_model(file)
    return Opened(read_graph(load_model(file, known=True)), file, "keras")


def _check_architecture(path: Path, architecture: Path, max_bytes: int | None) -> None:
    """Look into weights and their architecture before either is loaded."""
    if architecture.suffix == ".json":
        if not architecture.is_file():
            raise ModelFileError(f"no architecture file {architecture}", hint="Check the path.")
        stored = path.stat().st_size if path.is_file() else 0
        check_files([architecture], stored_bytes=stored, max_bytes=max_bytes)
    else:
        check_model(architecture, max_bytes=max_bytes)
    if not path.is_file():
        raise ModelFileError(f"no weights file {path}", hint="Check the path.")
    check_weights(path)


def load_weights(model: Any, path: Path, architecture: Path) -> None:
    """Give a model its weights from a file.

    Raises:
        ModelFileError: they do not fit, or there are none.
    """
    if not path.is_file():
        raise ModelFileError(f"no weights file {path}", hint="Check the path.")
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
    if not path.is_file():
        raise ModelFileError(f"no architecture file {path}", hint="Check the path.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"), object_hook=_uncompiled)
        return keras().models.model_from_json(
            json.dumps(config), custom_objects=_application_layers()
        )
    except Exception as error:  # Keras raises whatever its layers raise
        raise ModelFileError(
            f"Keras cannot build the architecture of {path} ({first_line(error)})",
            hint="Write it with model.to_json() from Keras 3, or give a saved model.",
        ) from error


def _uncompiled(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != COMPILED}


def open_model(model: Any, scratch: Path, *, trust: bool = False) -> Opened:
    """Open a model that is in memory; what is kept is a file made under `scratch`.

    A model that is nothing but Keras' own layers is saved as `.keras`. One with code of the
    user's own (a subclass, layers of his own, a Lambda) is kept as the frozen graph of what that
    code computes, so that the code is not needed again.

    Raises:
        ModelFileError: it is no Keras model, or can be neither saved nor traced.
    """
    if not isinstance(model, keras().Model):
        raise ModelFileError(
            f"a {type(model).__name__} is no Keras model",
            hint="Give a keras.Model, or the path of a saved one.",
        )
    if not is_readable(model):
        return _open_frozen(freeze_model(model, scratch))
    file = scratch / "model.keras"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is found when the file is opened
            model.save(file)
        return open_file(file, scratch, trust=trust)
    except UnsafeModel:
        return _open_frozen(freeze_model(model, scratch))
    except ModelFileError:
        raise
    except Exception:  # a layer's get_config may raise anything
        return _open_frozen(freeze_model(model, scratch))


def _uses(model: Any, custom: CustomObjects) -> bool:
    """Whether something that the user's own file defines is in the model."""
    if not custom.objects:
        return False
    names = set(custom.objects)
    for value in walk(json.loads(model.to_json())):
        if isinstance(value, dict):
            named = (value.get("class_name"), value.get("registered_name"), value.get("config"))
            if any(isinstance(n, str) and n.rpartition(">")[2] in names for n in named):
                return True
    return False


def _open_frozen(file: Path) -> Opened:
    return Opened(read_frozen(file), file, "tensorflow")


def format_of(path: Path) -> str:
    """`keras` or `h5`, by the suffix, as Keras itself goes by it."""
    if path.name.endswith(".weights.h5"):
        raise _weights_only(path)
    if path.suffix == ".keras":
        return "keras"
    if path.suffix in HDF5_SUFFIXES:
        return "h5"
    raise ModelFileError(
        f"{path} is not a model file that can be read: its name ends in {path.suffix or 'nothing'}",
        hint="Save the model as NAME.keras, or name it .h5 if it is one.",
    )


def check_model(path: Path, *, max_bytes: int | None = None) -> None:
    """Look into a `.keras` or `.h5` file that is to be loaded.

    Raises:
        UnsafeModel: it could run code or harm; the message says how.
        ModelFileError: it is missing, damaged, or no model file.
    """
    _check_container(path)
    check_file(path, max_bytes=max_bytes)


def _check_container(path: Path) -> None:
    if not path.exists():
        raise ModelFileError(f"no model file {path}", hint="Check the path.")
    if path.is_dir():
        raise ModelFileError(
            f"the folder {path} holds no saved_model.pb",
            hint="Give a SavedModel folder, or save the model as one file, NAME.keras.",
        )
    check_regular(path)
    if format_of(path) == "keras":
        _check_zip(path)
    else:
        _check_hdf5(path)


def load_model(
    path: Path,
    *,
    trust: bool = False,
    known: bool = False,
    own: Mapping[str, Any] = NO_CUSTOM_OBJECTS.objects,
) -> Any:
    """A Keras model from a `.keras` or `.h5` file, never compiled.

    No code of the file is run unless it is trusted.

    Args:
        path: the file.
        trust: do not look for code, and let Keras run it.
        known: the very same bytes were looked into before.
        own: classes and functions of the user's own, by name.
    """
    _check_container(path)
    if not (trust or known):
        check_file(path, own)
    objects = {**_application_layers(), **own}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to whoever saved it
            if path.suffix in HDF5_SUFFIXES and _is_keras2(path):
                return load_keras2(path, objects)
            if path.suffix == ".keras" and _is_of_hub(path):
                keras_hub()  # registers its classes
            with names_from_the_start():
                # compile=False: an old optimizer's arguments must not break the load.
                return keras().saving.load_model(
                    path, custom_objects=objects, compile=False, safe_mode=not trust
                )
    except HeadstartError:
        raise
    except Exception as error:  # Keras raises whatever its layers raise
        raise ModelFileError(
            f"Keras cannot load {path} ({first_line(error)})",
            hint="If it holds a layer or function of your own, give its code with "
            "--custom-objects FILE.py.",
        ) from error


def _is_of_hub(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return b"keras_hub>" in archive.read("config.json")


def _is_keras2(path: Path) -> bool:
    with h5py.File(path, "r", locking=False) as file:
        return is_keras2(file)


def _application_layers() -> dict[str, Any]:
    """Layers that HDF5 files of keras.applications' models name without saying where they are."""
    keras()
    return {
        name: getattr(importlib.import_module(module), name)
        for name, module in APPLICATIONS.items()
    }


def _check_zip(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            _check_list(archive, path)
            damaged = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise _damaged(path, first_line(error)) from error
    if damaged is not None:
        raise _damaged(path, f"the checksum of {damaged} is wrong")
    missing = {"config.json", "model.weights.h5"} - names
    if missing:
        raise _damaged(path, f"it holds no {min(missing)}")


def _check_list(archive: zipfile.ZipFile, path: Path) -> None:
    """What a list of members can say before one of them is unpacked."""
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise _damaged(path, "a member is listed twice")
    if any(member.compress_type not in PACKED for member in members):
        raise _damaged(path, "a member is packed as Keras never does")
    unpacked = sum(member.file_size for member in members)
    if unpacked > ROOM + BLOW_UP * path.stat().st_size:
        raise UnsafeModel(
            f"{path} is refused: it unpacks to {unpacked:,} bytes",
            hint="Unpack it and look at what is in it; nothing was registered.",
        )


def _check_hdf5(path: Path) -> None:
    try:
        with h5py.File(path, "r", locking=False) as file:
            has_architecture = "model_config" in file.attrs
    except OSError as error:
        raise _damaged(path, first_line(error)) from error
    if not has_architecture:
        raise _weights_only(path)


def _damaged(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(
        f"{path} is damaged or not a model file ({reason})",
        hint="Copy or save it again; nothing was registered.",
    )


def _weights_only(path: Path) -> WeightsOnly:
    return WeightsOnly(
        f"{path} holds weights but no architecture",
        hint="Name the architecture with --architecture FILE (a saved model, or JSON), or "
        f"applications:NAME?weights={path.name}.",
    )
