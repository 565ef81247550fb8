"""Single samples: what kind each is, and as what it is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headstart.errors import DatasetError
from headstart.extractors.datasets.memory.kept import named_type, refused
from headstart.extractors.datasets.memory.pictures import encoded, is_picture
from headstart.extractors.datasets.remote.addresses import LONGEST, is_address
from headstart.extractors.datasets.rows import to_label

PATH, TEXT, BYTES, ARRAY = "path", "text", "bytes", "array"
COLUMN = {PATH: "path", TEXT: "text", BYTES: "content"}
TYPE = {PATH: pa.string(), TEXT: pa.string(), BYTES: pa.binary()}
EXPECTED = (
    "Expected: arrays of one shape, pictures of Pillow, bytes, texts, or paths (pathlib.Path); "
    "with labels (x, y)."
)


def kind_of_item(item: Any) -> str:
    """What a sample is.

    Raises:
        DatasetError: it is nothing that a sample can be.
    """
    if isinstance(item, np.str_ | str):
        return TEXT
    if isinstance(item, os.PathLike):
        return PATH
    if isinstance(item, bytes | bytearray | memoryview | np.bytes_) or is_picture(item):
        return BYTES
    if hasattr(item, "__array__") or isinstance(item, int | float | list | tuple):
        return ARRAY
    raise refused(f"a sample of type {named_type(item)}", EXPECTED)


def written(item: Any, kind: str, number: int) -> Any:
    """A sample as the value of a cell.

    Raises:
        DatasetError: it is of another kind than those before it.
    """
    found = kind_of_item(item)
    if found != kind:
        raise refused(
            f"sample {number:,} of type {named_type(item)}, after others ({kind})",
            "All samples of a dataset are of one kind.",
        )
    if kind == PATH:
        return str(Path(item).expanduser().absolute())
    if kind == TEXT:
        return str(item)
    return encoded(item) if is_picture(item) else bytes(item)


def array_of(item: Any, number: int) -> np.ndarray:
    """A sample as an array of numbers.

    Raises:
        DatasetError: it is none.
    """
    try:
        found = np.asarray(item)
    except (ValueError, TypeError):
        found = np.empty((), object)
    if found.dtype.kind == "V":  # of ml_dtypes, such as bfloat16
        found = found.astype(np.float32)
    if found.dtype.kind not in "biuf":
        raise refused(
            f"sample {number:,} of type {named_type(item)} ({found.dtype}), which is no array of "
            "numbers",
            EXPECTED,
        )
    return found


def label_cell(label: Any, number: int) -> Any:
    """A label as the value of a cell: a name, a number, a list of them, or None.

    Raises:
        DatasetError: it is none of these.
    """
    where = f"sample {number:,}"
    if label is None:
        return None
    if isinstance(label, dict):
        raise refused(
            f"a dict as the label of {where}", "Expected: a name, a number, or a list of names."
        )
    if isinstance(label, set | frozenset):
        return sorted(str(one) for one in label)
    values = np.asarray(label) if hasattr(label, "__array__") else label
    if isinstance(values, np.ndarray) and values.size != 1:
        return values.tolist()
    if isinstance(values, list | tuple):
        return [str(one) if isinstance(one, str) else one for one in values]
    value = values.item() if isinstance(values, np.ndarray) else values
    if isinstance(value, float) and not isinstance(value, bool):
        to_label(value, where)  # or the error that it is none
        return float(value)
    return to_label(value, where)


def numbered(labels: Iterable[Any]) -> Iterator[Any]:
    """The labels of some samples as cells."""
    return (label_cell(label, number) for number, label in enumerate(labels))


def are_paths(texts: Sequence[str], place: str) -> bool:
    """Whether texts are the names of files.

    Raises:
        DatasetError: some are, and others are not.
    """
    there = [text for text in texts if 0 < len(text) < LONGEST and _is_file(text)]
    if there and len(there) < len(texts):
        raise DatasetError(
            f"{place}: {len(there):,} of {len(texts):,} texts name files, such as {there[0]!r}",
            hint="Give paths as pathlib.Path, so that they cannot be taken for texts.",
        )
    return bool(there)


def leads_somewhere(text: Any) -> bool:
    """Whether a text is an address, or what is called so is there."""
    if not isinstance(text, str) or not 0 < len(text) < LONGEST or not text.strip():
        return False
    try:
        return (is_address(text) and len(text.split()) == 1) or Path(text).exists()
    except (OSError, ValueError):
        return False


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False
