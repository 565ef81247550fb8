"""Namespaces: several projects in one PostgreSQL database, each in a schema of its own."""

from __future__ import annotations

import re

from headstart.errors import InvalidValue

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""What PostgreSQL takes without quotes, and no longer than it keeps
(https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS)."""
OF_THE_SERVER = re.compile(r"pg_.*|public|information_schema")
SERVER = "postgresql"


def checked_name(namespace: str, place: str) -> str:
    """A namespace, if it can be the name of one.

    Args:
        namespace: its name.
        place: what says so: `--namespace`, or a file.

    Raises:
        InvalidValue: it is no name, or one that PostgreSQL keeps.
    """
    if not NAME.fullmatch(namespace):
        raise InvalidValue(
            f"{place} is {namespace!r}, which cannot name a namespace",
            hint="Use a to z, digits and '_', beginning with a letter, 63 at most.",
        )
    if OF_THE_SERVER.fullmatch(namespace):
        raise InvalidValue(
            f"{place} is {namespace!r}, a name that PostgreSQL keeps for itself",
            hint="Choose another one, such as that of the project.",
        )
    return namespace


def checked(namespace: str, database_url: str | None, place: str) -> str:
    """A namespace, if a project in that database can have it.

    Args:
        namespace: its name.
        database_url: of the workspace; None for its own SQLite.
        place: what says so: `--namespace`, or a file.

    Raises:
        InvalidValue: it is no name, or the database cannot hold several projects.
    """
    checked_name(namespace, place)
    if database_url is None or not database_url.startswith(SERVER):
        raise InvalidValue(
            f"{place} is {namespace!r}, and the workspace's database is not PostgreSQL: a file of "
            "SQLite holds one project",
            hint="Leave the namespace out: each workspace has a file of its own. Or name a "
            "PostgreSQL database with --database-url.",
        )
    return namespace
