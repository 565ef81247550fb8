"""A file in memory that is used again: HDF5 writes into it, its bytes are read without a copy."""

from __future__ import annotations

import os

GROWTH = 1 << 20


class MemoryFile:
    """What h5py asks of a file object, over one buffer that only grows.

    Touching memory for the first time costs more than writing it, and copying an image out of
    HDF5's own memory file touches as much again: a buffer that stays makes a shard three times
    as fast.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._size = 0
        self._at = 0

    @property
    def content(self) -> memoryview:
        """Its bytes; valid until it is written to again. Release it before that."""
        return memoryview(self._buffer)[: self._size]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, content: memoryview) -> int:
        end = self._at + len(content)
        if end > len(self._buffer):
            self._buffer.extend(bytes(max(end - len(self._buffer), GROWTH, end // 4)))
        if self._at > self._size:  # what was skipped must not show what the buffer held before
            self._buffer[self._size : self._at] = bytes(self._at - self._size)
        self._buffer[self._at : end] = content
        self._at = end
        self._size = max(self._size, end)
        return len(content)

    def read(self, size: int = -1) -> bytes:
        stop = self._size if size < 0 else min(self._size, self._at + size)
        content = bytes(self._buffer[self._at : stop])
        self._at = max(self._at, stop)
        return content

    def readinto(self, target: memoryview) -> int:
        content = self.read(len(target))
        target[: len(content)] = content
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        wanted = self._at if size is None else size
        if wanted > len(self._buffer):
            self._buffer.extend(bytes(wanted - len(self._buffer)))
        if wanted > self._size:
            self._buffer[self._size : wanted] = bytes(wanted - self._size)
        self._size = wanted
        return wanted

    def flush(self) -> None:
        """There is nothing behind it."""
