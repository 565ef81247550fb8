"""How much memory there is to use."""

from __future__ import annotations

import os
from pathlib import Path


def free_memory() -> int:
    """Bytes that can be used without swapping; of the whole machine where that is not told."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return 1024 * int(value.split()[0])
    except OSError:
        pass  # no Linux
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
