"""What of a thing changed: the parts that differ, as far as a person would read."""

from __future__ import annotations

from typing import Any

KEPT = 200
"""Entries of one mapping that are written down; of more, how many there are."""
MORE = "…"


def differences(
    before: dict[str, Any], after: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries of two nested mappings that differ: as they were, and as they are.

    Of a mapping in which more than `KEPT` differ the first so many are given, and under `…` how
    many there are in all.
    """
    was: dict[str, Any] = {}
    is_now: dict[str, Any] = {}
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    for name in changed[:KEPT]:
        old, new = before.get(name), after.get(name)
        if isinstance(old or {}, dict) and isinstance(new or {}, dict) and (old or new):
            old, new = differences(old or {}, new or {})
        if name in before:
            was[name] = old
        if name in after:
            is_now[name] = new
    if len(changed) > KEPT:
        is_now[MORE] = len(changed)
    return was, is_now
