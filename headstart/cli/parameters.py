"""Files that commands write: what is there is not written over unasked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


class OutputFile(click.Path):
    """The type of an argument or option that names a file, or a folder, to write.

    A command that has one gets `--force`, and is only called where nothing is written over that
    its user did not mean to: a terminal is asked, elsewhere it is an error.

    Args:
        beside: suffixes of what the command writes beside it, as `NAME.md` of `NAME.keras`; by the
            file's own suffix.
    """

    def __init__(self, beside: dict[str, Sequence[str]] | None = None) -> None:
        super().__init__(path_type=Path)
        self._beside = beside or {}

    def written(self, file: Path) -> list[Path]:
        """What a command writes that is given this file."""
        own = self._beside.get(file.suffix.lower(), self._beside.get("*", ()))
        return [file, *(file.with_suffix(suffix) for suffix in own)]


def outputs_of(parameters: Sequence[click.Parameter]) -> list[click.Parameter]:
    """Those of a command that name a file to write."""
    return [one for one in parameters if isinstance(one.type, OutputFile)]


def force_option() -> click.Option:
    """Of every command that writes a file."""
    return click.Option(["--force"], is_flag=True, help="Write over a file that is there.")


def ask_about(outputs: Sequence[click.Parameter], given: dict[str, Any]) -> None:
    """See that a command writes over nothing unasked.

    Args:
        outputs: its parameters that name a file to write.
        given: its parameters by name.

    Raises:
        click.ClickException: a file is there, and nobody was asked, or said no.
    """
    for one in outputs:
        file = given[str(one.name)]
        kind = one.type
        if file is None or not isinstance(kind, OutputFile):
            continue
        there = [path for path in kind.written(file.expanduser()) if path.exists()]
        if there:
            _ask(there)


def _ask(there: Sequence[Path]) -> None:
    names = " and ".join(map(str, there))
    verb, them = ("is", "it") if len(there) == 1 else ("are", "them")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.ClickException(f"{names} {verb} there. Add --force to write over {them}.")
    if not click.confirm(f"{names} {verb} there. Write over {them}?", err=True):
        raise click.ClickException(f"nothing was written; {names} {verb} as before.")
