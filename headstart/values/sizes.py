"""Sizes as people write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MILLION = 1_000_000
"""Samples that are looked at where features are compared, unless more are asked for."""


def bytes_in(text: str) -> int | None:
    """`500MB`, `20GiB`, `1000` in bytes; units are powers of 1024. None of what is no size."""
    found = SIZE.fullmatch(text.strip())
    return None if found is None else int(float(found[1]) * UNITS[found[2].upper()])


def size_text(size: float) -> str:
    """Bytes in the unit in which they are a short number, such as `12.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape as `7x7x1280`; `?` stands for what is not fixed."""
    return "x".join("?" if size is None else str(size) for size in shape) or "scalar"
