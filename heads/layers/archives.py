"""Archives of weights: `.npz` files without pickles, of whose sizes nothing is believed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import DatasetError, HeadError, first_line
from headstart.extractors.datasets.sources.numpy_files import (
    DAMAGE,
    SUFFIX,
    read_header,
    with_letters,
)
from headstart.fields import read_json

HEAD = "head"
"""The array that has the JSON values, as a text."""
RECORD = "record.json"
"""The member that is no array: what is recorded of the head; see `head_record`."""


@dataclass(frozen=True)
class Stored:
    """What an archive holds.

    Attributes:
        number: of its format among those that are read, from 0.
        head: its JSON values.
        arrays: the others, by name.
    """

    number: int
    head: dict[str, Any]
    arrays: dict[str, np.ndarray]


def archive(format_: str, head: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """An archive of arrays and of JSON values."""
    file = io.BytesIO()
    named: dict[str, Any] = {HEAD: np.array(json.dumps({"format": format_, **head})), **arrays}
    np.savez(file, **named)
    return file.getvalue()


def read_archive(path: Path, formats: Sequence[str]) -> Stored:
    """What `archive` wrote.

    Raises:
        HeadError: it has another format, is damaged, or holds what `archive` does not write.
    """
    try:
        arrays = _arrays(path)
        if HEAD not in arrays:
            raise HeadError("it has no array 'head'")
        head = read_json(str(arrays.pop(HEAD)).encode(), HEAD)
    except HeadError:
        raise
    except DatasetError as error:
        raise HeadError(error.message) from error
    except DAMAGE as error:
        raise HeadError(first_line(error)) from error
    found = head.get("format") if isinstance(head, dict) else None
    if found not in formats:
        raise HeadError(f"it has format {found!r}; this code reads {' and '.join(formats)}")
    return Stored(formats.index(found), head, arrays)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays, none larger than the file itself."""
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as file:
        members = [one for one in file.infolist() if one.filename != RECORD]
        if sum(one.file_size for one in members) > path.stat().st_size:
            raise HeadError("its members are larger than the file: they are packed, or overlap")
        for member in members:
            name = member.filename.removesuffix(SUFFIX)
            if name in found or name == member.filename:
                raise HeadError(f"it has a member {member.filename!r}, which no head has")
            with file.open(member) as content:
                header = read_header(content, member.file_size, name)
                flat = np.frombuffer(content.read(), header.dtype)
            order = "F" if header.is_fortran else "C"
            found[name] = with_letters(flat.reshape(header.shape, order=order), name)
    return found
