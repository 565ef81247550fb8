"""How fast something goes and how long it will take, once there is enough to say so from."""

from __future__ import annotations

import time
from collections.abc import Callable

FEWEST, SHORTEST = 5, 5.0
"""Steps and seconds behind an estimate, both. What the first step took is not among them: models
are loaded and compiled in it."""

SECONDS = "seconds"
"""The unit of what is given a time."""


class Pace:
    """The rate since the first step was done.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[int, float] | None = None
        self._done, self._now = 0, 0.0

    def see(self, done: int) -> None:
        """Take note of how many steps are done by now."""
        self._done, self._now = done, self._clock()
        if done and self._first is None:
            self._first = done, self._now

    @property
    def done(self) -> int:
        """Steps by now."""
        return self._done

    @property
    def rate(self) -> float | None:
        """Steps a second; None while nothing can be said."""
        if self._first is None:
            return None
        steps, seconds = self._done - self._first[0], self._now - self._first[1]
        return steps / seconds if steps >= FEWEST and seconds >= SHORTEST else None

    def left(self, total: int) -> float | None:
        """Seconds until all are done; None while nothing can be said."""
        rate = self.rate
        return None if rate is None else (total - self._done) / rate


def estimate_text(pace: Pace, unit: str, total: int) -> str:
    """Rate and time left; empty while nothing can be said of them. Of seconds, what is left of the
    time that was given."""
    if unit == SECONDS:
        return f"{max(total - pace.done, 0):,.0f} s left"
    rate, left = pace.rate, pace.left(total)
    if rate is None or left is None:
        return ""
    return f"{rate:,.1f} {unit}/s, {left:,.0f} s left"
