"""What all kinds of datasets share: a sample that is a file, labels, splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DatasetError
from headstart.storage.manifest import SPLITS, Label


@dataclass(frozen=True)
class FileRow:
    """A sample that is a file, as the source lists it, before its content is read."""

    id: str
    path: Path
    label: Label | None
    split: str | None = None


def checked_split(value: str | None, where: str) -> str | None:
    if value is None or not value.strip():
        return None
    usual = {"valid": "validation", "val": "validation", "dev": "validation", "training": "train"}
    split = value.strip().lower()
    split = usual.get(split, split)
    if split not in SPLITS:
        raise DatasetError(
            f"{where}: split is {value!r}", hint=f"The splits are {', '.join(SPLITS)}."
        )
    return split


def to_label(value: Any, where: str) -> Label:
    """A class name or an integer class.

    Raises:
        DatasetError: the label is empty, NaN, a fraction, or an array.
    """
    item = value.item() if isinstance(value, np.ndarray | np.generic) and value.size == 1 else value
    if isinstance(item, bytes):
        item = item.decode("utf-8", "replace")
    if isinstance(item, str) and item.strip():
        return item.strip()
    if isinstance(item, bool | int):
        return int(item)
    if isinstance(item, float) and item.is_integer():
        return int(item)
    raise DatasetError(
        f"{where}: the label {item!r} is neither a class name nor an integer",
        hint="Give one label a row; one-hot labels want np.argmax(y, axis=1).",
    )
