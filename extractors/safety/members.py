"""A member of a zip archive as a file in which one can go back and forth."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast


def open_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    """A member as a file in which one can go back and forth.

    zipfile's own goes back by reading all from the start, which takes half a minute for a large
    model. Keras stores the weights uncompressed; a compressed member is unpacked into memory.
    """
    if member.compress_type != zipfile.ZIP_STORED:
        return io.BytesIO(archive.read(member))
    file = path.open("rb")
    file.seek(member.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    start = member.header_offset + 30 + name + extra
    return cast(BinaryIO, io.BufferedReader(_Window(file, start, member.file_size)))


class _Window(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._place)
        count = max(0, min(len(buffer), self._size - self._place))
        data = self._file.read(count)
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
