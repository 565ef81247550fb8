"""Arrays as an `.npz` that is not compressed, so that it is read where it lies."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from typing import IO, BinaryIO

import numpy as np

from headstart.storage.files import BLOCK

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of each member: the same arrays are the same file."""


def write_npz(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name; each as it lies, block by block."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", BEGINNING)
            with archive.open(member, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def copy_members(file: BinaryIO, names: Iterable[str], read: Callable[[str], IO[bytes]]) -> None:
    """Write arrays as they stand in another archive, block by block."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in names:
            member = zipfile.ZipInfo(f"{name}.npy", BEGINNING)
            with read(name) as content, archive.open(member, "w", force_zip64=True) as out:
                shutil.copyfileobj(content, out, BLOCK)
