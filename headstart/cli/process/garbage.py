"""Where a process that runs one command looks for garbage: among what it computes, not among what
it loads."""

from __future__ import annotations

import gc

GARBAGE = 50_000
"""Objects more than before among which it is looked for: of the hundred thousands that imports make
all stay, and a tenth of a short command went into looking at them again and again."""
LOADED = 4
"""So often as many objects are kept unseen. An extraction of one new file makes three times as many
in all, nearly all of them by imports; a look at them takes a hundredth of it."""


def prepare() -> None:
    """From now on, in this process."""
    gc.set_threshold(GARBAGE)
    gc.callbacks.append(_Loading())


class _Loading:
    """Called before and after each look for garbage: the first ones find nothing to look at."""

    def __init__(self) -> None:
        self._left = LOADED

    def __call__(self, phase: str, _found: dict[str, int]) -> None:
        if phase == "start":
            gc.freeze()
            self._left -= 1
        elif not self._left:
            gc.callbacks.remove(self)
