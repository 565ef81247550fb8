"""Declared shapes: what JSON from outside must look like before any of it is used.

A `Field` takes a value and where it stands, and gives the value back or raises `WrongField`,
which says what was received and what it must be. They are put together like the JSON itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from headstart.paths import DIGEST, NAME

Field = Callable[[Any, str], Any]
LARGEST = 1e300
"""Of numbers: whole ones of JSON have no end, and no float holds them."""


class WrongField(ValueError):
    """A value is not of its declared shape; caught by whoever knows which file it is in."""


def refuse(value: Any, where: str, wanted: str) -> WrongField:
    """The error for a value, which is shown in part if it is long."""
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
    return WrongField(f"{where} is {shown}; it must be {wanted}")


def text(limit: int) -> Field:
    """A text of at most `limit` characters that a database can hold."""

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str):
            raise refuse(value, where, "a text")
        if len(value) > limit:
            raise WrongField(f"{where} has {len(value):,} characters; at most {limit:,} are read")
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise refuse(value, where, "a text without NUL and lone surrogates")
        return value

    return check


def matching(pattern: Any, wanted: str) -> Field:
    """A text that matches a compiled pattern as a whole."""

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise refuse(value, where, wanted)
        return value

    return check


def moment(value: Any, where: str) -> str:
    """A time, ISO 8601, with its offset from UTC."""
    try:
        if isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None:
            return value
    except ValueError:
        pass
    raise refuse(value, where, "a time, such as 2026-01-31T12:00:00+00:00")


digest = matching(DIGEST, "a sha256 in hex")
name = matching(NAME, "a name of letters, digits, '.', '_' and '-'")


def whole(most: int) -> Field:
    """A whole number from 0 to `most`."""

    def check(value: Any, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise refuse(value, where, f"a whole number from 0 to {most:,}")
        return value

    return check


def truth(value: Any, where: str) -> bool:
    """A truth value."""
    if not isinstance(value, bool):
        raise refuse(value, where, "true or false")
    return value


def number(least: float, most: float, wanted: str) -> Field:
    """A number between two."""

    def check(value: Any, where: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise refuse(value, where, wanted)
        return value

    return check


finite = number(-LARGEST, LARGEST, "a finite number")
share = number(0, 1, "a number from 0 to 1")
from_zero = number(0, LARGEST, "a number of 0 or more")
up_to_one = number(-LARGEST, 1, "a number of at most 1")


def one_of(*values: str) -> Field:
    """One of some texts."""

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in values:
            raise refuse(value, where, f"one of {', '.join(values)}")
        return value

    return check


def optional(field: Field) -> Field:
    """None, or what the field says."""
    return lambda value, where: None if value is None else field(value, where)


def anything(value: Any, where: str) -> Any:
    """What another part of the code looks at."""
    del where
    return value


def list_of(field: Field, count: int | None = None) -> Field:
    """A list whose values all are what the field says; of so many, where a `count` is given."""

    def check(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list) or count not in (None, len(value)):
            raise refuse(value, where, "a list" if count is None else f"a list of {count:,}")
        return [field(one, f"{where}[{place}]") for place, one in enumerate(value)]

    return check


def mapping(key: Field, field: Field, most: int) -> Field:
    """An object with any keys, at most so many."""

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise refuse(value, where, "an object")
        if len(value) > most:
            raise WrongField(f"{where} has {len(value):,} keys; at most {most:,} are read")
        named = {key(one, f"a key of {where}"): other for one, other in value.items()}
        return {one: field(other, f"{where}[{one[:60]!r}]") for one, other in named.items()}

    return check


def either(first: Field, other: Field) -> Field:
    """What one of two fields says; where it is neither, the second says why."""

    def check(value: Any, where: str) -> Any:
        try:
            return first(value, where)
        except WrongField:
            return other(value, where)

    return check


def known(fields: Mapping[str, Field], needed: Collection[str] = ()) -> Field:
    """An object in which these fields, where they are there, are what is said; some are `needed`.
    Nobody looks at others, of which numbers alone have to be finite."""

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise refuse(value, where, "an object")
        for one in needed:
            if one not in value:
                raise WrongField(f"{where} has no field {one!r}")
        for one, other in value.items():
            rule = finite if isinstance(other, float) else anything
            fields.get(one, rule)(other, f"{where}.{one[:60]}")
        return value

    return check


def record(fields: Mapping[str, Field], more: Field | None = None) -> Field:
    """An object with just these fields; others must be what `more` says, or are refused."""

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise refuse(value, where, "an object")
        at = f"{where}." if where else ""
        for one in value.keys() - fields.keys() if more is None else ():
            raise WrongField(
                f"{where or 'it'} has a field {one[:60]!r} that this code does not know"
            )
        for one in fields.keys() - value.keys():
            raise WrongField(f"{where or 'it'} has no field {one!r}")
        return {
            one: fields.get(one, more or anything)(other, f"{at}{one[:60]}")
            for one, other in value.items()
        }

    return check


def read_json(content: bytes, where: str) -> Any:
    """JSON from outside.

    Raises:
        WrongField: it is no JSON, or it is nested more deeply than Python reads.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise WrongField(f"{where} is nested too deeply") from None
    except ValueError as error:
        raise WrongField(f"{where} is no JSON: {str(error)[:100]}") from error
