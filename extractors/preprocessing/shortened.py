"""What steps leave out of samples that are longer than a backbone takes: counted, to be said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

LEAST = 0.005
"""Share of a sample below which nothing worth a word is left out: the last window's rounding."""
HINT = "; `headstart dataset add --window` makes windows of them, a row each"


@dataclass
class Count:
    """Of one step; any thread may add to it.

    Attributes:
        seen: samples.
        cut: those of them that were cut short.
        left_out: the sum of the shares that were left out of those.
    """

    seen: int = 0
    cut: int = 0
    left_out: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, share: float) -> None:
        """A sample of which that share, 0 to 1, is left out."""
        with self.lock:
            self.seen += 1
            if share > LEAST:
                self.cut += 1
                self.left_out += share


class Shortened:
    """Counts, by step, the samples that were cut short, and how much of them is left out.

    Any thread may add; one asks when all are done.
    """

    def __init__(self) -> None:
        self._counts: dict[str, Count] = {}

    def teller(self, step: str) -> Callable[[float], None]:
        """What a step calls with the share of each sample, 0 to 1, that it leaves out."""
        self._counts.setdefault(step, Count())
        return lambda share: self._counts[step].add(share)

    def clear(self) -> None:
        """Count from here on."""
        self._counts = {step: Count() for step in self._counts}

    def lines(self) -> list[str]:
        """A line for each step that left something out."""
        return [
            f"{count.cut:,} of {count.seen:,} samples are longer than the step {step!r} takes: "
            f"{count.left_out / count.cut:.0%} of each is left out, on average{HINT}"
            for step, count in self._counts.items()
            if count.cut
        ]
