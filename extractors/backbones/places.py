"""Sources of backbones as texts: a path, or a scheme with what stands behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCHEMES = ("applications", "zoo", "kerashub")


def scheme_of(source: Any) -> str | None:
    """Of a source that is no path and no model: `applications`, `zoo` or `kerashub`."""
    scheme = source.partition(":")[0] if isinstance(source, str) and ":" in source else None
    return scheme if scheme in SCHEMES else None


def local_part(source: str) -> str | None:
    """The path in a source, as it is spelled there; None where it names no file or folder."""
    return _parts(source)[1]


def made_absolute(source: str) -> str:
    """A source that means the same in every folder."""
    before, part, behind = _parts(source)
    place = "" if part is None else Path(part).expanduser().absolute()
    return f"{before}{place}{behind}"


def _parts(source: str) -> tuple[str, str | None, str]:
    """What stands before the path in a source, the path, what stands behind it."""
    scheme = scheme_of(source)
    if scheme == "kerashub":
        return f"{scheme}:", source.partition(":")[2], ""
    if scheme is None:
        return "", source, ""
    before, mark, rest = source.partition("weights=")
    weights, end, behind = rest.partition("&")
    if scheme == "zoo" or weights in ("", "none", "imagenet"):
        return source, None, ""
    return before + mark, weights, end + behind
