"""An engine is kept for the next process while it runs already: that is a cache, and may fail."""

from __future__ import annotations

from collections.abc import Callable

from headstart.errors import Stalled, first_line
from headstart.extractors.daemons import Daemons
from headstart.extractors.watchdog import Guard

NOT_KEPT = "the compiled model was not kept, and is made again next time: "


class Keeping:
    """A compiled model that is being kept, by a thread that the interpreter does not wait for.

    Args:
        keep: exports the model, which may take long, and writes it.
    """

    def __init__(self, keep: Callable[[], None]) -> None:
        self._thread = Daemons(1)
        self._done = self._thread.submit(keep)
        self._thread.shutdown(wait=False)

    def give_up(self) -> None:
        """Nobody waits until it is kept."""
        if not self._done.done():
            self._thread.give_up()

    def settle(self, guard: Guard) -> str | None:
        """Wait until it is kept.

        Args:
            guard: ends the wait where that takes for ever.

        Returns:
            Why it is not kept, in words; None if it is.
        """
        try:
            guard("keeping the compiled model", self._done.result)
        except Stalled as error:
            self.give_up()
            return NOT_KEPT + error.message.partition(";")[0]
        except Exception as error:  # of any library; what was computed does not depend on it
            return NOT_KEPT + first_line(error)[:200]
        return None
