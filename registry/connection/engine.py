"""The engine of a workspace's registry: its URL, and how connections and transactions begin."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from headstart.config import Config
from headstart.database_urls import without_passwords
from headstart.errors import RegistryError
from headstart.registry.connection.namespaces import enter
from headstart.registry.connection.refusals import opened

BUSY_SECONDS = 180
"""So long a writer waits for those before it: SQLite has one at a time
(https://www.sqlite.org/wal.html#concurrency), and ours take a fraction of a second each."""
NOTICED = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""By which a PostgreSQL server that vanished without a word is noticed within half a minute
(https://www.postgresql.org/docs/current/libpq-connect.html); the URL may say otherwise."""


def connect(config: Config) -> Engine:
    """An engine for the workspace's registry.

    SQLite is opened with write-ahead logging, foreign keys, a busy timeout and, for writers,
    BEGIN IMMEDIATE: a writer waits at its start, where waiting is safe, and never finds half-way
    that another was faster (https://www.sqlite.org/lang_transaction.html).

    Raises:
        RegistryError: the URL is not valid or its driver is not installed.
    """
    url = url_of(config)
    try:
        options = _options(config, url)
        # No pool: a connection costs little beside what is done with it, none is left open, and
        # none may be carried over a fork.
        engine = create_engine(url, poolclass=NullPool, connect_args=options)
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"the database driver {error.name!r} is not installed",
            hint="For PostgreSQL: pip install 'headstart[postgres]'.",
        ) from error
    except ArgumentError as error:
        raise _not_a_url(config) from error
    if config.sqlite_file is not None:
        event.listen(engine, "do_connect", _open_sqlite)
        event.listen(engine, "connect", _configure_sqlite)
        if "immutable" not in url.query:
            event.listen(engine, "connect", _log_ahead)
        event.listen(engine, "begin", _begin_sqlite)
    if config.namespace is not None:
        enter(engine, config.namespace)
    return engine


def _options(config: Config, url: URL) -> dict[str, Any]:
    """What the driver is told."""
    if config.sqlite_file is not None:
        return {"timeout": BUSY_SECONDS}
    if not url.drivername.endswith(("+psycopg", "+psycopg2", "postgresql")):
        return {}
    return {name: value for name, value in NOTICED.items() if name not in url.query}


def url_of(config: Config) -> URL:
    """The registry's URL, put together from its parts: a path may hold `#`, `?` and `%`.

    Raises:
        RegistryError: what the workspace has is not a URL.
    """
    address = config.sqlite_uri
    if address is not None:
        file, _, query = address.partition("?")
        return URL.create("sqlite", database=file, query={**dict(parse_qsl(query)), "uri": "true"})
    try:
        return make_url(str(config.database_url))
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise _not_a_url(config) from error


def _not_a_url(config: Config) -> RegistryError:
    url = str(config.database_url)
    shown = without_passwords(url) if "://" in url else f"{url.partition(':')[0]} (no ://)"
    return RegistryError(
        f"not a database URL: {shown}",
        hint="An example: postgresql+psycopg://user@host:5432/headstart",
    )


def _open_sqlite(
    dialect: Dialect, _record: Any, arguments: list[Any], parameters: dict[str, Any]
) -> sqlite3.Connection:
    return opened(lambda: dialect.connect(*arguments, **parameters))  # type: ignore[return-value]


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions of its own: `_begin_sqlite` does.
    connection.isolation_level = None
    for pragma in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _log_ahead(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
