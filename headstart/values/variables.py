"""What variables of the environment may say, wherever it is looked at."""

from __future__ import annotations

import os
from collections.abc import Callable

from headstart.errors import HeadstartError, InvalidValue
from headstart.values.defaults import PREFIX, user_defaults
from headstart.values.sizes import bytes_in

YES = frozenset(("1", "true", "t", "yes", "y", "on"))
NO = frozenset(("0", "false", "f", "no", "n", "off", ""))
FORMATS = ("text", "json")
"""In which standard error is written."""


def truth_in(text: str) -> bool | None:
    """Whether a text says yes; None where it says neither yes nor no."""
    word = text.strip().lower()
    return word in YES if word in YES | NO else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


TAKES: dict[str, tuple[Callable[[str], bool], str]] = {
    f"{PREFIX}JSON": (lambda text: truth_in(text) is not None, "1 or 0"),
    f"{PREFIX}DEBUG": (lambda text: truth_in(text) is not None, "1 or 0"),
    f"{PREFIX}LOG_FORMAT": (lambda text: text in FORMATS, " or ".join(FORMATS)),
    f"{PREFIX}CORES": (_is_count, "a number of cores, 1 or more"),
    f"{PREFIX}CACHE_SIZE": (lambda text: bytes_in(text) is not None, "a size such as 20GB"),
}
"""Of each variable that is no option of one command: whether a text may be in it, and what may."""


def problem_of(variable: str) -> str | None:
    """What is wrong with what a variable says; None where nothing is."""
    value = os.environ.get(variable)
    if not value or variable not in TAKES:
        return None
    is_one, takes = TAKES[variable]
    return None if is_one(value) else f"{value!r} is not {takes}"


def problem_of_user() -> str | None:
    """What is wrong with the user's own configuration; None where nothing is."""
    try:
        user_defaults()
    except HeadstartError as error:
        return str(error)
    return None


def check_settings() -> None:
    """See that all commands can use the environment and the user's own configuration.

    Raises:
        InvalidValue: a variable says what it cannot say, or the file what is not known.
        WorkspaceError: the file cannot be read.
    """
    for variable in TAKES:
        if problem := problem_of(variable):
            raise InvalidValue(
                f"${variable} is wrong: {problem}",
                hint="Fix or unset it; `headstart config show` lists all.",
            )
    user_defaults()
