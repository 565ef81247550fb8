"""Copies of what lies in this process's memory, where that may be gone.

A page of a mapped file whose file was cut short, or whose disk fails, ends the process with SIGBUS
when the process touches it. The system can touch it without harm: `process_vm_writev(2)`, asked
about this very process, copies from many places in one call, and says where it could not. It takes
hold of the pages of where it copies to, which is one block, and `process_vm_readv(2)` of those that
it copies from: a lock and a search for each place, half of its time.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from functools import cache

import numpy as np

AT_ONCE = 1024
"""Places from which a call copies: `IOV_MAX` of Linux."""


def can_copy() -> bool:
    """Whether this system can: Linux, where it is not forbidden (`seccomp`)."""
    return _copy() is not None


def is_copied(addresses: np.ndarray, size: int, out: np.ndarray) -> bool:
    """Copy so many bytes from each of some addresses, uint64 (n,), to one place behind the other.

    Args:
        addresses: one or more, in memory that stays this process's until this returns.
        size: bytes.
        out: a block of memory of n times as many.

    Returns:
        Whether all were there; else what is in `out` must not be used.
    """
    copy = _copy()
    if copy is None:
        return False
    target = _address(out)
    for start in range(0, len(addresses), AT_ONCE):
        some = addresses[start : start + AT_ONCE]
        vectors = np.empty((len(some) + 1, 2), np.uint64)
        vectors[0] = target + start * size, len(some) * size
        vectors[1:, 0], vectors[1:, 1] = some, size
        if copy(vectors) != len(some) * size:
            return False
    return True


def _address(block: np.ndarray) -> int:
    """As `block.ctypes.data`, in a tenth of its time."""
    return ctypes.addressof(ctypes.c_char.from_buffer(block.data))


@cache
def _copy() -> Callable[[np.ndarray], int] | None:
    """By vectors of address and bytes, uint64 (n, 2), the first of which says where to, the others
    where from: gives how many bytes were copied. None where the system cannot."""
    if sys.platform != "linux":
        return None
    try:
        ask = ctypes.CDLL(None).process_vm_writev
    except (OSError, AttributeError):  # a C library without it
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_ulong
    ask.restype = ctypes.c_ssize_t
    ask.argtypes = [ctypes.c_int, pointer, number, pointer, number, number]

    def copy(vectors: np.ndarray) -> int:
        first = _address(vectors)
        return ask(os.getpid(), first + vectors.strides[0], len(vectors) - 1, first, 1, 0)

    there, here = np.ones(1, np.uint8), np.zeros(1, np.uint8)
    tried = np.array([[one.ctypes.data, 1] for one in (here, there)], np.uint64)
    return copy if copy(tried) == 1 and here[0] == 1 else None
