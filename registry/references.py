"""What was given where a name is wanted: its name, or the thing itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.errors import RegistryError
from headstart.registry.entities import Backbone, Dataset, Head
from headstart.values.showable import brief

References = str | Backbone | Sequence[str | Backbone]
"""Backbones, one or several, each by its name (and cuts) or as it is."""


JOINED = " + "
"""Between features that stand side by side, as one: `lite0@avg_pool,block9_add|gap + lite1`."""


def parts_of(reference: str) -> list[str]:
    """The references of features that are joined, or the only one; spaces stand around the `+`, as
    a path may hold one.

    Raises:
        RegistryError: one of several is empty.
    """
    parts = [part.strip() for part in reference.split(JOINED)]
    if len(parts) > 1 and not all(parts):
        raise RegistryError(
            f"part {parts.index('') + 1} of the joined features {reference!r} is empty",
            hint=f"Name a backbone on each side of the '{JOINED.strip()}'.",
        )
    return parts


def exact(names: str) -> str:
    """Features as labels name them, with the version also where it is the first: a name alone means
    the newest."""
    return JOINED.join(_exact(part) for part in parts_of(names))


def label_of(names: str) -> str:
    """Features as people read them, the contrary of `exact`: without the version where it is 1."""
    return JOINED.join(_label(part) for part in parts_of(names))


def _label(part: str) -> str:
    name, at, cut = part.partition("@")
    return f"{name.removesuffix(':1')}{at}{cut}"


def _exact(part: str) -> str:
    name, at, cut = part.partition("@")
    return f"{name if ':' in name else f'{name}:1'}{at}{cut}"


def parts_by_backbone(parts: Sequence[str]) -> list[str]:
    """The same features with all cuts of one backbone in one reference, as they are computed in one
    pass."""
    cuts: dict[str, list[str]] = {}
    for part in parts:
        name, _, wanted = part.partition("@")
        cuts.setdefault(name, []).append(wanted or "default")
    return [f"{name}@{','.join(dict.fromkeys(own))}" for name, own in cuts.items()]


def reference_of(given: Any, what: str) -> str:
    """The text by which it is found; a thing that has versions is this very version.

    Args:
        given: a name, or a backbone, dataset or head as the collections give it.
        what: is wanted, for the message.

    Raises:
        RegistryError: it is something else.
    """
    if isinstance(given, str):
        return given
    known = getattr(given, "record", given)  # of a head with its verbs
    if isinstance(known, Backbone) and what == "backbone":
        return known.reference
    if isinstance(known, Dataset) and what == "dataset":
        return known.name
    if isinstance(known, Head) and what == "head":
        return f"{known.name}:{known.version}"
    is_other = isinstance(known, Backbone | Dataset | Head)
    raise RegistryError(
        f"{brief(given)}, of type {type(given).__name__}, names no {what}",
        hint=f"Are two arguments in each other's place? Here a {what} is wanted."
        if is_other
        else "Give its name.",
    )


def references_of(given: Any, what: str) -> tuple[str, ...]:
    """The texts of several; one stands for itself.

    Raises:
        RegistryError: one of them names nothing.
    """
    many = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    return tuple(reference_of(one, what) for one in many)
