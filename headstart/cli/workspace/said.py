"""What commands say on standard error: how much of it, and as lines for people or for programs."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from headstart.database_urls import without_passwords
from headstart.values.logs import ROOT, logger
from headstart.values.variables import FORMATS
from headstart.visible import shortened, visible, visible_json

VARIABLE = "HEADSTART_LOG_FORMAT"
LEVELS = {-2: logging.ERROR, -1: logging.WARNING, 0: logging.WARNING, 1: logging.INFO}
"""Of the library's own loggers, by how often -v was given, less -q; beyond them all, or errors."""


@dataclass
class Said:
    """What is said in this process.

    Attributes:
        verbosity: how often -v was given, less how often -q was.
        as_json: whether each line is a JSON object.
    """

    verbosity: int = 0
    as_json: bool = False

    @property
    def notes(self) -> int:
        """From which level on the command line's own lines are printed."""
        return {0: logging.INFO, -1: logging.WARNING}.get(min(self.verbosity, 0), logging.ERROR)

    @property
    def logs(self) -> int:
        """From which level on what the library logs is printed."""
        return LEVELS.get(self.verbosity, logging.DEBUG if self.verbosity > 0 else logging.ERROR)


said = Said()


def begin(given: Sequence[str]) -> None:
    """Forget what an earlier command line of this process asked for; in which format errors are
    said is known before all else is read."""
    said.verbosity = 0
    wanted = os.environ.get(VARIABLE)
    for before, one in zip(("", *given), given, strict=False):
        if before == "--log-format":
            wanted = one
        elif one.startswith("--log-format="):
            wanted = one.partition("=")[2]
    said.as_json = wanted == "json"


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-v, -q and --log-format of a command, or of all."""
    verbose = click.option(
        "-v", "--verbose", count=True, help="Print what is done; -vv also prints every step."
    )
    quiet = click.option(
        "-q", "--quiet", count=True, help="Print warnings and errors only; -qq prints errors only."
    )
    form = click.option(
        "--log-format",
        type=click.Choice(FORMATS),
        help="json: each line on standard error is an object with time, level and message.",
    )
    return verbose(quiet(form(function)))


def ask(verbose: int, quiet: int, log_format: str | None) -> None:
    """Take up the options, which stand before or behind the name of a command."""
    said.verbosity += verbose - quiet
    if log_format is not None:
        said.as_json = log_format == "json"


def is_quiet() -> bool:
    """Whether no more than warnings is said."""
    return said.verbosity < 0


def say(message: str, level: int = logging.INFO, name: str = ROOT) -> None:
    """A line on standard error."""
    told = without_passwords(message)
    if said.as_json:
        facts = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": logging.getLevelName(level).lower(),
            "logger": name,
            "message": told,
        }
        click.echo(visible_json(json.dumps(facts, ensure_ascii=False)), err=True)
    else:
        click.echo(shortened(visible(told)), err=True)


class _Lines(logging.Handler):
    """Says what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            if not said.as_json and record.levelno >= logging.WARNING:
                message = f"{record.levelname.lower()}: {message}"
            elif not said.as_json:
                where = record.name.rpartition(".")[2]
                message = f"{datetime.now():%H:%M:%S} {where}: {message}"
            say(message, record.levelno, record.name)
        except Exception:  # as all handlers do: what cannot be said stops nothing
            self.handleError(record)


@contextmanager
def heard() -> Iterator[None]:
    """Within it, what the library logs is said, as much of it as was asked for."""
    root, lines = logger(), _Lines(said.logs)
    before = root.level
    root.addHandler(lines)
    root.setLevel(said.logs)
    try:
        yield
    finally:
        root.removeHandler(lines)
        root.setLevel(before)
