"""Large arrays in a compressed `.npz`: they are unpacked once, and read from there."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from headstart.extractors.datasets.memory.kept import Kept
from headstart.extractors.datasets.memory.npz import copy_members
from headstart.extractors.datasets.sources.numpy_files import DAMAGE, SMALL, Archive
from headstart.notices import tell
from headstart.storage.contents import Contents
from headstart.storage.files import open_regular

PACKED = ".npz"
LARGE = SMALL
"""Bytes from which on compressed arrays are not read into memory."""


def keep_unpacked(source: Path, contents: Contents) -> Kept | None:
    """A compressed archive of large arrays as one that is read where it lies; None for all others,
    also if they are damaged, which whoever reads them says.

    Raises:
        DatasetError: the arrays are packed too well to be data.
    """
    if source.suffix.lower() != PACKED or not source.is_file():
        return None
    with open_regular(source) as file:
        try:
            archive = Archive(file, source)
            headers = {name: archive.header(name) for name in archive.names}
        except DAMAGE:
            return None
        size = sum(one.size for name, one in headers.items() if archive.is_packed(name))
        if size <= LARGE:
            return None
        archive.check_packing(headers)

        def write(out: BinaryIO) -> None:
            copy_members(out, archive.names, archive.open)

        path = contents.keep(write, PACKED)
    tell(
        f"{source} is compressed: its arrays, {size / 1e9:,.1f} GB, are unpacked once, into {path}"
    )
    return Kept("arrays", path, {}, f"{source}, unpacked")
