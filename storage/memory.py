"""How much memory there is to use, and how it is used while many objects are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def free_memory() -> int:
    """Bytes that can be used without swapping."""
    import psutil  # ten milliseconds that a run which computes nothing saves

    return psutil.virtual_memory().available


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is looked for meanwhile; for making many objects that are all kept.

    With each few hundred new ones the collector goes through the young, and now and then through
    all: half of the time in which the samples of a large manifest are made, and nothing is found.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
