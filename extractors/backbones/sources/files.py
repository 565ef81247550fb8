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

from headstart.errors import (
    HeadstartError,
    ModelFileError,
    ModelFileMissing,
    UnsafeModel,
    first_line,
)
from headstart.extractors.backbones.keras_graph import (
    is_readable,
    is_unbuilt_sequential,
    read_graph,
)
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.backbones.sources.custom_objects import CustomObjects
from headstart.extractors.backbones.sources.freeze import check_frozen, freeze_model
from headstart.extractors.backbones.sources.keras2 import is_keras2, load_keras2
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.backbones.sources.other_formats import told_of
from headstart.extractors.backbones.sources.saved_model import freeze_saved_model, is_saved_model
from headstart.extractors.backbones.tensorflow_graph import read_frozen
from headstart.extractors.runtime import keras, keras_hub, names_from_the_start
from headstart.extractors.safety.copies import Copy, copy_file
from headstart.extractors.safety.first_load import FirstLoad, made
from headstart.extractors.safety.inspected import ROOM
from headstart.extractors.safety.inspection import (
    BLOW_UP,
    check_file,
    walk,
)
from headstart.extractors.safety.names import APPLICATIONS
from headstart.extractors.safety.presets import MOST_MEMBERS
from headstart.extractors.safety.refusals import damaged, weights_only
from headstart.storage.files import check_regular

NO_CUSTOM_OBJECTS = CustomObjects()
PLAIN_GRAPH = ".pb"
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
    apart = None if trust or custom.objects else first
    if is_saved_model(path):
        if apart is None:
            return _open_frozen(freeze_saved_model(path, scratch, trust=trust))
        apart.warm()
        return open_made(made(apart.run("saved_model", path, scratch)))
    check_there(path)
    kind = PLAIN_GRAPH if path.suffix == PLAIN_GRAPH else format_of(path)
    copy = copy_file(path, scratch)
    with copy.named():
        if kind == PLAIN_GRAPH:
            check_frozen(copy.path, trust=trust)
            if apart is not None:  # to read one takes what its constants take to compute
                apart.passes(copy, "tensorflow", scratch)
            return _open_frozen(copy.path)
        if apart is not None:
            frozen = _first_opened(copy, kind, scratch, apart)
            if frozen is not None:
                return open_made(frozen)
        model = load_model(copy.path, trust=trust, known=apart is not None, own=custom.objects)
        return _open_loaded(model, copy.path, scratch, custom, trust=trust)


def _first_opened(copy: Copy, kind: str, scratch: Path, first: FirstLoad) -> Path | None:
    """Look into a copy and have it loaded apart; see `FirstLoad.passes`."""
    if not first.knows(copy.sha256, kind):
        first.warm()
    check_model(copy.path, max_bytes=first.max_bytes)
    return first.passes(copy, kind, scratch)


def _open_loaded(
    model: Any, path: Path, scratch: Path, custom: CustomObjects, *, trust: bool
) -> Opened:
    """The file itself if its wiring can be read, else the frozen graph of what it computes."""
    if _uses(model, custom):
        return _open_frozen(freeze_model(model, scratch, trust=trust))
    if is_readable(model) or is_unbuilt_sequential(model):
        return Opened(read_graph(model), path, format_of(path))
    return _open_frozen(freeze_model(model, scratch, trust=trust))


def open_own(file: Path, scratch: Path, *, trust: bool = False) -> Opened:
    """Open a model file that was just made in this process, under `scratch`, after a look."""
    model = load_model(file, trust=trust)
    return _open_loaded(model, file, scratch, NO_CUSTOM_OBJECTS, trust=trust)


def open_made(file: Path) -> Opened:
    """Open what a confined child made of a model, looked at as any file from outside."""
    if file.suffix == ".pb":
        check_frozen(file)
        return _open_frozen(file)
    check_model(file)
    return Opened(read_graph(load_model(file, known=True)), file, "keras")


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
            f"a {type(model).__name__} is not a Keras model",
            hint="Give a keras.Model, or the path of a saved one.",
        )
    if not is_readable(model):
        return _open_frozen(freeze_model(model, scratch, trust=trust))
    file = scratch / "model.keras"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they say is found when the file is opened
            save_model(model, file)
        return open_own(file, scratch, trust=trust)
    except UnsafeModel:
        return _open_frozen(freeze_model(model, scratch, trust=trust))
    except ModelFileError:
        raise
    except Exception:  # a layer's get_config may raise anything
        return _open_frozen(freeze_model(model, scratch, trust=trust))


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
        raise weights_only(path)
    if path.suffix == ".keras":
        return "keras"
    if path.suffix in HDF5_SUFFIXES:
        return "h5"
    if (told := told_of(path)) is not None:
        what, hint = told
        raise ModelFileError(f"{path} is {what}", hint=f"{hint}.")
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


def check_there(path: Path) -> None:
    """See that there is a file, and not a folder or what never ends.

    Raises:
        ModelFileError, StorageError: there is none.
    """
    if not path.exists():
        raise ModelFileMissing(f"no model file {path}", hint="Check the path.")
    if path.is_dir():
        if (told := told_of(path)) is not None:
            raise ModelFileError(f"{path} is {told[0]}", hint=f"{told[1]}.")
        raise ModelFileError(
            f"the folder {path} holds no saved_model.pb",
            hint="Give a SavedModel folder, or save the model as one file, NAME.keras.",
        )
    check_regular(path)


def _check_container(path: Path, *, is_believed: bool = False) -> None:
    """See that a file is there and whole; one of HDF5 is opened here only if it is believed."""
    check_there(path)
    if format_of(path) == "keras":
        _check_zip(path)
    elif is_believed:
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
    _check_container(path, is_believed=trust or known)
    if not (trust or known):
        check_file(path, own)
    objects = {**application_layers(), **own}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to whoever saved it
            if path.suffix in HDF5_SUFFIXES and _is_keras2(path):
                return load_keras2(path, objects, trust=trust)
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


def application_layers() -> dict[str, Any]:
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
            broken = archive.testzip()
    except ModelFileError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise damaged(path, first_line(error)) from error
    if broken is not None:
        raise damaged(path, f"the checksum of {broken} is wrong")
    missing = {"config.json", "model.weights.h5"} - names
    if missing:
        raise damaged(path, f"it holds no {min(missing)}")


def _check_list(archive: zipfile.ZipFile, path: Path) -> None:
    """What a list of members can say before one of them is unpacked."""
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise damaged(path, "a member is listed twice")
    if any(member.compress_type not in PACKED for member in members):
        raise damaged(path, "a member is packed as Keras never does")
    if len(members) > MOST_MEMBERS:
        raise UnsafeModel(
            f"{path} is refused: it holds {len(members):,} files, more than {MOST_MEMBERS:,}",
            hint="It is damaged or made to harm; nothing was registered.",
        )
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
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # h5py has no kind of its own
        raise damaged(path, first_line(error)) from error
    if not has_architecture:
        raise weights_only(path)
