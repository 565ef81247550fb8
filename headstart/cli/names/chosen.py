"""`--filter`, `--sort` and `--limit` of listings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from headstart.cli.parameters import NUMBER
from headstart.registry.selection.words import Selection

filter_option = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only those of which it holds, such as tag.team=a or 'samples>=1000'; also !=, <, <=, >. "
    "May be repeated. The fields are those of --json.",
)
sort_option = click.option(
    "--sort",
    metavar="FIELD",
    help="By a field: numbers and times from the largest down, texts from A on; FIELD:asc and "
    "FIELD:desc say how.",
)
limit_option = click.option("--limit", type=NUMBER, metavar="N", help="So many.")


def list_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """A command's function with them."""
    return filter_option(sort_option(limit_option(function)))


def selection_of(filters: tuple[str, ...], sort: str | None, limit: int | None) -> Selection:
    """What they say.

    Raises:
        InvalidValue: one of them is none.
    """
    return Selection.read(filters, sort, limit)


def empty_text(selection: Selection, none: str) -> str:
    """What is said of a listing without rows.

    Args:
        selection: what was asked for.
        none: what is said where nothing was asked for.
    """
    if not selection.conditions:
        return none
    return f"None with {' and '.join(map(str, selection.conditions))}."
