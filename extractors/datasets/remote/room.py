"""How many bytes that nobody has taken yet are in memory at once, over all threads that read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TypeVar

T = TypeVar("T")
MOST_HELD = 1 << 28
"""Bytes of answers that are there or under way, and not taken yet; a larger one comes alone."""
_of_thread = threading.local()


class Room:
    """What is held for answers, which are numbered in the order they are asked for in.

    An answer waits until there is room, or until somebody waits for it or one behind it: so none
    waits forever.
    """

    def __init__(self) -> None:
        self._held: Counter[int] = Counter()
        self._wanted, self._is_closed = -1, False
        self._changed = threading.Condition()

    def run(self, number: int, make: Callable[[], T]) -> T:
        """What `make` gives, for which `Share.take` takes room of an answer."""
        _of_thread.share = Share(self, number)
        try:
            return make()
        finally:
            del _of_thread.share

    def taken(self, number: int, get: Callable[[], T]) -> T:
        """What `get` gives, which waits for an answer that somebody wants now; its room is free
        then."""
        with self._changed:
            self._wanted = max(self._wanted, number)
            self._changed.notify_all()
        try:
            return get()
        finally:
            self.give(number, None)

    def take(self, number: int, size: int, *, waits: bool) -> bool:
        """Take room for an answer; False if there is none, and it does not wait.

        Raises:
            CancelledError: nobody will want it.
        """
        with self._changed:
            while not self._fits(number, size):
                if not waits:
                    return False
                self._changed.wait()
            self._held[number] += size
            return True

    def give(self, number: int, size: int | None) -> None:
        """Give back bytes of an answer; all of them for None."""
        with self._changed:
            left = 0 if size is None else self._held[number] - size
            self._held[number] = left
            if left <= 0:
                del self._held[number]
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing is wanted any more but what somebody waits for."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _fits(self, number: int, size: int) -> bool:
        if number <= self._wanted:
            return True
        if self._is_closed:
            raise CancelledError
        return not self._held or self._held.total() + size <= MOST_HELD


class Share:
    """The room of one answer."""

    def __init__(self, room: Room | None, number: int) -> None:
        self._room, self._number = room, number

    def take(self, size: int, *, waits: bool) -> bool:
        """See `Room.take`."""
        return self._room is None or self._room.take(self._number, size, waits=waits)

    def give(self, size: int) -> None:
        """Give back bytes."""
        if self._room is not None:
            self._room.give(self._number, size)


def share_here() -> Share:
    """The room of the answer that this thread makes; without end where it makes none."""
    return getattr(_of_thread, "share", None) or Share(None, 0)
