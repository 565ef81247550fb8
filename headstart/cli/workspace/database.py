"""How `init` and `restore` are told of a shared database."""

from __future__ import annotations

import os
from pathlib import Path

import click

FILE = click.option(
    "--database-url-file",
    type=click.Path(path_type=Path),
    help="A file that contains the URL. Default: $HEADSTART_DATABASE_URL.",
)
NAMESPACE = click.option(
    "--namespace",
    metavar="NAME",
    help="Which project in a PostgreSQL database of several: its own schema, made if it is new.",
)


def is_in_environment(url: str | None, file: Path | None) -> bool:
    """Whether the URL is to be had from `$HEADSTART_DATABASE_URL`.

    Raises:
        click.UsageError: two were given.
    """
    from headstart.database_urls import VARIABLE

    if url is not None and file is not None:
        raise click.UsageError("Give --database-url or --database-url-file, not both.")
    return not (url or file) and bool(os.environ.get(VARIABLE))
