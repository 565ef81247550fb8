"""Whose a database is: workspace and database carry the same UUID.

Files of a workspace and rows of its database need each other. Two workspaces on one database would
each find rows whose files the other has.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Connection, Row, inspect, select

from headstart.config import Config, with_id
from headstart.errors import ForeignDatabase
from headstart.registry import tables as t
from headstart.registry.audit.events import record
from headstart.registry.database import Database, insert_new
from headstart.values.calls import host_name
from headstart.visible import visible

OWN = "Name that folder with --workspace, or give this workspace a database of its own."
ON_A_SERVER = (
    " On PostgreSQL several projects share one on purpose: `headstart init --namespace NAME`."
)


def check(config: Config) -> None:
    """Refuse a database that says it is another workspace's.

    One without a UUID, and a workspace without one, are of before there were any: `claim` gives
    them theirs.

    Raises:
        ForeignDatabase: it is another one's.
    """
    if config.id is None:
        return
    if config.sqlite_file is not None and not config.sqlite_file.exists():
        return
    database = Database(config)
    try:
        with database.reading() as connection:
            if inspect(connection).has_table(t.identity.name):
                _refuse_other(config, _find(connection))
    finally:
        database.close()


def check_new(config: Config) -> None:
    """As `check`, for a workspace that was just made: it has no part in anything registered.

    Raises:
        ForeignDatabase: the database is another one's.
    """
    check(config)
    if config.sqlite_file is not None and not config.sqlite_file.exists():
        return
    database = Database(config)
    try:
        with database.reading() as connection:
            known = inspect(connection)
            if known.has_table(t.identity.name) and _find(connection) is not None:
                return
            for table in (t.backbones, t.datasets):
                filled = (
                    known.has_table(table.name)
                    and connection.execute(select(table.c.id).limit(1)).first()
                )
                if filled:
                    raise ForeignDatabase(
                        "the database is in use by another workspace, which has no UUID yet",
                        hint=f"{OWN} If it is this one's, made again: run `headstart db upgrade` "
                        "where the old headstart.toml is.",
                    )
    finally:
        database.close()


def settle(connection: Connection, config: Config, before: str | None, after: str | None) -> None:
    """Give a database its UUID, and write down from which schema it came, in the transaction of the
    migration itself.

    Args:
        connection: of the migration.
        config: of the workspace.
        before: the schema at which the database was; None if it was just made.
        after: at which it is; nothing is done where that is no newer one, or has no UUIDs.

    Raises:
        ForeignDatabase: the database is another workspace's.
    """
    is_newer = after is not None and (before is None or before < after)
    if not is_newer or not inspect(connection).has_table(t.identity.name):
        return
    _ensure(connection, config)
    record(
        connection,
        "init" if before is None else "upgrade",
        "database",
        "schema",
        before=None if before is None else {"schema": before},
        after={"schema": after},
    )


def claim(config: Config) -> Config:
    """The settings of a workspace with the UUID that its database has; `headstart.toml` gets it.

    Args:
        config: of the workspace; the database is at this code's schema.

    Raises:
        ForeignDatabase: the database is another workspace's.
    """
    database = Database(config)
    try:
        with database.reading() as connection:
            found = _find(connection)
        if found is None:  # somebody deleted the row
            with database.writing() as connection:
                found = _ensure(connection, config)
    finally:
        database.close()
    _refuse_other(config, found)
    return with_id(config, found.uuid)


def _ensure(connection: Connection, config: Config) -> Row[Any]:
    made = config.id or str(uuid.uuid4())
    row = {"id": 1, "uuid": made, "root": visible(str(config.root)), "host": host_name()}
    insert_new(connection, t.identity, row)
    found = connection.execute(select(t.identity)).one()
    _refuse_other(config, found)
    return found


def _find(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(t.identity)).first()


def _refuse_other(config: Config, found: Row[Any] | None) -> None:
    if found is None or config.id is None or found.uuid == config.id:
        return
    raise ForeignDatabase(
        f"the database is that of the workspace made in {found.root} on {found.host} "
        f"({found.uuid}), and {config.root} is another one ({config.id})",
        hint=OWN + (ON_A_SERVER if config.sqlite_file is None else ""),
    )
