"""One comparison: seconds of the plain way and of ours, and how tables of them are shown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
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
            spread(self.plain, self.times),
            spread(self.ours),
            f"{self.ratio:.2f}x",
        )


COMPARED = ("what", ">plain", ">headstart", ">ratio")
"""Columns of a table of `Row`s."""


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


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(seconds: Sequence[float], times: int = 1) -> str:
    """Median, with smallest and largest behind it."""
    middle = times * statistics.median(seconds)
    if len(seconds) == 1:
        return f"{middle:,.2f} s"
    return f"{middle:,.2f} s ({times * min(seconds):,.2f} to {times * max(seconds):,.2f})"
