"""How fast heads of a kind are fitted: measured on parts, told for more samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

GROWING, SLOWEST = 1.2, 0.5
"""A fit of more rows takes longer than in proportion: neighbours of each are looked for among all,
and linear ones take more steps. Where two parts tell by which exponent it grows, it is that, down
to the other: of few rows more is asked, as an mlp is trained once more for each fold by which it is
calibrated, until these have rows enough."""
EVENLY = 1.0
"""Of a network, whose steps are as many as its rows."""
APART = 1.5
"""How many times as many rows a part has that tells this."""


@dataclass(frozen=True)
class Pace:
    """Of one kind.

    Attributes:
        rows: that a fit had.
        seconds: that the fits of all settings took, one after the other, on one fold, for each
            number of a sample's features.
        growth: exponent by which this grows with the rows.
    """

    rows: int
    seconds: float
    growth: float = GROWING

    def then(self, rows: int, seconds: float) -> Pace:
        """What is known once it was measured again."""
        if rows < APART * self.rows or not self.seconds > 0 < seconds:
            return Pace(rows, seconds, self.growth)
        measured = math.log(seconds / self.seconds) / math.log(rows / self.rows)
        return Pace(rows, seconds, min(max(measured, SLOWEST), GROWING))

    def grown(self, rows: float) -> float:
        """How many times as long a fit of so many rows takes."""
        times = rows / self.rows
        return times ** (self.growth if times > 1 else 1.0)

    def seconds_of(self, rows: float) -> float:
        return self.seconds * self.grown(rows)


@dataclass
class Clock:
    """Tells fits of a kind that are slow from those that others on the machine held up; of one kind
    alone, as others work on another number of cores.

    Attributes:
        waited: seconds of the clock, of all its fits in this process.
        worked: seconds of the processor, of the same.
    """

    waited: float = field(default=0.0)
    worked: float = field(default=0.0)

    def usual(self, seconds: float, worked: float | None) -> float:
        """What fits that took so many seconds take where others hold them up as they did on
        average; the same where seconds of the processor are not known."""
        if worked is None:
            return seconds
        self.waited += seconds
        self.worked += worked
        return min(seconds, worked * self.waited / max(self.worked, 1e-9))
