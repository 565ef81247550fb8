"""The end of a process whose command is done: orderly, and then at once.

Python takes all modules apart before it ends, one object after the other, and the C libraries after
it: a tenth of a short command, which frees memory that goes with the process anyway. What has to
happen at the end (threads that are waited for, callbacks of `atexit`, what is still to be printed)
has happened when the last callback is called. A file that a module of somebody else leaves open is
written to the disk only when that is taken apart, so a process with plug-ins of others ends as
Python does.
"""

from __future__ import annotations

import atexit
import os
import sys

_statuses: list[int] = []
"""With which the command was done, once it is."""


def prepare() -> None:
    """Of a process that is for its command alone; before anything else registers a callback, as the
    first one is called last."""
    # Callbacks of before, as of a debugger or of `coverage`, would not be called any more.
    if not atexit._ncallbacks():
        atexit.register(_end)


def done(status: object) -> None:
    """The command gave this for `sys.exit`, which is next."""
    _statuses.append(status if isinstance(status, int) else 1 if status else 0)


def _end() -> None:
    if not _statuses or hasattr(sys, "last_value"):  # something else was raised
        return
    others = sys.modules.get("headstart.plugins")
    if others is not None and others.are_others_loaded():  # who may have left a file open
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # Python says it, and with which code it ends
        return
    os._exit(_statuses[-1])
