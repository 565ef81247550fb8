"""`--version`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import click

from headstart.values.showable import Showable


@dataclass(frozen=True)
class Version(Showable):
    """Which Headstart this is."""

    version: str


def _print(context: click.Context, _parameter: click.Parameter, is_given: bool) -> None:
    if not is_given or context.resilient_parsing:
        return
    from headstart import __version__
    from headstart.cli.output import document_of
    from headstart.values.variables import truth_in

    if context.params.get("as_json") or truth_in(os.environ.get("HEADSTART_JSON") or "no"):
        click.echo(document_of(Version(__version__)))
    else:
        click.echo(f"headstart, version {__version__}")
    context.exit()


def option(function: Any) -> Any:
    """`--version` of the whole program; `--json`, which is eager, is known by then."""
    return click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        callback=_print,
        help="Show the version and exit.",
    )(function)
