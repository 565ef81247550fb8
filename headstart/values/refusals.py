"""What kind of error it is that the system refused something."""

from __future__ import annotations

import errno
from typing import TypeVar

T = TypeVar("T", bound=Exception)
DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Whoever asks may not do it, or nobody may: a file system that is read-only."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""There is no room, or the device fails."""


def is_denied(error: OSError) -> bool:
    """Whether the system does not let this user do it, whatever there is room for."""
    return error.errno in DENIED


def kind_of(error: OSError, other: type[T], denied: type[T]) -> type[T]:
    """The class of ours for an error of the system: whether it is denied, or another one."""
    return denied if is_denied(error) else other
