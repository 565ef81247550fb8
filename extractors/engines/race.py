"""Which of two engines is faster, on a machine that others use as well.

A load takes time from whoever runs just then, many times over, and from one more than from another;
what the processor does for a sample hardly changes with it. So both are timed in turn, by the clock
and by the processor's time, and an engine has to be ahead by both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

PER_SECOND = "{}_per_second"
"""In the facts of a check: samples a second of an engine."""
PAIRS = 3
ENOUGH = 1.0
"""Seconds by the clock after which no further pair is timed."""
MARGIN = 1.25
"""By how much the less preferred of two engines has to be ahead: by less, noise decides."""


@dataclass(frozen=True)
class Clock:
    """What time is told by.

    Attributes:
        wall: seconds that pass.
        cpu: seconds that processors worked for this process.
    """

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Lap:
    """Samples that an engine ran, and what that took."""

    samples: int
    wall: float
    cpu: float

    @staticmethod
    def of(run: Callable[[], int], clock: Clock) -> Lap:
        """Time a function that runs samples, and says how many."""
        wall, cpu = clock.wall(), clock.cpu()
        samples = run()
        return Lap(samples, clock.wall() - wall, clock.cpu() - cpu)


@dataclass(frozen=True)
class Pace:
    """How many times as fast as the reference an engine is.

    Attributes:
        wall: by the clock, as the median of pairs; None where that is not known.
        cpu: by the processor's time.
    """

    wall: float | None = None
    cpu: float | None = None

    def beats(self, other: Pace) -> bool:
        """Whether it is ahead of another beyond doubt: by both clocks, by more than noise."""
        pairs = ((self.wall, other.wall), (self.cpu, other.cpu))
        return all(a is not None and b is not None and a > MARGIN * b for a, b in pairs)


REFERENCE_PACE = Pace(1.0, 1.0)


@dataclass(frozen=True)
class Race:
    """Laps of an engine, each beside one of the reference."""

    pairs: tuple[tuple[Lap, Lap], ...]

    @property
    def pace(self) -> Pace:
        """Of the engine."""
        return Pace(
            round(median(_times(o.wall / o.samples, e.wall / e.samples) for e, o in self.pairs), 3),
            round(median(_times(o.cpu / o.samples, e.cpu / e.samples) for e, o in self.pairs), 3),
        )

    @property
    def per_second(self) -> tuple[float, float]:
        """Samples a second by the clock, of the engine and of the reference: of the best lap."""
        best = [
            max(_times(lap.samples, lap.wall) for lap in one)
            for one in zip(*self.pairs, strict=True)
        ]
        return round(best[0], 2), round(best[1], 2)

    def to_json(self, engine: str, reference: str) -> dict[str, float | None]:
        """For the facts of a check, by the names of both."""
        own, other = self.per_second
        return {
            PER_SECOND.format(engine): own,
            PER_SECOND.format(reference): other,
            "wall_ratio": self.pace.wall,
            "cpu_ratio": self.pace.cpu,
        }


def race(
    engine: Callable[[], int], reference: Callable[[], int], clock: Clock | None = None
) -> Race:
    """Time both in turn; they have been run before.

    Args:
        engine: runs samples through the engine; says how many.
        reference: likewise through the reference.
        clock: what time is told by.
    """
    clock = clock or Clock()
    pairs: list[tuple[Lap, Lap]] = []
    began = clock.wall()
    while len(pairs) < PAIRS and (not pairs or clock.wall() - began < ENOUGH):
        laps = Lap.of(engine, clock), Lap.of(reference, clock)
        pairs.append(laps)
    return Race(tuple(pairs))


def _times(one: float, other: float) -> float:
    return one / max(other, 1e-9)
