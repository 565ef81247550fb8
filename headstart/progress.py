"""How callers are told how far something is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with (done, all)."""


def silent(_done: int, _total: int) -> None:
    """The progress of callers who do not look."""
