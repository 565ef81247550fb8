"""One comparison: seconds of the plain way and of ours, and how they are shown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of the plain way and of ours."""

    what: str
    plain: list[float]
    ours: list[float]
    times: int = 1

    @property
    def ratio(self) -> float:
        return self.times * statistics.median(self.plain) / statistics.median(self.ours)

    def cells(self) -> tuple[str, str, str, str]:
        return (
            self.what,
            _spread(self.plain, self.times),
            _spread(self.ours),
            f"{self.ratio:.2f}x",
        )


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _spread(seconds: list[float], times: int = 1) -> str:
    middle = times * statistics.median(seconds)
    if len(seconds) == 1:
        return f"{middle:,.2f} s"
    return f"{middle:,.2f} s ({times * min(seconds):.2f} to {times * max(seconds):.2f})"
