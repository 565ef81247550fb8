"""What of a pass is finished: how fast its samples really were read, prepared and computed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

MOMENT = 0.5
"""Seconds of one worker for all that is left, by what is finished: a process that begins later
has hardly started by then."""
TIMES = 16
"""How many times as many samples as are finished are told to be as fast as these."""


@dataclass
class Finished:
    """Counts tasks that are done; workers do so from their threads.

    Attributes:
        samples: of these tasks.
        seconds: that they took one worker, reading included.
    """

    samples: int = 0
    seconds: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def saw(self, samples: int, seconds: float) -> None:
        """Take note of a task."""
        with self._lock:
            self.samples += samples
            self.seconds += seconds

    def in_a_moment(self) -> int:
        """How many more samples take a moment at most, as far as what is finished tells."""
        with self._lock:
            if not self.samples:
                return 0
            each = self.seconds / self.samples
            return min(TIMES * self.samples, int(MOMENT / max(each, 1e-9)))
