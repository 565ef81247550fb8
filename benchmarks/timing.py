"""Comparisons: seconds of the plain way and of ours, processes, and tables of them."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

NOISY = 1.25
"""Largest over smallest ratio of the pairs of a row from which on it is said to be noisy."""
BUSY = 0.1
"""Share of the processors that others took from which on the clock says little."""


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of the plain way and of ours, measured in turn."""

    what: str
    plain: list[float]
    ours: list[float]
    times: int = 1

    @property
    def ratio(self) -> Ratio:
        return Ratio.of([self.times * one for one in self.plain], self.ours)

    def cells(self) -> tuple[str, str, str, str]:
        return (self.what, spread(self.plain, self.times), spread(self.ours), self.ratio.told())


COMPARED = ("what", ">plain", ">headstart", ">ratio")
"""Columns of a table of `Row`s."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long something took: the median of the pairs, the smallest and largest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, plain: Sequence[float], ours: Sequence[float]) -> Ratio:
        """Of pairs; of medians where there are no pairs."""
        if len(plain) != len(ours):
            plain, ours = [statistics.median(plain)], [statistics.median(ours)]
        found = [one / other for one, other in zip(plain, ours, strict=True)]
        return cls(statistics.median(found), min(found), max(found))

    @property
    def is_noisy(self) -> bool:
        return self.high > NOISY * self.low

    def told(self) -> str:
        """The middle; how far the pairs are apart where that is far."""
        apart = f" ({self.low:.2f} to {self.high:.2f})" if self.is_noisy else ""
        return f"{self.middle:.2f}x{apart}"


@dataclass(frozen=True)
class Section:
    """One table of the report: columns as `headstart.cli.output.table` takes them."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        names = [column.lstrip(">=~") for column in self.columns]
        rules = ["--:" if column.startswith(">") else "---" for column in self.columns]
        lines = [f"| {' | '.join(cells)} |" for cells in (names, rules, *self.rows)]
        return "\n".join([f"## {self.title}", "", self.note, "", *lines, ""])


class ProcessFailed(RuntimeError):
    """A process that was to be measured did not end well; the message is the last that it said."""


@dataclass(frozen=True)
class Took:
    """What a process took with its children: seconds that passed, and seconds of a core."""

    wall: float
    cpu: float


def ran(command: Sequence[str | Path], **settings: str) -> Took:
    """Run a process to its end; an error with what it said if it fails.

    Args:
        command: what.
        **settings: of its environment, besides this one's.
    """
    words, started = [str(one) for one in command], time.perf_counter()
    environment: Mapping[str, str] = {**os.environ, **settings}
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as made:
        assert made.stderr is not None
        said = made.stderr.read().decode(errors="replace")
        _, status, used = os.wait4(made.pid, 0)
        made.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if made.returncode:
        raise ProcessFailed((said.strip() or f"{words[0]} ended with {made.returncode}")[-2000:])
    return Took(wall, used.ru_utime + used.ru_stime)


class Others:
    """How busy others keep the machine while something is measured."""

    def __init__(self) -> None:
        self.load = os.getloadavg()[0]
        self._since, self._busy, self._own = time.monotonic(), _busy(), _own()

    @property
    def share(self) -> float:
        """What others took of the processors since; children count when they have ended."""
        passed = (time.monotonic() - self._since) * (os.cpu_count() or 1)
        return max(0.0, (_busy() - self._busy) - (_own() - self._own)) / passed

    def told(self) -> str:
        """A sentence for the note, and a warning where they took much."""
        share = self.share
        words = f"Load {self.load:.1f} before; others took {share:.0%} of the processors meanwhile."
        if share < BUSY:
            return words
        return (
            f"{words} **Go by seconds of the processor and by ratios of pairs, not by the clock.**"
        )


def _busy() -> float:
    """Seconds of the processors in which they did something."""
    used = psutil.cpu_times()
    return used.user + used.system + getattr(used, "nice", 0.0) + getattr(used, "steal", 0.0)


def _own() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def of_the_processor(work: Callable[[], object]) -> float:
    """Seconds of a core that something takes in this process, with all its threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(seconds: Sequence[float], times: int = 1) -> str:
    """Median, with smallest and largest behind it."""
    middle = times * statistics.median(seconds)
    if len(seconds) == 1:
        return f"{middle:,.2f} s"
    return f"{middle:,.2f} s ({times * min(seconds):,.2f} to {times * max(seconds):,.2f})"
