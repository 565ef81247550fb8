"""What takes longer than a page may: done one after the other, looked at while it goes on."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from headstart.errors import HeadstartError, first_line
from headstart.extractors.daemons import Daemons
from headstart.progress import Progress
from headstart.values.logs import logger

KEPT = 32
"""Results in memory."""
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


@dataclass
class Work:
    """Something that is computed.

    Attributes:
        state: `waiting`, `running`, `done` or `failed`.
        done: how much of it is.
        total: of how much; 0 while that is not known.
        result: what it gave.
        error: why it failed.
    """

    state: str = WAITING
    done: int = 0
    total: int = 0
    result: Any = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in (DONE, FAILED)

    def advance(self, done: int, total: int) -> None:
        """Its progress."""
        self.done, self.total = done, total


class Works:
    """One thing at a time is computed: those who wait do not slow down who is at work."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._works: OrderedDict[tuple[str, ...], Work] = OrderedDict()
        self._pool: Daemons | None = None

    def find(self, key: tuple[str, ...]) -> Work | None:
        """What was begun under a key."""
        with self._lock:
            return self._works.get(key)

    def keep(self, key: tuple[str, ...], result: Any) -> None:
        """What is known already, as if it had been computed."""
        with self._lock:
            self._works[key] = Work(DONE, result=result)
            self._works.move_to_end(key)

    def begin(self, key: tuple[str, ...], make: Callable[[Progress], Any]) -> Work:
        """Have something computed; what goes on under that key is not begun twice.

        Args:
            key: by which it is found.
            make: computes it; is given a function of (done, total).
        """
        with self._lock:
            known = self._works.get(key)
            if known is not None and not known.is_over:
                return known
            work = self._works[key] = Work()
            self._works.move_to_end(key)
            for old in [one for one, kept in self._works.items() if kept.is_over][:-KEPT]:
                del self._works[old]
            if self._pool is None:
                self._pool = Daemons(1)
        self._pool.submit(_run, work, make)
        return work


def _run(work: Work, make: Callable[[Progress], Any]) -> None:
    work.state = RUNNING
    try:
        work.result = make(work.advance)
    except HeadstartError as error:
        work.error, work.state = str(error), FAILED
    except Exception as error:  # shown where it was asked for, and said where the server runs
        logger(__name__).log(logging.ERROR, "a work of the page failed", exc_info=error)
        work.error, work.state = f"unexpected {first_line(error)}", FAILED
    else:
        work.state = DONE
