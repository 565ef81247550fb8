"""Packed tars, in which nothing can be read by its place: unpacked once, and read from there."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from headstart.errors import DatasetError, first_line
from headstart.extractors.datasets.memory.kept import Kept
from headstart.extractors.datasets.sources.numpy_files import refuse_expanded
from headstart.notices import tell
from headstart.storage.contents import Contents
from headstart.storage.files import BLOCK, open_regular

TAR = ".tar"
SHARE = 0.9
"""Of the disk that is free: what is unpacked may take."""


def _of_zstd(file: Any) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


PACKINGS: dict[str, Callable[[Any], Any]] = {
    ".tar.gz": lambda file: gzip.GzipFile(fileobj=file),
    ".tgz": lambda file: gzip.GzipFile(fileobj=file),
    ".tar.bz2": bz2.BZ2File,
    ".tar.xz": lzma.LZMAFile,
    ".tar.zst": _of_zstd,
}
"""By the ends of names of packed tars, what unpacks them."""
DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def packing_of(name: str) -> str | None:
    """The end of the name of a packed tar; None of all others."""
    return next((one for one in PACKINGS if name.lower().endswith(one)), None)


def unpacked_name(name: str) -> str:
    """What a file is called when it is unpacked: `a.tar` for `a.tar.gz`; others as they are."""
    packing = packing_of(name)
    return name if packing is None else name[: -len(packing)] + TAR


def unpack(packed: BinaryIO, out: BinaryIO, packing: str, size: int, what: str) -> None:
    """Write what a packed tar holds.

    Args:
        packed: where it begins.
        out: the file to write.
        packing: as `packing_of` gives it.
        size: bytes of it.
        what: it is called in messages.

    Raises:
        DatasetError: it is damaged, or packed too well to be data, or larger than the disk.
        OSError: of the disk.
    """
    free = shutil.disk_usage(Path(str(out.name)).parent).free * SHARE
    file, done = PACKINGS[packing](packed), 0
    while block := _block(file, what, packing):
        done += len(block)
        refuse_expanded(done, size, what)
        if done > free:
            raise DatasetError(f"{what}: unpacked it is larger than the disk", hint="Make room.")
        out.write(block)


def _block(file: Any, what: str, packing: str) -> bytes:
    try:
        return file.read(BLOCK)
    except DAMAGE as error:
        raise DatasetError(
            f"{what} is damaged: no {packing} ({first_line(error)})",
            hint="Fetch or make it again.",
        ) from error


def keep_unpacked_tar(source: Path, contents: Contents) -> Kept | None:
    """A packed tar as one that is read where it lies; None for all others.

    Raises:
        DatasetError: see `unpack`.
    """
    packing = packing_of(source.name)
    if packing is None or not source.is_file():
        return None
    with open_regular(source) as file:
        size = source.stat().st_size
        path = contents.keep(lambda out: unpack(file, out, packing, size, str(source)), TAR)
    tell(f"{source} is packed: its {path.stat().st_size:,} bytes are unpacked once, into {path}")
    return Kept("webdataset", path, {}, f"{source}, unpacked")
