"""How fast samples come once they come, and what it takes until they do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Pace:
    """Measures a run by the ends of its tasks.

    The first task of a pass is no measure of the others: before it an engine is found, perhaps
    converted and compiled, and its libraries are warmed up by it.

    Attributes:
        began: by `time.monotonic`.
        start: seconds until the first task was done; 0 while none is.
        samples: of all tasks but the first of each pass, in each view.
        seconds: that these took.
    """

    began: float = field(default_factory=time.monotonic)
    start: float = 0.0
    samples: int = 0
    seconds: float = 0.0
    _last: float | None = None

    def begin_pass(self) -> None:
        self._last = None

    def see(self, samples: int) -> None:
        """Take note that a task of so many samples is done."""
        now = time.monotonic()
        if self._last is not None:
            self.samples += samples
            self.seconds += now - self._last
        elif not self.start:
            self.start = now - self.began
        self._last = now
