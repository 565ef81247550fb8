"""How many requests may compute at a time: others are sent away before they hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

MOST = 4
"""One computes with all cores, the others wait: each with a thread, of which the page has 40, and
with up to 16 MB that were sent."""


class Turns:
    """Taken on the event loop alone, so nothing is locked.

    Args:
        most: that are taken at a time.
    """

    def __init__(self, most: int = MOST) -> None:
        self._left = most

    @contextmanager
    def take(self) -> Iterator[None]:
        """One of them, until it is given back.

        Raises:
            HTTPException: all are taken.
        """
        if self._left < 1:
            raise HTTPException(
                503, "Others are being answered. Try again.", headers={"retry-after": "5"}
            )
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
