"""How much memory there is to use, and how it is used while many objects are made."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.clusters.control_groups import memory_left

MOUNTS = Path("/proc/self/mountinfo")
OF_MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems whose files take memory."""


def free_memory() -> int:
    """Bytes that can be used without swapping, and within what a container or a job is allowed."""
    import psutil  # ten milliseconds that a run which computes nothing saves

    available, left = psutil.virtual_memory().available, memory_left()
    return available if left is None else min(available, left)


def is_memory(folder: Path) -> bool:
    """Whether files of a folder take memory, as far as the system tells (`man 5 proc`)."""
    device = folder.stat().st_dev
    own = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = MOUNTS.read_text(errors="replace").splitlines()
    except FileNotFoundError:  # no Linux
        return False
    parts = [mount.split() for mount in mounts]
    return any(one[2] == own and one[one.index("-") + 1] in OF_MEMORY for one in parts)


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
