"""What a backbone costs: measured where it ran here, estimated where it did not yet."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from headstart.values.showable import Showable

SLOW_START = 20.0
"""Seconds that it is taken to take until the first sample of a backbone is computed that was never
opened here: a model of some MB is loaded, looked at and converted."""


KNOWN = 2.0
"""Seconds of an extraction, behind its first batch, by which its pace is known."""


@dataclass
class Cost(Showable):
    """What was spent on a backbone.

    Attributes:
        backbone: its name.
        computed: samples.
        seconds: of all extractions, with what it took to open the backbone.
        starting: of these, until the first batch was done, the longest time.
        rate: samples per second behind the first batch; None where that was not measured.
    """

    backbone: str
    computed: int = 0
    seconds: float = 0.0
    starting: float = 0.0
    rate: float | None = None

    def forecast(self, samples: int) -> float:
        """Seconds that so many more samples take: the start, and samples by the rate."""
        if not samples:
            return 0.0
        if self.rate is None:
            return self.starting or SLOW_START
        return self.starting + samples / self.rate


@dataclass
class Stopwatch:
    """Measures an extraction by its progress.

    Attributes:
        began: by `time.monotonic`.
        marks: when how many samples were done: at the first batch, and at the last one.
    """

    began: float = field(default_factory=time.monotonic)
    marks: list[tuple[float, int]] = field(default_factory=list)

    def see(self, done: int) -> None:
        """Take note of how many samples are done by now."""
        if done:
            self.marks[1:] = [(time.monotonic(), done)]

    def each(self, done: int, behind: float = KNOWN) -> float | None:
        """Seconds that each further sample takes, once some came for so many seconds behind the
        first batch."""
        if len(self.marks) < 2:
            return None
        (first, early), (last, late) = self.marks[0], self.marks[-1]
        is_known = last - first >= behind and done == late > early
        return (last - first) / (late - early) if is_known else None

    def charge(self, cost: Cost, computed: int) -> None:
        """Put what was measured into a cost."""
        took = time.monotonic() - self.began
        cost.seconds += took
        cost.computed += computed
        if not computed:
            return
        (when, done), *later = self.marks or [(self.began + took, computed)]
        cost.starting = max(cost.starting, when - self.began)
        for end, all_done in later:
            if all_done > done and end > when:
                cost.rate = (all_done - done) / (end - when)
        if cost.rate is None and took:
            cost.rate = computed / took
