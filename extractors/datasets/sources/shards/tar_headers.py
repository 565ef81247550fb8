"""The members of a tar file, header by header; nothing is unpacked, and no size is believed.

`tarfile` reads each header. It would read what belongs to one (long names, extended headers) into
memory, however large it claims to be, and keep all members: so the way through the file is ours.
The format: POSIX.1-2001, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format".
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from headstart.errors import DatasetError, StorageError, first_line
from headstart.storage.files import BLOCK, open_regular

BLOCK_SIZE = tarfile.BLOCKSIZE
LARGEST_HEADER = 1 << 20
"""Bytes of a long name or an extended header; Linux has paths of 4 KiB."""
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
WHAT = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a link",
    tarfile.GNUTYPE_LONGLINK: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a FIFO",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
SPARSE = "GNU.sparse."
PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
"""How packed files begin."""
HINT = "Make it again with `tar --sort=name -cf`, of plain files."


class Member(NamedTuple):
    """A plain file in a tar."""

    name: str
    offset: int
    size: int


def members_of(path: Path) -> Iterator[Member]:
    """The plain files in a tar, in its order; folders are passed over.

    Raises:
        DatasetError: it is no tar, is packed, damaged or cut off, holds a link, a device or a
            sparse file, or a name that is absolute or leads upwards.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            yield from _members(file, size, path)
    except StorageError as error:
        raise DatasetError(error.message, hint=error.hint) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def _members(file: BufferedReader, size: int, path: Path) -> Iterator[Member]:
    extended: dict[str, str] = {}
    at = 0
    while True:
        file.seek(at)
        block = file.read(BLOCK_SIZE)
        header = _header(block, at, path)
        if header is None:
            _check_rest(file, path)
            return
        start = at + BLOCK_SIZE
        length = _length(header, extended)
        name = extended.get("path", header.name)
        if not 0 <= length <= size - start:
            raise DatasetError(
                f"{path}: {name!r} is said to have {length:,} bytes, of which the file holds "
                f"{max(0, size - start):,}",
                hint="It is damaged or cut off; fetch or make it again.",
            )
        at = start + -(-length // BLOCK_SIZE) * BLOCK_SIZE
        if header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE):
            extended |= _extension(file, header, path)
            continue
        _check(header, name, extended, path)
        extended = {}
        if header.type in FILES:
            yield Member(name, start, length)


def _length(header: tarfile.TarInfo, extended: dict[str, str]) -> int:
    """Bytes behind a header: what an extended one says counts; a folder has none."""
    if header.type in FILES:
        return int(extended.get("size", header.size))
    return 0 if header.type == tarfile.DIRTYPE else header.size


def _header(block: bytes, at: int, path: Path) -> tarfile.TarInfo | None:
    """What a block says; None at the mark of the end."""
    if not block and at == 0:
        raise DatasetError(f"{path} is empty")
    if not block:
        raise DatasetError(
            f"{path} ends at byte {at:,} without the mark of its end: it is cut off", hint=HINT
        )
    if block == bytes(BLOCK_SIZE):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        packing = next((name for begin, name in PACKED.items() if block.startswith(begin)), None)
        if at == 0 and packing:
            raise packed(path, packing) from None
        what = f"{path} is no tar" if at == 0 else f"{path} is damaged at byte {at:,}"
        raise DatasetError(f"{what} ({first_line(error)})", hint=HINT) from error


def packed(path: Path, packing: str) -> DatasetError:
    """The error of a file that is packed, in which nothing can be read by its place."""
    return DatasetError(
        f"{path} is packed with {packing}: samples could only be read one after the other",
        hint="Unpack it, such as with `gunzip`: pictures and sounds hardly pack any further.",
    )


def _extension(file: BufferedReader, header: tarfile.TarInfo, path: Path) -> dict[str, str]:
    """What a header says of the one behind it: its path, its size, whether it is sparse."""
    if header.size > LARGEST_HEADER:
        raise DatasetError(f"{path} holds a header of {header.size:,} bytes", hint=HINT)
    content = file.read(header.size)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": content.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    records = _records(content, path)
    if header.type == tarfile.XGLTYPE:  # of all that follow: comments, such as git's commit
        told = {"path", "size"} & set(records)
        if told:
            raise DatasetError(f"{path}: a header gives all members one {told.pop()}", hint=HINT)
        return {}
    if not records.get("size", "0").isdecimal() or len(records.get("size", "0")) > 19:
        raise DatasetError(f"{path}: a size is {records['size'][:40]!r}", hint=HINT)
    return records


def _records(content: bytes, path: Path) -> dict[str, str]:
    """Of an extended header, `LENGTH KEY=VALUE` and a newline each; those that count here."""
    found, at = {}, 0
    while at < len(content):
        digits, space, _ = content[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() and space else 0
        record = content[at + len(digits) + 1 : at + length]
        key, equals, value = record.partition(b"=")
        if length <= 0 or at + length > len(content) or not equals or not value.endswith(b"\n"):
            raise DatasetError(f"{path} holds a damaged extended header", hint=HINT)
        name = key.decode("utf-8", "replace")
        if name in ("path", "size") or name.startswith(SPARSE):
            found[name] = value[:-1].decode("utf-8", "surrogateescape")
        at += length
    return found


def _check(header: tarfile.TarInfo, name: str, extended: dict[str, str], path: Path) -> None:
    what = WHAT.get(header.type)
    if any(key.startswith(SPARSE) for key in extended):
        what = WHAT[tarfile.GNUTYPE_SPARSE]
    if what is None and header.type not in (*FILES, tarfile.DIRTYPE):
        what = f"a member of the unknown type {header.type!r}"
    if what is not None:
        raise DatasetError(f"{path}: {name!r} is {what}, not a plain file", hint=HINT)
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise DatasetError(
            f"{path}: the name {name!r} leads out of the tar",
            hint="Make it again with relative names.",
        )


def _check_rest(file: BufferedReader, path: Path) -> None:
    """See that nothing but zeros stands behind the mark of the end."""
    at = file.tell()
    while block := file.read(BLOCK):
        if block.strip(b"\0"):
            raise DatasetError(
                f"{path}: something stands behind the end of the tar, at byte {at:,}",
                hint="Tars that were written one behind the other want `tar -A`, or a file each.",
            )
        at += len(block)
