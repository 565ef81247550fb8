"""A KerasHub preset folder looked into before anything of it is loaded, wherever it comes from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from headstart.errors import StorageError, UnsafeModel
from headstart.extractors.safety.copies import refuse_outside
from headstart.extractors.safety.inspection import check_files, walk
from headstart.extractors.safety.vocabularies import check_vocabularies
from headstart.fields import WrongField, read_json
from headstart.paths import NAME as PLAIN
from headstart.storage.files import open_regular, place_of

ASSETS = "assets"
"""The folder of vocabularies: words and numbers, which name nothing."""
MAP = "weight_map"
"""Where an index of weights in several files, of KerasHub or of safetensors, names the files."""
LARGEST_UNPACKED = 1 << 30
MOST_MEMBERS = 10_000
MOST_FILES = 1_000
"""Of a preset; one whose weights are in many files has some hundred."""

CONFIG = "config.json"
LARGEST_CONFIG = 4 << 20
"""Bytes of `config.json`: with the names of 21,000 classes it has one million."""


def read_config(folder: Path) -> Any:
    """What the `config.json` of a preset folder says, which is asked for before the folder is
    copied and looked at; None if there is none or it is no JSON, as whoever loads it says so.

    Raises:
        StorageError: it is no regular file.
        UnsafeModel: it is a link out of the folder, or absurdly large.
    """
    path = folder / CONFIG
    try:
        with open_regular(path) as file:
            refuse_outside(path, place_of(file, path), folder, "the preset")
            content = file.read(LARGEST_CONFIG + 1)
    except StorageError:
        raise
    except OSError:
        return None
    if len(content) > LARGEST_CONFIG:
        raise UnsafeModel(
            f"{path} is refused: it is absurdly long, over {LARGEST_CONFIG >> 20} MiB",
            hint="Give a folder written by save_to_preset, or a Hugging Face model's.",
        )
    try:
        return read_json(content, str(path))
    except WrongField:
        return None


def check_preset(folder: Path, *, max_bytes: int | None = None) -> None:
    """Refuse a preset that could run code, open other files, or be absurdly large.

    Raises:
        UnsafeModel: it could; the message says how.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    if len(files) > MOST_FILES:
        raise UnsafeModel(
            f"{folder} is refused: it holds {len(files):,} files, more than {MOST_FILES:,}",
            hint="Leave in the folder what belongs to the preset.",
        )
    check_vocabularies(files, folder, ASSETS)
    stored = sum(path.stat().st_size for path in files)
    looked_at = [
        path
        for path in files
        if path.suffix in (".json", ".h5") and ASSETS not in path.relative_to(folder).parts
    ]
    check_files(looked_at, stored_bytes=stored, max_bytes=max_bytes)
    for path in looked_at:
        if path.suffix == ".json":
            _check_weight_map(path)


def unpack_preset(content: BinaryIO, folder: Path) -> None:
    """Unpack a stored preset, and look into it.

    Raises:
        UnsafeModel: it has members outside of itself, unpacks to too much, or as `check_preset`.
    """
    with zipfile.ZipFile(content) as archive:
        members = archive.infolist()
        for member in members:
            name = PurePosixPath(member.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                raise UnsafeModel(f"the stored preset has a member outside itself, {str(name)!r}")
        unpacked = sum(member.file_size for member in members)
        if unpacked > LARGEST_UNPACKED or len(members) > MOST_MEMBERS:
            raise UnsafeModel(f"the stored preset unpacks to {unpacked:,} bytes")
        archive.extractall(folder)
    check_preset(folder)


def _check_weight_map(path: Path) -> None:
    """Refuse an index of weights that names a file which is not beside it."""
    content = json.loads(path.read_bytes())
    named = content.get(MAP) if isinstance(content, dict) else None
    given = list(named.values()) if isinstance(named, dict) else [named]
    for name in walk(given):
        if isinstance(name, str) and not PLAIN.fullmatch(name):
            raise UnsafeModel(
                f"{path} is refused: it takes weights from {name!r}, "
                "which is not a file next to it",
                hint="Copy the file into the folder if it belongs there, and name it so.",
            )
