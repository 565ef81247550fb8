"""How versions, shapes and scores are told in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def named(name: str, version: int) -> str:
    """What finds a version again; the first needs no number."""
    return name if version == 1 else f"{name}:{version}"


def shaped(shape: Sequence[int | None]) -> str:
    """`7x7x1280`, with `?` for a size that is open."""
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"


def scored(metrics: Mapping[str, Any], name: str) -> str:
    """A score, and the interval in which it surely lies where there is one."""
    ends = metrics.get("intervals", {}).get(name)
    told = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else ""
    return f"{metrics[name]:.2f}{told}"
