"""What a container, a pod or a cluster's job is allowed: limits of Linux' control groups.

A process in one sees the memory and the processors of the whole machine, and is killed or slowed
down when it takes them. Version 2 (`Documentation/admin-guide/cgroup-v2.rst` of the kernel) and
version 1 (`Documentation/admin-guide/cgroup-v1`) are read, where they usually are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

OWN = Path("/proc/self/cgroup")
MOUNTED = Path("/sys/fs/cgroup")


def memory_left() -> int | None:
    """Bytes that this process may still take, by its own group and those around it.

    Copies of files that nobody has looked at lately are given back when memory is asked for, so
    that they do not count as taken; nothing where there is no limit.
    """
    left = [
        limit - max(0, used - _unused_copies(group))
        for group in _groups("memory")
        for limit in _limits(group)
        if (used := _number(group / "memory.current", group / "memory.usage_in_bytes")) is not None
    ]
    return max(0, min(left)) if left else None


def processors() -> int | None:
    """How many processors' time the groups give, rounded up; nothing where there is no limit."""
    shares = [share for group in _groups("cpu") if (share := _share(group)) is not None]
    return max(1, math.ceil(min(shares))) if shares else None


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the group that this process is in and of those around it.

    Inside a container the folder of its own group may be the top one, by whatever name the system
    knows it outside: folders that are not there are left out.
    """
    for line in _text(OWN).splitlines():
        _, controllers, name = line.split(":", 2)
        top = MOUNTED / controller if controllers else MOUNTED
        if not controllers or controller in controllers.split(","):
            own = top / name.strip("/")
            around = [own, *own.parents]
            yield from (one for one in around if one.is_relative_to(top) and one.is_dir())


def _limits(group: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
        limit = _number(group / name)
        if limit is not None:
            yield limit


def _unused_copies(group: Path) -> int:
    """Bytes of files in memory that no one has looked at lately, of a group with those within."""
    found = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines())
    return int(found.get("total_inactive_file", found.get("inactive_file", 0)))


def _share(group: Path) -> float | None:
    """Processors' time in a second that a group may take."""
    limit, _, period = _text(group / "cpu.max").strip().partition(" ")
    if period:
        return None if limit == "max" else int(limit) / int(period)
    quota, length = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return None if quota is None or not length or quota < 0 else quota / length


def _number(*places: Path) -> int | None:
    """The number in the first of the files that is there; nothing for `max`, which is no limit."""
    texts = (_text(place).strip() for place in places)
    text = next((text for text in texts if text), "max")
    return None if text == "max" else int(text)


def _text(place: Path) -> str:
    """What is in a file of the system; nothing where it has none (no Linux, another version)."""
    try:
        return place.read_text()
    except OSError:
        return ""
