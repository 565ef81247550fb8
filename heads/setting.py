"""A setting of a kind of head: from its declaration come the options of `head train`, the values
that `head sweep` tries, and how a text is read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

K = TypeVar("K")
COMMAS = "numbers with commas"


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: of the kind's field, and with dashes on the command line.
        help: for the command line.
        number: the type of its numbers.
        takes: `one` number; `candidates`, several numbers among which the fit chooses; or `list`,
            several numbers that are one value, such as widths; or `text`.
    """

    name: str
    help: str
    number: type[int] | type[float] | type[str] = float
    takes: Literal["one", "candidates", "list", "text"] = "one"

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    def read(self, text: str) -> Any:
        """The value that `head train` is told: a number, several with commas, or a text.

        Raises:
            ValueError: it is none; the message says so.
        """
        if self.takes == "text":
            return text
        parts, whole = _parts(text), "whole " if self.number is int else ""
        wanted = f"one {whole}number" if self.takes == "one" else COMMAS
        if self.takes == "one" and len(parts) != 1:
            raise self._wrong(text, wanted)
        numbers = self._numbers(parts, text, wanted)
        return numbers[0] if self.takes == "one" else numbers

    def read_each(self, text: str) -> tuple[Any, ...]:
        """The values that `head sweep` is told, with commas; numbers of a list have an x between.

        Raises:
            ValueError: one is none; the message says so.
        """
        if self.takes == "text":  # which may hold commas: one value
            return (text,)
        parts = _parts(text)
        if self.takes == "list":
            return tuple(self._numbers(part.split("x"), text) for part in parts)
        numbers = self._numbers(parts, text)
        return numbers if self.takes == "one" else tuple((number,) for number in numbers)

    def _numbers(self, parts: Sequence[str], text: str, wanted: str = COMMAS) -> tuple[Any, ...]:
        try:
            return tuple(self.number(part) for part in parts)
        except ValueError:
            raise self._wrong(text, wanted) from None

    def _wrong(self, text: str, wanted: str) -> ValueError:
        return ValueError(f"{self.flag} takes {wanted}, received {text!r}.")


def combinations(kind: type[K], given: Mapping[str, Sequence[Any]]) -> list[K]:
    """A head of each combination of the values that a kind's settings were given.

    Args:
        kind: of the heads.
        given: values by setting; those of other kinds are left aside.
    """
    made: Any = kind
    axes = {one.name: given[one.name] for one in made.options if one.name in given}
    chosen = itertools.product(*axes.values())
    return [made(**dict(zip(axes, values, strict=True))) for values in chosen]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
