"""The time that a search may take, and what of it is kept back for its end."""

from __future__ import annotations

import time
from collections.abc import Callable

FIT, MODEL, RECORDS = "fit", "model", "records"
"""What time is kept back for: the head that is chosen, the model of it, scores and records."""

TENTHS = 10
"""Seconds below which tenths are told."""


def in_seconds(value: float) -> str:
    """Seconds in words; of few of them the tenths."""
    return f"{value:,.1f} s" if abs(value) < TENTHS else f"{value:,.0f} s"


class OutOfTime(Exception):
    """What was tried took longer than it was given."""


class Budget:
    """Seconds, counted from when it is made.

    Args:
        seconds: in all.
        clock: gives seconds.

    Attributes:
        seconds: that were given.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._kept = dict[str, float]()
        self._clock = clock
        self._started = clock()

    @property
    def spent(self) -> float:
        return self._clock() - self._started

    @property
    def left(self) -> float:
        """For trials: without what is kept back; below 0 where more was spent."""
        return self.seconds - self.kept_back - self.spent

    @property
    def kept_back(self) -> float:
        """For all of the end."""
        return sum(self._kept.values())

    def keep_back(self, what: str, seconds: float) -> None:
        """So many seconds at least are for `what` at the end, such as the last fit."""
        self._kept[what] = max(self._kept.get(what, 0.0), seconds)

    def release(self, what: str, share: float) -> None:
        """A share of what is kept back for something was spent on it by now."""
        self._kept[what] = self._kept.get(what, 0.0) * (1 - share)

    def left_for(self, what: str) -> float:
        """What is left with that which is kept back for it."""
        return self.left + self._kept.get(what, 0.0)

    def until(self, seconds: float) -> Callable[[], None]:
        """A function that raises `OutOfTime` once so many seconds from now have passed, or all
        that is left for trials."""
        end = self.spent + min(seconds, self.left)

        def check() -> None:
            if self.spent > end:
                raise OutOfTime

        return check
