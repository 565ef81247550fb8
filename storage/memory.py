"""How much memory there is to use."""

from __future__ import annotations

import psutil


def free_memory() -> int:
    """Bytes that can be used without swapping."""
    return psutil.virtual_memory().available
