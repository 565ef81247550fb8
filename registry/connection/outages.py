"""A database that went away and comes back: whoever uses it waits, for a time that is bounded.

A server that is restarted, or fails over, ends every connection. What was committed is there
afterwards, what was not has left no trace; so a transaction can be begun anew as a whole. An
`Outage` says how long to go on trying, and tells of it once, whichever threads are waiting.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any, Protocol, TypeVar

from headstart.errors import DatabaseGone, Deadlocked
from headstart.values.logs import logger

PATIENCE = 60.0
"""Seconds for which a database that answered before is waited for."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two attempts."""

CIRCLES = 10
"""Times in a row that a transaction is made again which the database ended for another's sake."""

T = TypeVar("T")
log = logger()


class Outage:
    """Since when one database has not answered, as all threads of a process see it.

    Attempts of several threads, and one within another, end in any order. Only one that was begun
    during an outage and succeeds shows that it is over, and one that was begun before it was over
    and fails later tells nothing new.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._ended = -math.inf
        self._lock = threading.Lock()

    def outlast(self, attempt: Callable[[], T]) -> T:
        """What `attempt` gives, made again while the database is gone, or ends it for another's.

        Args:
            attempt: a whole transaction or more; one that was not committed is made anew.

        Raises:
            DatabaseGone: it has not answered for `PATIENCE` seconds, to this call or to others.
            Deadlocked: it ended each of many attempts in favour of another's transaction.
        """
        first, pause, circles = None, FIRST_PAUSE, 0
        while True:
            begun = time.monotonic()
            try:
                result = attempt()
            except Deadlocked:
                circles += 1
                if circles > CIRCLES:
                    raise
                time.sleep(circles * random.uniform(0, FIRST_PAUSE))  # else they meet again
            except DatabaseGone as error:
                since = self._begin(begun)
                first = since if first is None else first
                if time.monotonic() - first >= PATIENCE:
                    raise _given_up(error) from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._end(begun)
                return result

    def _begin(self, begun: float) -> float:
        """When it began: for whoever comes while others wait already, or have given up, earlier."""
        with self._lock:
            if self._since is None and begun >= self._ended:
                self._since = time.monotonic()
                log.warning("the database does not answer; trying again for %.0f s", PATIENCE)
            return time.monotonic() if self._since is None else self._since

    def _end(self, begun: float) -> None:
        with self._lock:
            if self._since is not None and begun >= self._since:
                self._since, self._ended = None, time.monotonic()


def _given_up(error: DatabaseGone) -> DatabaseGone:
    return DatabaseGone(
        f"{error.message.removesuffix(WAITED)}{WAITED}",
        hint="What was committed is kept. When the database is back, the same command continues "
        "from there.",
    )


WAITED = f" (tried again for {PATIENCE:.0f} s)"


class HasDatabase(Protocol):
    """What `outlasting` can be put on: its methods are whole transactions of `_database`."""

    _database: Any


def outlasting(cls: type[T]) -> type[T]:
    """Let every public method of a repository be made again while its database is gone.

    The methods must be whole transactions: nothing outside of the database may be changed by a
    part of one.
    """
    for name, method in list(vars(cls).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(cls, name, _outlasting(method))
    return cls


def _outlasting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: HasDatabase, *arguments: Any, **more: Any) -> Any:
        return self._database.outlast(lambda: method(self, *arguments, **more))

    return call
