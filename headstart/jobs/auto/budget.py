"""The time that a search may take, and what of it is kept back for its end."""

from __future__ import annotations

import time
from collections.abc import Callable


class OutOfTime(Exception):
    """What was tried took longer than it was given."""


class Budget:
    """Seconds, counted from when it is made.

    Args:
        seconds: in all.
        clock: gives seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.kept_back = 0.0
        self._clock = clock
        self._started = clock()

    @property
    def started(self) -> float:
        """By the clock."""
        return self._started

    @property
    def spent(self) -> float:
        return self._clock() - self._started

    @property
    def left(self) -> float:
        """For trials: without what is kept back; below 0 where more was spent."""
        return self.seconds - self.kept_back - self.spent

    def keep_back(self, seconds: float) -> None:
        """So many seconds at least are for the end: the last fit, the model, the page."""
        self.kept_back = max(self.kept_back, seconds)

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so long can still be begun."""
        return seconds <= self.left

    def until(self, seconds: float) -> Callable[[], None]:
        """A function that raises `OutOfTime` once so many seconds from now have passed, or all
        that is left for trials."""
        end = self.spent + min(seconds, self.left)

        def check() -> None:
            if self.spent > end:
                raise OutOfTime

        return check
