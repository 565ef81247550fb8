"""The records of a TFRecord file: length, its crc, content, its crc; no length is believed.

The format: tensorflow/core/lib/io/record_writer.h. TensorFlow itself would take seconds to import,
and the memory that a length asks for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from headstart.errors import DatasetError, SampleUnreadable, StorageError
from headstart.extractors.datasets.sources.shards.crc32c import crc32c, masked
from headstart.extractors.datasets.sources.shards.ranges import Range
from headstart.extractors.datasets.sources.shards.tar_headers import PACKED
from headstart.storage.files import open_regular

LENGTH, CRC = 8, 4
AROUND = LENGTH + CRC + CRC
"""Bytes of a frame besides the content."""
LARGEST = 1 << 27
"""Bytes of a record; lists of small numbers take eight times as many once they are unpacked."""
HINT = "Fetch or write the file again; --on-error skip leaves out single records."


def frames_of(path: Path) -> Iterator[Range]:
    """Where the records of a file are, their frames with them; contents are not looked at.

    Raises:
        DatasetError: it is no TFRecord file, is packed, damaged or cut off.
    """
    try:
        with open_regular(path) as file:
            yield from _frames(file, os.fstat(file.fileno()).st_size, path)
    except StorageError as error:
        raise DatasetError(error.message, hint=error.hint) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def _frames(file: BufferedReader, size: int, path: Path) -> Iterator[Range]:
    at = 0
    while at < size:
        file.seek(at)
        head = file.read(LENGTH + CRC)
        length = int.from_bytes(head[:LENGTH], "little")
        if len(head) < LENGTH + CRC or masked(crc32c(head[:LENGTH])) != _crc(head[LENGTH:]):
            raise _no_frame(path, at, head)
        if at + AROUND + length > size:
            raise DatasetError(
                f"{path} is cut off: the record at byte {at:,} has {length:,} bytes, of which "
                f"{max(0, size - at - LENGTH - CRC):,} are there",
                hint=HINT,
            )
        if length > LARGEST:
            raise DatasetError(
                f"{path}: the record at byte {at:,} has {length:,} bytes, more than {LARGEST:,}"
            )
        yield Range(path, at, AROUND + length)
        at += AROUND + length


def record_in(frame: Range) -> bytes:
    """The content of a record.

    Raises:
        SampleChanged: the file is gone or shorter.
        SampleUnreadable: it is not what was written.
    """
    content = frame.read()
    record = content[LENGTH + CRC : -CRC]
    is_long = int.from_bytes(content[:LENGTH], "little") == len(record)
    if frame.size < AROUND or not is_long or masked(crc32c(record)) != _crc(content[-CRC:]):
        raise SampleUnreadable(
            f"{frame.file}: the record at byte {frame.offset:,} is damaged", hint=HINT
        )
    return record


def _crc(content: bytes) -> int:
    return int.from_bytes(content, "little")


def _no_frame(path: Path, at: int, head: bytes) -> DatasetError:
    packing = next((name for begin, name in PACKED.items() if head.startswith(begin)), None)
    if at == 0 and packing:
        return DatasetError(
            f"{path} is packed with {packing}: records could only be read one after the other",
            hint="Unpack it, such as with `gunzip`.",
        )
    if at and len(head) < LENGTH + CRC:
        return DatasetError(f"{path} is cut off at byte {at:,}", hint=HINT)
    if at == 0:
        return DatasetError(f"{path} is no TFRecord file", hint="Say what it is with --kind.")
    return DatasetError(f"{path} is damaged at byte {at:,}", hint=HINT)
