"""One state of the whole registry as an SQLite file, and back: what a backup holds of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Integer, Table, func, insert, select, text

from headstart.config import Config
from headstart.registry import schema
from headstart.registry import tables as t
from headstart.registry.audit import identity
from headstart.registry.audit.events import record
from headstart.registry.connection.refusals import kind_of_sqlite, opened
from headstart.registry.database import Database
from headstart.values.calls import host_name
from headstart.visible import visible

OF_PROCESSES = (t.claims, t.leases, t.holds)
"""What is true only while a process lives."""
AT_A_TIME = 1000
"""Rows that are copied together."""
BUSY_SECONDS = 60


def take(config: Config, file: Path) -> None:
    """Write the registry as it is at one moment into a new SQLite file; others go on writing.

    SQLite copies itself (https://www.sqlite.org/backup.html); of a server the tables are read in
    one transaction that sees nothing of what others commit meanwhile (`REPEATABLE READ`,
    https://www.postgresql.org/docs/current/transaction-iso.html).

    Raises:
        RegistryError: the database does not answer, or the file cannot be written.
    """
    if config.sqlite_file is not None:
        copy_sqlite(config, file)
        with _sqlite(file) as copy:
            for table in OF_PROCESSES:
                copy.execute(f"DELETE FROM {table.name}")
            copy.commit()
        return
    work = Config(file.parent, f"sqlite:///{file}", config.id)
    schema.upgrade(work)
    source, target = Database(config), Database(work)
    try:
        with source.snapshot() as reading, target.writing() as writing:
            _copy_rows(reading, writing)
    finally:
        source.close()
        target.close()
    with _sqlite(file):  # all in one file
        pass


def copy_sqlite(config: Config, file: Path) -> None:
    """A copy of the SQLite file as it is at one moment, whole in one file.

    Raises:
        RegistryError: it cannot be read, or the copy cannot be written.
    """
    address = str(config.sqlite_uri)
    try:
        connecting = opened(lambda: sqlite3.connect(address, timeout=BUSY_SECONDS, uri=True))
        with closing(connecting) as source, _sqlite(file) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise kind_of_sqlite(error)(
            f"cannot copy {config.sqlite_file} to {file}: {error}", hint="Nothing was changed."
        ) from error


@contextmanager
def _sqlite(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves no log beside the file."""
    with closing(sqlite3.connect(file)) as connection:
        yield connection
        connection.execute("PRAGMA journal_mode = DELETE")


def prepare(config: Config) -> None:
    """Make a copied SQLite file the database of another workspace: it has the UUID of that one, and
    this code's schema.

    Args:
        config: of the workspace, whose database the copy is.
    """
    with _sqlite(Path(str(config.sqlite_file))) as copy:
        known = "SELECT 1 FROM sqlite_master WHERE name = ?"
        if copy.execute(known, (t.identity.name,)).fetchone():
            copy.execute(f"DELETE FROM {t.identity.name}")
            copy.commit()
    schema.upgrade(config)


def forget_shards(config: Config) -> None:
    """Let the registry know no rows of features, as their files are not there: what is needed is
    computed again."""
    database = Database(config)
    try:
        with database.writing() as connection:
            connection.execute(t.shards.delete())
    finally:
        database.close()


@contextmanager
def loaded(source: Config, target: Config, root: Path, before: str | None) -> Iterator[None]:
    """The rows of a copied SQLite file in the database of another workspace, which has nothing
    registered: its tables, the rows and what is noted of them are one transaction, which ends with
    this context. Until then nothing of it is there, and what fails leaves nothing.

    Args:
        source: of the file, at this code's schema.
        target: of the workspace.
        root: where that will lie.
        before: the UUID of the workspace that was backed up.

    Raises:
        ForeignDatabase: the database is another workspace's.
    """
    identity.check_new(target)
    reading, writing = Database(source), Database(target)
    try:
        with reading.reading() as rows, writing.together(), writing.writing() as connection:
            schema.upgrade(target, writing)
            own = connection.execute(select(t.identity)).mappings().one()
            _copy_rows(rows, connection)
            connection.execute(t.identity.delete())
            connection.execute(insert(t.identity), dict(own))
            if connection.dialect.name == "postgresql":
                _count_on(connection)
            _note(connection, target, root, before)
            yield
    finally:
        reading.close()
        writing.close()


def note_restored(config: Config, root: Path, before: str | None) -> None:
    """Write down that a workspace came from a backup, and where it lies; see `loaded`."""
    database = Database(config)
    try:
        with database.writing() as connection:
            _note(connection, config, root, before)
    finally:
        database.close()


def _note(connection: Connection, config: Config, root: Path, before: str | None) -> None:
    place = {"root": visible(str(root)), "host": host_name()}
    connection.execute(t.identity.update().values(**place))
    after = {"root": place["root"], "uuid": config.id}
    record(connection, "restore", "database", "workspace", before={"uuid": before}, after=after)


def _copy_rows(source: Connection, target: Connection) -> None:
    for table in reversed(t.metadata.sorted_tables):
        target.execute(table.delete())
    for table in t.metadata.sorted_tables:
        if table in OF_PROCESSES:
            continue
        rows = source.execute(select(table)).mappings()
        for part in rows.partitions(AT_A_TIME):
            target.execute(insert(table), [dict(row) for row in part])


def _count_on(connection: Connection) -> None:
    """PostgreSQL numbers rows by sequences, which do not know rows that brought their number."""
    for table in t.metadata.sorted_tables:
        for column in table.primary_key.columns:
            if _is_numbered(table, column.name):
                last = connection.execute(select(func.max(column))).scalar()
                if last is not None:
                    query = text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)")
                    given = {"table": table.name, "column": column.name, "last": last}
                    connection.execute(query, given)


def _is_numbered(table: Table, name: str) -> bool:
    column = table.c[name]
    return (
        len(table.primary_key.columns) == 1
        and isinstance(column.type, Integer)
        and column.autoincrement is not False
        and not column.foreign_keys
    )
