"""Keras archives of the same bytes whenever and wherever a model is saved.

Keras writes the time into the archive's members and its metadata, and the addresses of shared
objects into the configuration (`id()`, in `keras.src.saving.serialization_lib`).
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

STAMP = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""
SAVED_AT = "1980-01-01@00:00:00"
CONFIG, METADATA = "config.json", "metadata.json"
SHARED = "shared_object_id"


def save_model(model: Any, file: Path) -> None:
    """Save a Keras model as `.keras`; of one model the bytes are always the same.

    Args:
        model: a `keras.Model`.
        file: what is written; its name ends in `.keras`.
    """
    model.save(file)
    level(file)


def level(file: Path) -> None:
    """Write an archive of Keras anew, without times and addresses."""
    rewritten = file.with_name(f"{file.name}.level")
    with (
        zipfile.ZipFile(file) as old,
        zipfile.ZipFile(rewritten, "w", zipfile.ZIP_STORED, allowZip64=True) as new,
    ):
        for member in old.infolist():
            entry = zipfile.ZipInfo(member.filename, STAMP)
            entry.file_size = member.file_size  # decides whether the entry needs 64 bits
            if member.filename in (CONFIG, METADATA):
                new.writestr(entry, _levelled(member.filename, old.read(member)))
                continue
            with old.open(member) as content, new.open(entry, "w") as copy:
                shutil.copyfileobj(content, copy, 1 << 20)
    rewritten.replace(file)


def _levelled(name: str, content: bytes) -> bytes:
    value = json.loads(content)
    if name == METADATA:
        value["date_saved"] = SAVED_AT
    else:
        _number(value, {})
    return json.dumps(value).encode()


def _number(value: Any, known: dict[int, int]) -> None:
    """Shared objects are numbered in the order in which they are met."""
    if isinstance(value, dict):
        if isinstance(value.get(SHARED), int):
            value[SHARED] = known.setdefault(value[SHARED], len(known) + 1)
        for part in value.values():
            _number(part, known)
    elif isinstance(value, list):
        for part in value:
            _number(part, known)
