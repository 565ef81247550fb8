"""Where a process that runs one command looks for garbage: among what it computes, not among what
it loads."""

from __future__ import annotations

import atexit
import gc

GARBAGE = 50_000
"""Objects more than before among which it is looked for: of the hundred thousands that imports make
all stay, and a tenth of a short command went into looking at them again and again."""
WHOLE = 2
"""The generation of a look at all objects."""
LOADED = 4
"""So often as many objects are put aside unseen. An extraction of one new file makes three times as
many in all, nearly all of them by imports; a look at them takes a hundredth of it."""


def prepare() -> None:
    """From now on, in this process."""
    gc.set_threshold(GARBAGE)
    gc.callbacks.append(_Loading())
    # Python looks for garbage several times more while it ends: a fifth of a short command.
    # What it would find goes with the process.
    atexit.register(gc.freeze)


class _Loading:
    """Called before and after each look for garbage: the first ones find nothing to look at.

    Behind them, or when somebody asks for a whole one, all that was put aside is old as any other.
    """

    def __init__(self) -> None:
        self._left = LOADED

    def __call__(self, phase: str, found: dict[str, int]) -> None:
        if phase != "start":
            return
        if self._left and found["generation"] < WHOLE:
            gc.freeze()
            self._left -= 1
        else:
            gc.unfreeze()
            gc.callbacks.remove(self)
