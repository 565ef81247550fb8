"""A file of which all is mapped into memory, and nothing read.

Arrow's own maps ask the system to read all that they give out: of a shard that is in memory already
it looks up each page then, a sixth of the time of a pass. Python's keep a file open.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import weakref
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # as in `storage.shard_store`
    import pyarrow as pa

FAILED = ctypes.c_void_p(-1).value


class _Calls(NamedTuple):
    map: Callable[..., int]
    unmap: Callable[..., int]


class _Mapping:
    """So many bytes of an open file; they stay mapped as long as somebody has this."""

    def __init__(self, calls: _Calls, file: int, size: int) -> None:
        found = calls.map(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file, 0)
        if found == FAILED:
            raise OSError(ctypes.get_errno(), "cannot be mapped")
        self.address = found
        # At the process's end a thread may still copy from there; the system takes all back.
        weakref.finalize(self, calls.unmap, found, size).atexit = False


def mapped_file(path: str | os.PathLike[str]) -> pa.Buffer | None:
    """All bytes of a file; no file stays open for it.

    None where it cannot be mapped: it is empty or no plain file, or the system is not Linux.
    """
    import pyarrow as pa

    calls = _calls()
    if calls is None:
        return None
    try:
        file = os.open(path, os.O_RDONLY)
    except (OSError, ValueError):  # whoever reads it says what is wrong, or can
        return None
    try:
        size = os.fstat(file).st_size
        mapping = _Mapping(calls, file, size)
    except OSError:
        return None
    finally:
        os.close(file)
    return pa.foreign_buffer(mapping.address, size, mapping)


@cache
def _calls() -> _Calls | None:
    """The system's; None where they may be others than these."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    library.mmap.restype = pointer
    library.mmap.argtypes = [pointer, size, number, number, number, ctypes.c_long]
    library.munmap.argtypes = [pointer, size]
    return _Calls(library.mmap, library.munmap)
