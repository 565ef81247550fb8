"""What each row of a listing is called by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def names_in(rows: Sequence[Mapping[str, Any]], *, are_all: bool = True) -> list[str]:
    """Of each its version where its name has several, the name alone behind the version that it
    means, aliases.

    Args:
        rows: of the listing.
        are_all: whether no other version was left out; else each is called by its own.
    """
    latest: dict[str, int] = {}
    for row in rows:
        latest[row["name"]] = max(row["version"], latest.get(row["name"], 0))
    return [" = ".join(_names_of(row, latest[row["name"]] if are_all else None)) for row in rows]


def _names_of(row: Mapping[str, Any], latest: int | None) -> list[str]:
    name, version = row["name"], row["version"]
    alone = [name] if version == latest else []
    return [*([f"{name}:{version}"] if latest != 1 else []), *alone, *row["aliases"]]
