"""How much memory there is to use."""

from __future__ import annotations


def free_memory() -> int:
    """Bytes that can be used without swapping."""
    import psutil  # ten milliseconds that a run which computes nothing saves

    return psutil.virtual_memory().available
