"""The end of a process whose command is done: orderly, and then at once.

Python takes all modules apart before it ends, one object after the other, and the C libraries after
it: a tenth of a short command, which frees memory that goes with the process anyway. What has to
happen at the end (threads that are waited for, callbacks of `atexit`, what is still to be printed)
has happened when the last callback is called.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

_statuses: list[int] = []
"""With which the command was done, once it is."""


def prepare() -> None:
    """Of a process that ends with its command; before anything else registers a callback, as the
    first one is called last."""
    # Python looks for garbage several times more while it ends: a fifth of a short command.
    # What it would find goes with the process.
    atexit.register(gc.freeze)
    # Callbacks of before, as of a debugger or of `coverage`, would not be called any more.
    if atexit._ncallbacks() == 1:
        atexit.register(_end)


def done(status: object) -> None:
    """The command gave this for `sys.exit`, which is next."""
    _statuses.append(status if isinstance(status, int) else 1 if status else 0)


def _end() -> None:
    if not _statuses or hasattr(sys, "last_value"):  # something else was raised
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # Python says it, and with which code it ends
        return
    os._exit(_statuses[-1])
