"""Looking into a model file before Keras loads it: a model file is code.

`inspect_file` runs this module in a child process with limits on memory and time, which reads the
file's structure with zipfile and h5py only, loads nothing and follows nothing. What it reports is
every problem with the container and every class and function that the configuration names; whether
those are allowed is then decided by `check_names`, deny by default.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import h5py

from headstart.errors import ModelFileError, UnsafeModel, first_line
from headstart.extractors.safety.inspected import ROOM, Inspection, too_large
from headstart.extractors.safety.members import open_member
from headstart.extractors.safety.names import (
    FUNCTION,
    HUB,
    HUB_FUNCTIONS,
    OWN,
    REFUSED,
    check_names,
    check_texts,
)
from headstart.extractors.safety.refusals import damaged, weights_only
from headstart.extractors.safety.sizes import least_numbers
from headstart.storage.files import check_regular

MEMORY_BYTES = 4 << 30
SECONDS = 60
MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
WEIGHTS = {".h5", ".hdf5", ".keras"}
ASSETS = "assets/"
LARGEST_CONFIG = 256 << 20
BLOW_UP = 50
"""How many times its stored size something may have when it is unpacked."""
LARGEST_NUMBER, LONGEST_NUMBER = 1 << 31, 10**30
MOST_LAYERS, MOST_OBJECTS, MOST_VALUES = 10_000, 200_000, 4_000_000
"""In a configuration: the largest of Keras' own models have a thousand layers of ten objects, which
are loaded in seconds; words of a vocabulary are values."""
MOST_WEIGHTS = 50_000
"""Groups and arrays in a file of weights: five or so a layer."""
SIZES = {"units", "filters", "input_dim", "output_dim"}
VOCABULARIES = {"StringLookup", "IntegerLookup", "TextVectorization"}
COMPILED = "compile_config"


def check_file(path: Path, own: Collection[str] = (), *, max_bytes: int | None = None) -> None:
    """Refuse a model file that could run code or harm this process when it is loaded.

    Args:
        path: the file.
        own: names of classes and functions whose code the user brings himself.
        max_bytes: how much its weights may take in memory, if not about what is stored.

    Raises:
        UnsafeModel: it could; the message says how.
        ModelFileError: the file cannot be looked into.
    """
    check_files([path], own, max_bytes=max_bytes)


def check_files(
    paths: Sequence[Path],
    own: Collection[str] = (),
    *,
    stored_bytes: int = 0,
    max_bytes: int | None = None,
) -> None:
    """Refuse files of one model as `check_file` does; `stored_bytes` of weights lie elsewhere."""
    for path, found in zip(paths, inspect_files(paths), strict=True):
        if found.damage:
            raise damaged(path, found.damage)
        if not found.has_architecture:
            raise weights_only(path)
        problems = found.problems + check_names(found.names, own) + check_texts(found.texts)
        hint = (
            "If you know where it comes from and trust it, add it with --trust; classes of "
            "your own with --custom-objects FILE.py."
        )
        if not problems and (excess := too_large(found, stored_bytes, max_bytes)):
            problems = [excess]
            hint = "If it is meant to be so large, allow it with --max-model-bytes N."
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise UnsafeModel(f"{path} is refused: {problems[0]}{more}", hint=hint)


def check_weights(path: Path) -> None:
    """Refuse an HDF5 file of weights alone that points elsewhere or claims absurd sizes.

    Raises:
        UnsafeModel: it does; the message says how.
        ModelFileError: Keras would take it for something else, such as an index of other files.
    """
    if path.suffix not in WEIGHTS:
        raise ModelFileError(
            f"{path} is not a file of weights that can be read: its name ends in "
            f"{path.suffix or 'nothing'}",
            hint="Write it with model.save_weights('NAME.weights.h5').",
        )
    found = inspect_file(path, weights=True)
    if found.problems:
        raise UnsafeModel(
            f"{path} is refused: {found.problems[0]}",
            hint="If you know where it comes from and trust it, add it with --trust.",
        )


def inspect_file(path: Path, *, weights: bool = False) -> Inspection:
    """Look into a file in a child process with limits.

    Raises:
        ModelFileError: the child died or took too long.
    """
    (found,) = inspect_files([path], weights=weights)
    return found


def inspect_files(paths: Sequence[Path], *, weights: bool = False) -> list[Inspection]:
    """Look into some files in one child process, as `inspect_file` does."""
    for path in paths:
        check_regular(path)
    names = [str(path) for path in paths]
    command = [sys.executable, "-P", "-m", __name__, *names, *(["--weights"] * weights)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        found = json.loads(ran.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        raise ModelFileError(
            f"{', '.join(names)} cannot be looked into within {SECONDS} s and "
            f"{MEMORY_BYTES >> 30} GiB",
            hint="It is damaged or made to harm; nothing was loaded.",
        ) from error
    return [Inspection.from_json(one) for one in found]


# What follows runs in the child process.


def _inspect(path: Path, weights: bool) -> Inspection:
    found = Inspection()
    try:
        if path.suffix == ".keras":
            _inspect_archive(path, found)
        elif path.suffix == ".json":
            with path.open("rb") as file:
                text = file.read(LARGEST_CONFIG + 1)
            if len(text) > LARGEST_CONFIG:
                found.problems.append("it is absurdly long")
            else:
                _inspect_config(text.decode(), found, compiled=True)
        elif weights or path.name.endswith(".weights.h5"):
            with h5py.File(path, "r", locking=False) as file:
                _inspect_hdf5(file, path.stat().st_size, found)
        else:
            _inspect_model(path, found)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        found.damage = f"it holds no JSON: {first_line(error)}"  # which runs no code
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        zipfile.BadZipFile,
        MemoryError,
        RecursionError,
    ) as error:
        found.problems.append(f"it cannot be read ({type(error).__name__}: {error})")
    return found


def _inspect_model(path: Path, found: Inspection) -> None:
    try:
        file = h5py.File(path, "r", locking=False)
        found.has_architecture = "model_config" in file.attrs
    except (OSError, RuntimeError, ValueError, KeyError) as error:  # h5py has no kind of its own
        found.damage = first_line(error)
        return
    with file:
        if not found.has_architecture:
            return
        config = file.attrs["model_config"]
        _inspect_config(config.decode() if isinstance(config, bytes) else str(config), found)
        _inspect_hdf5(file, path.stat().st_size, found)


def _inspect_archive(path: Path, found: Inspection) -> None:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            name = PurePosixPath(member.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                found.problems.append(f"the archive has a member outside itself, {str(name)!r}")
            elif str(name) not in MEMBERS and not member.filename.startswith(ASSETS):
                found.problems.append(f"the archive has a member that is no part, {str(name)!r}")
        unpacked = sum(member.file_size for member in members)
        if unpacked > ROOM + BLOW_UP * path.stat().st_size:
            found.problems.append(f"it unpacks to {unpacked:,} bytes")
        if found.problems:
            return
        with archive.open("config.json") as config:
            text = config.read(LARGEST_CONFIG + 1)
        if len(text) > LARGEST_CONFIG:
            found.problems.append("its configuration is absurdly long")
            return
        _inspect_config(text.decode(), found)
        weights = archive.getinfo("model.weights.h5")
        with open_member(path, archive, weights) as stream, h5py.File(stream, "r") as file:
            _inspect_hdf5(file, weights.file_size, found)


def _inspect_config(text: str, found: Inspection, *, compiled: bool = False) -> None:
    """Look at everything that a configuration would build.

    How a model within a model was compiled is part of that: Keras leaves out the whole's alone.
    """
    config = json.loads(text)
    if isinstance(config, dict) and not compiled:
        config.pop(COMPILED, None)
    if (excess := _too_many(config)) is not None:
        found.problems.append(excess)
        return
    for value in walk(config):
        if isinstance(value, dict):
            _inspect_object(value, found)
        elif isinstance(value, str) and value.startswith(f"{HUB}>"):
            # Keras takes what is registered under such a text, wherever it stands.
            found.names.append((FUNCTION if value in HUB_FUNCTIONS else HUB, value))


def _too_many(config: Any) -> str | None:
    """What a configuration holds too much of to be loaded in bearable time; None if nothing."""
    layers = objects = 0
    for count, value in enumerate(walk(config), start=1):
        if count > MOST_VALUES:
            return f"its configuration holds more than {MOST_VALUES:,} values"
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            return f"its configuration holds {_number_text(value)}"
        if isinstance(value, dict):
            objects += "class_name" in value
            listed = value.get("layers")
            layers += len(listed) if isinstance(listed, list) else 0
            if layers > MOST_LAYERS:
                return f"its configuration holds more than {MOST_LAYERS:,} layers"
            if objects > MOST_OBJECTS:
                return f"its configuration holds more than {MOST_OBJECTS:,} objects"
    return None


def _number_text(number: int) -> str:
    if abs(number) < LONGEST_NUMBER:
        return f"the number {number:,}"
    # Python spells none of more than 4,300 digits.
    return f"a number of {math.floor(math.log10(abs(number))) + 1:,} digits"


def walk(value: Any) -> Iterator[Any]:
    """Everything in a JSON value, without recursion: nesting may be deep on purpose."""
    stack = [value]
    while stack:
        value = stack.pop()
        yield value
        if isinstance(value, dict):
            # That number may be any, but Keras would build an object in its place.
            stack.extend(
                item
                for key, item in value.items()
                if key != "shared_object_id" or not isinstance(item, int)
            )
        elif isinstance(value, list):
            stack.extend(value)


def _inspect_object(value: dict[str, Any], found: Inspection) -> None:
    name = value.get("class_name")
    if not isinstance(name, str):
        found.sizes.extend(
            size for key, size in value.items() if key in SIZES and isinstance(size, int)
        )
        return
    config = value.get("config")
    _note_name(value, name, found)
    if not isinstance(config, dict):
        return
    numbers = least_numbers(name, config, value.get("build_config"))
    if numbers:
        # A layer that several models share stands in each of them.
        key = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
        found.layers[f"{str(config.get('name'))[:40]!r}({name[:40]}) {key}"] = numbers
    if name in VOCABULARIES:
        for key in ("vocabulary", "idf_weights"):
            if isinstance(config.get(key), str):
                found.problems.append(f"{name} reads the file {config[key]!r}")


def _note_name(value: dict[str, Any], name: str, found: Inspection) -> None:
    """What one object of a configuration would be, by what Keras goes by."""
    module, config = value.get("module"), value.get("config")
    registered = value.get("registered_name")
    if name == "function":
        where = f"{module}." if isinstance(module, str) and module != "builtins" else ""
        found.names.append((FUNCTION, where + (config if isinstance(config, str) else "function")))
    elif name in ("__tensor__", "__numpy__", "__bytes__", "__tuple__", "__ellipsis__"):
        return
    elif name == "__keras_tensor__" or module == "builtins":
        if name not in ("__keras_tensor__", "slice", "tuple", "dict", "list"):
            found.names.append(("builtins", name))
    elif isinstance(registered, str) and ">" in registered and _bare(name) in REFUSED:
        found.names.append((None, _bare(name)))  # Keras' loader of HDF5 goes by this name
    elif isinstance(registered, str) and registered.startswith(HUB + ">"):
        found.names.append((HUB, registered))
        if name not in (registered, _bare(registered)):  # some are registered twice
            found.names.append((HUB, f"{HUB}>{_bare(name)}"))
        given = config.items() if isinstance(config, dict) else ()
        found.texts.extend((registered, key, text) for key, text in given if isinstance(text, str))
    elif isinstance(registered, str) and ">" in registered:
        found.names.append((OWN, registered))
    else:
        found.names.append((module if isinstance(module, str) else None, name))


def _bare(name: str) -> str:
    """A class's name without the package that it is registered under."""
    return name.rpartition(">")[2]


