"""The database: one engine, one scope for reading and one for writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, literal_column
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from headstart.config import Config
from headstart.errors import RegistryError, first_line

BUSY_SECONDS = 180


def connect(config: Config) -> Engine:
    """An engine for the workspace's registry.

    SQLite is opened with write-ahead logging, foreign keys, a busy timeout and, for writers,
    BEGIN IMMEDIATE: a writer waits at its start, where waiting is safe, and never finds half-way
    that another was faster (https://www.sqlite.org/lang_transaction.html).

    Raises:
        RegistryError: the URL is not valid or its driver is not installed.
    """
    options = {} if config.sqlite_file is None else {"timeout": BUSY_SECONDS}
    try:
        # No pool: a connection costs little beside what is done with it, none is left open, and
        # none may be carried over a fork.
        engine = create_engine(config.url, poolclass=NullPool, connect_args=options)
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"the database driver {error.name!r} is not installed",
            hint="For PostgreSQL: pip install 'headstart[postgres]'.",
        ) from error
    except ArgumentError as error:
        raise RegistryError(
            f"not a database URL: {first_line(error)}",
            hint="An example: postgresql+psycopg://user@host/headstart",
        ) from error
    if config.sqlite_file is not None:
        event.listen(engine, "connect", _configure_sqlite)
        if "immutable" not in config.url:
            event.listen(engine, "connect", _log_ahead)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


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


class Database:
    """Scopes over one engine: everything inside is committed, or nothing is."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = connect(config)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent snapshot; nothing is written."""
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end, rolled back by any exception."""
        with _translated(), self.engine.connect() as plain:
            connection = plain.execution_options(writing=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


def insert_new(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key is there, whoever was first; says whether it was inserted."""
    from sqlalchemy.dialects import postgresql, sqlite

    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.returning(literal_column("1"))).first() is not None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise RegistryError(
            f"the registry refused a change: {first_line(error.orig or error)}",
            hint="Another process may have changed the same thing; try again.",
        ) from error
    except OperationalError as error:
        raise RegistryError(
            f"the registry's database does not answer: {first_line(error.orig or error)}",
            hint="Nothing was changed; see `headstart doctor`, then try again.",
        ) from error
    except SQLAlchemyError as error:
        raise RegistryError(f"the registry failed: {first_line(error)}") from error
