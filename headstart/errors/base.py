"""What every error has, and with what the command line ends by its code."""

from __future__ import annotations

from headstart.visible import in_number, visible, without_addresses

EXITS = {
    "failed": 1,
    "bug": 1,
    "usage": 2,
    "not_found": 3,
    "damaged": 4,
    "unreadable": 4,
    "changed": 4,
    "busy": 5,
    "exists": 6,
    "in_use": 6,
    "unsafe": 7,
    "unavailable": 8,
    "cluster": 8,
    "storage": 9,
    "schema": 10,
    "foreign_database": 10,
    "denied": 11,
    "interrupted": 130,
}
"""With what the command line ends, by the code of an error: `usage` of a command line that is none,
`bug` of what nobody foresaw, `interrupted` of Ctrl-C, and the codes of all classes; 1 of any
other, as of a plug-in; 143 is of SIGTERM.
"""


class HeadstartError(Exception):
    """Base of all errors that Headstart raises on purpose.

    Args:
        message: what was received, and where (file, dataset, row).
        hint: what to do next; printed behind the message.

    Attributes:
        code: its kind in a word, for programs, one of `EXITS`; `--json` gives it, and
            docs/commands.md says what each means.
    """

    code: str = "failed"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = in_number(without_addresses(message))
        super().__init__(self.message)
        self.hint = hint

    def __str__(self) -> str:
        text = visible(" ".join(self.message.split()))
        if self.hint is None:
            return text
        return f"{text.rstrip('.')}. {visible(' '.join(self.hint.split()))}"


class InvalidValue(HeadstartError, ValueError):
    """An argument is of a kind, or of a form, that is not taken there."""

    code = "usage"


class FileMissing(HeadstartError):
    """There is nothing at a path that was given."""

    code = "not_found"


def first_line(error: BaseException, limit: int = 200) -> str:
    """A foreign exception in one line: its type and the first line of its message."""
    text = without_addresses(str(error)).strip()
    line = text.splitlines()[0].strip() if text else ""
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
