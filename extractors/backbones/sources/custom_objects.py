"""Layers and functions of the user's own: `--custom-objects FILE.py`."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.errors import ModelFileError, first_line
from headstart.extractors.runtime import keras
from headstart.storage.files import read_regular

MODULE = "headstart_custom_objects"


@dataclass(frozen=True)
class CustomObjects:
    """What a file of the user's own defines.

    Attributes:
        objects: its classes and functions by name.
        file: the file's name; None where there is none.
        sha256: of its content.
    """

    objects: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    sha256: str | None = None


def read_custom_objects(path: Path | None) -> CustomObjects:
    """Run a Python file and collect what it defines.

    Raises:
        ModelFileError: it is missing or fails.
    """
    if path is None:
        return CustomObjects()
    keras()
    try:
        content = read_regular(path)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader(MODULE, loader=None)  # type: ignore[arg-type]
    )
    module.__dict__["__file__"] = str(path)
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)
    except Exception as error:  # it is anybody's code
        raise ModelFileError(
            f"{path} fails ({first_line(error)})",
            hint="It is run as it is; it must import what it needs.",
        ) from error
    objects = {
        name: value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == MODULE
    }
    if not objects:
        raise ModelFileError(f"{path} defines no class or function")
    return CustomObjects(objects, path.name, hashlib.sha256(content).hexdigest())
