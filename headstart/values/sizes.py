"""Sizes as people write them."""

from __future__ import annotations

import re

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
MILLION = 1_000_000
"""Samples that are looked at where features are compared, unless more are asked for."""


def bytes_in(text: str) -> int | None:
    """`500MB`, `20GiB`, `1000` in bytes; units are powers of 1024. None of what is no size."""
    found = SIZE.fullmatch(text.strip())
    return None if found is None else int(float(found[1]) * UNITS[found[2].upper()])
