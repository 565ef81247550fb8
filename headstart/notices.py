"""What a user should know although nothing failed: warnings of Python."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

from headstart.visible import in_number

P = ParamSpec("P")
R = TypeVar("R")


class HeadstartWarning(UserWarning):
    """Something was left out or cannot be used; the message names it."""


class HeadstartNote(HeadstartWarning):
    """Something was found out by itself, and is nothing to worry about; the message says what."""


class FewSamples(HeadstartWarning):
    """Classes have too few samples for a score to say much; the message names them."""


class DifferingCopies(HeadstartWarning):
    """Samples of one content have different labels; the message names them."""


def warn(message: str, category: type[HeadstartWarning] = HeadstartWarning) -> None:
    """Tell whoever called; the command line prints it as one line on standard error."""
    warnings.warn(_in_words(message), category, stacklevel=3)


_HELD: ContextVar[list[str] | None] = ContextVar("_HELD", default=None)


def tell(message: str) -> None:
    """As `warn`, of what was found out by itself."""
    if (held := _HELD.get()) is not None:
        held.append(message)
        return
    warnings.warn(_in_words(message), HeadstartNote, stacklevel=3)


@contextmanager
def told_when_done() -> Iterator[None]:
    """What the block `tell`s is told at its end, and not at all if it fails: of a transaction that
    is rolled back nothing came true. It goes around that."""
    held: list[str] = []
    token = _HELD.set(held)
    try:
        yield
    finally:
        _HELD.reset(token)
    for message in held:
        tell(message)


_NAMES: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("_NAMES", default=())


@contextmanager
def said_as(place: str, name: str) -> Iterator[None]:
    """Within it, what is told of a place is told by a name that its user knows."""
    token = _NAMES.set((*_NAMES.get(), (place, name)))
    try:
        yield
    finally:
        _NAMES.reset(token)


def _in_words(message: str) -> str:
    for place, name in _NAMES.get():
        message = message.replace(place, name)
    return in_number(message)


def renamed(**new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take arguments by their old names: `@renamed(old="new")`.

    Raises:
        TypeError: when it is called with both names, as Python does for what is given twice.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*arguments: P.args, **given: P.kwargs) -> R:
            named: dict[str, Any] = given
            for old in new.keys() & named.keys():
                if new[old] in named:
                    raise TypeError(f"{function.__name__}() got {old!r} and {new[old]!r}: one name")
                warnings.warn(
                    f"{function.__name__}({old}=…) is called {new[old]} now",
                    DeprecationWarning,
                    stacklevel=3,  # behind the check of arguments, of whoever called
                )
                named[new[old]] = named.pop(old)
            return function(*arguments, **named)  # type: ignore[arg-type]

        return call

    return decorate
