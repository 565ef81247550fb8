"""Conditions and orders as people write them: `tag.team=a`, `samples>=1000`, `accuracy:asc`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.errors import InvalidValue
from headstart.paths import NAME

CONDITION = re.compile(r"\s*([^\s=<>!]+)\s*(?:(!=|<=|>=|=|<|>)\s*(.*?)\s*)?", re.DOTALL)
THERE = "there"
"""The operator of `tag.KEY` alone: there is such a tag, whatever it says."""
TAG = "tag."
DIRECTIONS = {"asc": False, "desc": True}
EXAMPLES = "Such as tag.team=a, name!=old or created_at>7d."


@dataclass(frozen=True)
class Condition:
    """What is to hold of a field.

    Attributes:
        field: its name.
        operator: `=`, `!=`, `<`, `<=`, `>`, `>=`, or `THERE`.
        value: with which it is compared.
    """

    field: str
    operator: str
    value: str = ""

    @staticmethod
    def read(text: str) -> Condition:
        """From its words.

        Raises:
            InvalidValue: it is none.
        """
        found = CONDITION.fullmatch(text)
        field, operator, value = found.groups() if found else ("", None, None)
        if not field or (operator is None and not field.startswith(TAG)):
            raise InvalidValue(f"a filter is FIELD=VALUE, received {text!r}", hint=EXAMPLES)
        return Condition(field, operator or THERE, value or "")

    def __str__(self) -> str:
        return f"{self.field}{'' if self.operator == THERE else self.operator}{self.value}"


@dataclass(frozen=True)
class Selection:
    """Which rows of a listing, in which order, and how many.

    Attributes:
        conditions: that all hold.
        sort: a field; the order of the listing without it.
        descending: from the largest down; None for numbers and times so, and texts from A on.
        limit: at most so many.
    """

    conditions: tuple[Condition, ...] = ()
    sort: str | None = None
    descending: bool | None = None
    limit: int | None = None

    @staticmethod
    def read(
        filters: str | Sequence[str] | None = (), sort: str | None = None, limit: int | None = None
    ) -> Selection:
        """From the words for each.

        Args:
            filters: conditions, one or several.
            sort: `FIELD`, `FIELD:asc` or `FIELD:desc`.
            limit: at most so many, 1 or more.

        Raises:
            InvalidValue: one of them is none.
        """
        given = [filters] if isinstance(filters, str) else filters or ()
        field, colon, direction = (sort or "").rpartition(":") if sort else ("", "", "")
        if sort and (not colon or direction not in DIRECTIONS):
            field, direction = sort, ""
        if limit is not None and limit < 1:
            raise InvalidValue(f"limit is {limit}", hint="Give 1 or more.")
        conditions = tuple(map(Condition.read, given))
        return Selection(conditions, field or None, DIRECTIONS.get(direction), limit)


ALL = Selection()


def tags_in_words(texts: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE`, each, as a dictionary.

    Raises:
        InvalidValue: one is none.
    """
    parsed = dict[str, str]()
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidValue(f"a tag is KEY=VALUE, received {text!r}", hint="Such as team=a.")
        parsed[key] = value
    checked_tags(parsed)
    return parsed


def checked_tags(tags: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Tags that can be set, and asked for as `tag.KEY`.

    Raises:
        InvalidValue: a key is no name, or a value is no text.
    """
    for key, value in (tags or {}).items():
        if not isinstance(key, str) or not NAME.fullmatch(key):
            raise InvalidValue(
                f"{key!r} cannot be the key of a tag",
                hint="Use a to z, A to Z, digits, '.', '_' and '-', beginning with a letter or "
                "digit.",
            )
        if value is not None and not isinstance(value, str):
            raise InvalidValue(
                f"tag {key} is {value!r}, no text", hint="Write it as a text; None takes it away."
            )
    return dict(tags or {})