def _inspect_hdf5(file: h5py.File, size: int, found: Inspection) -> None:
    """External and virtual parts, pickles, and more numbers than the file can hold."""
    total = count = 0
    stack: list[h5py.Group] = [file]
    seen: set[Any] = {file["/"]}  # equal if they are one object of the file
    while stack:
        group = stack.pop()
        for name in group:
            if (count := count + 1) > MOST_WEIGHTS:
                found.problems.append(f"it holds more than {MOST_WEIGHTS:,} groups and weights")
                return
            link = group.get(name, getlink=True)
            where = f"{(group.name or '').rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                found.problems.append(f"{where} is a {type(link).__name__} to something else")
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                if item in seen:
                    found.problems.append(f"{where} is a group that stands elsewhere, too")
                    return
                seen.add(item)
                stack.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    found.problems.append(f"{where} takes its numbers from another file")
                if item.dtype.kind == "O" and h5py.check_string_dtype(item.dtype) is None:
                    found.problems.append(f"{where} holds objects, not numbers")
                total += item.nbytes
                found.stored += item.size or 0
                found.dimensions = max(found.dimensions, *item.shape, 0)
    if total > ROOM + BLOW_UP * size:
        found.problems.append(f"its weights claim {total:,} bytes")


def _limit() -> None:
    """Limits for this process, where the system has them (not on Windows)."""
    try:
        import resource
    except ImportError:
        return
    limits = {"RLIMIT_AS": MEMORY_BYTES, "RLIMIT_CPU": SECONDS, "RLIMIT_FSIZE": 0}
    for name, limit in limits.items():
        with suppress(ValueError, OSError):  # macOS refuses some; the others hold
            resource.setrlimit(getattr(resource, name), (limit, limit))


if __name__ == "__main__":
    _limit()
    given = [argument for argument in sys.argv[1:] if argument != "--weights"]
    seen = [vars(_inspect(Path(path), "--weights" in sys.argv[1:])) for path in given]
    sys.stdout.write(json.dumps(seen))
