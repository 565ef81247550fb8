"""Names: which are allowed, how a version is written, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from headstart.errors import RegistryError
from headstart.paths import NAME
from headstart.values.showable import brief

LONGEST = 200
"""Letters of a name, as `NAME` has it."""
MOST_DIGITS = 9
"""Of a version: a larger one is no integer of PostgreSQL."""


def check_name(name: str, what: str, other: object = None) -> str:
    """Give the name back if it may be used.

    Args:
        name: that was given.
        what: it is to be the name of.
        other: what was given behind it, which may have been meant.

    Raises:
        RegistryError: it holds a character that has a meaning in references or paths.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        is_place = isinstance(name, str) and ("/" in name or ":" in name or _is_there(name))
        is_name = isinstance(other, str) and NAME.fullmatch(other) and not _is_there(other)
        is_long = isinstance(name, str) and len(name) > LONGEST
        is_behind = is_place and is_name
        raise RegistryError(
            f"{brief(name) if is_long else repr(name)} cannot name a {what}",
            hint="Use a to z, A to Z, digits, '.', '_' and '-', beginning with a letter or digit"
            + (f", {LONGEST} at most." if is_long else ".")
            + (f" The name comes first: {other} {name}?" if is_behind else ""),
        )
    return name


def _is_there(place: str) -> bool:
    try:
        return bool(place) and Path(place).exists()
    except OSError:  # too long for one
        return False


def split_version(reference: str) -> tuple[str, int | None]:
    """`vgg16:2` is version 2 of vgg16; without a number it is the latest. A number that no database
    holds is none: nothing has such a name."""
    name, colon, version = reference.rpartition(":")
    if colon and version.isdecimal() and len(version) <= MOST_DIGITS:
        return name, int(version)
    return reference, None


def nearest(wanted: str, known: Iterable[str]) -> str | None:
    """A question that names what was probably meant; None where nothing is near."""
    spelled = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(wanted.lower(), list(spelled), n=3, cutoff=0.5)
    if not matches:
        return None
    return f"Did you mean {' or '.join(repr(spelled[match]) for match in matches)}?"
