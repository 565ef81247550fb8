"""Settings that people give by name: each is taken by its declared type, or refused by its name."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar

from headstart.errors import InvalidValue
from headstart.values.seeds import check_seed
from headstart.values.showable import Showable, brief


class Options(Showable):
    """Base of frozen dataclasses of settings; a field that is given otherwise than declared is
    taken where it is clear what is meant (a number for several), and refused where it is not.

    A subclass says what is raised, `class MLP(Options, error=InvalidHeadSetting)`, and calls
    `super().__post_init__()` before it looks further at its fields.
    """

    _error: ClassVar[type[InvalidValue]] = InvalidValue

    def __init_subclass__(cls, error: type[InvalidValue] | None = None, **given: Any) -> None:
        super().__init_subclass__(**given)
        cls._error = error or cls._error

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = self._taken(field, getattr(self, field.name))
            if field.name == "seed":
                check_seed(value, f"seed of {type(self).__name__}")
            object.__setattr__(self, field.name, value)

    def _taken(self, field: Field[Any], given: Any) -> Any:
        declared, _, none = str(field.type).partition(" | ")
        if declared not in TAKERS or (given is None and none == "None"):
            return given
        take, wanted = TAKERS[declared]
        try:
            return take(given)
        except (TypeError, ValueError):
            raise self._error(
                f"{field.name} of {type(self).__name__} is {brief(given)}, "
                f"of type {type(given).__name__}",
                hint=f"Give {wanted}{' or None' if none else ''}.",
            ) from None

    def _line(self) -> str:
        """What is not as it would be without a word."""
        return ", ".join(
            f"{field.name}={brief(getattr(self, field.name))}"
            for field in fields(self)  # type: ignore[arg-type]
            if field.default is MISSING or getattr(self, field.name) != field.default
        )


def _whole(given: Any) -> int:
    if isinstance(given, bool):
        raise TypeError
    return operator.index(given)


def _number(given: Any) -> float | int:
    """Numpy's numbers too; no truth value, no text."""
    if isinstance(given, bool | str | bytes):
        raise TypeError
    number = given if isinstance(given, int) else float(given)
    if math.isnan(number):
        raise ValueError
    return number


def _truth(given: Any) -> bool:
    if type(given).__name__ not in ("bool", "bool_"):
        raise TypeError
    return bool(given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError
    return given


def _label(given: Any) -> Any:
    return given if isinstance(given, str) else _whole(given)


def _each(take: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Several values; one stands for itself."""

    def taken(given: Any) -> tuple[Any, ...]:
        if isinstance(given, str) or not hasattr(given, "__iter__"):
            return (take(given),)
        return tuple(map(take, given))

    return taken


TAKERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "int": (_whole, "a whole number"),
    "float": (_number, "a number"),
    "bool": (_truth, "True or False"),
    "str": (_text, "a text"),
    "tuple[int, ...]": (_each(_whole), "whole numbers"),
    "tuple[float, ...]": (_each(_number), "numbers"),
    "tuple[str, ...]": (_each(_text), "texts"),
    "tuple[Label, ...]": (_each(_label), "labels"),
}
"""By the annotation of a field: how it is taken, and what is said of it."""


def taken(name: str, given: Any, declared: str, error: type[InvalidValue]) -> Any:
    """An argument as it is declared, such as `int`; numpy's numbers are numbers too.

    Args:
        name: of the argument.
        given: its value.
        declared: one of `TAKERS`.
        error: raised where it is none.
    """
    take, wanted = TAKERS[declared]
    try:
        value = take(given)
    except (TypeError, ValueError):
        raise error(
            f"{name} is {brief(given)}, of type {type(given).__name__}",
            hint=f"Give {wanted}.",
        ) from None
    if name == "seed":
        check_seed(value)
    return value
