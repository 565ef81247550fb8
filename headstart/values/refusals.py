"""What kind of error it is that the system refused something."""

from __future__ import annotations

import errno

DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""Whoever asks may not do it, or nobody may: a file system that is read-only."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""There is no room, or the device fails."""


def is_denied(error: OSError) -> bool:
    """Whether the system does not let this user do it, whatever there is room for."""
    return error.errno in DENIED


def code_of(error: OSError, other: str) -> str:
    """The code of an error of ours for one of the system: `denied`, or the other."""
    return "denied" if is_denied(error) else other
