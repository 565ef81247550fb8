"""Waiting for many answers at once: what lies far is asked for before it is wanted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from headstart.extractors.daemons import Daemons
from headstart.extractors.datasets.remote.room import Room

A = TypeVar("A")
T = TypeVar("T")
READERS = 32
"""Objects that are asked for at once: a request takes 20 to 200 ms, of which nobody computes."""
WAITING = 2 * READERS
"""Answers that are there or under way, and not wanted yet: so many are in memory,
and no more than `room.MOST_HELD` bytes of what `make` reads from afar."""


def ahead(
    items: Iterable[A], make: Callable[[A], T], is_far: Callable[[A], bool]
) -> Iterator[tuple[A, Callable[[], T]]]:
    """Items, each with what gives its value; that of a far one is under way already.

    Args:
        items: in order.
        make: the value of an item; called by other threads for far ones, by the caller for others.
        is_far: whether an item's value is waited for, not computed.
    """
    waiting: deque[tuple[A, Callable[[], T]]] = deque()
    pool: Daemons | None = None
    room, is_left = Room(), True
    try:
        for number, item in enumerate(items):
            if is_far(item):
                pool = pool or Daemons(READERS)
                answer = pool.submit(room.run, number, partial(make, item))
                waiting.append((item, partial(room.taken, number, answer.result)))
            else:
                waiting.append((item, partial(make, item)))
            if pool is None or len(waiting) >= WAITING:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
        is_left = False  # what was given out last may still be under way
    finally:
        if is_left:
            room.close()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=is_left)
