"""The database: one engine, one scope for reading and one for writing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, literal_column, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from headstart.config import Config, load_config
from headstart.errors import (
    DatabaseBusy,
    DatabaseDenied,
    DatabaseFull,
    DatabaseGone,
    Deadlocked,
    RegistryError,
    first_line,
)
from headstart.registry.connection.engine import connect
from headstart.registry.connection.outages import Outage
from headstart.registry.connection.refusals import is_denied, is_for_ever, kind_of_sqlite

GONE = ("57P01", "57P02", "57P03", "08")
"""SQLSTATEs of a server that shuts down, crashed or is just starting, and of lost connections
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""
CIRCLES = ("40P01", "40001")
"""SQLSTATEs of a transaction that was ended in favour of another: it may be made again."""
IDLE_SECONDS = 60
ENDS_IDLE = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
"""A process that is frozen in the middle of a transaction (SIGSTOP, a suspended machine) keeps the
rows that it locked from all others; the server ends a transaction of which it hears no more."""
FLUSHES = (17,)
"""From this version of PostgreSQL on, a message in its log can be brought to the disk at once."""
FUTURE = "22023"
"""What `pg_xact_status` says of a number that the server, as it recovered, has yet to give."""

T = TypeVar("T")


class Database:
    """Scopes over one engine: everything inside is committed, or nothing is."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = connect(config)
        self._has_answered = False
        self._outage = Outage()
        self._own = threading.local()  # this thread's connection, inside `together`

    def __reduce__(self) -> tuple[Callable[..., Database], tuple[Path]]:
        """The workspace's folder: another process makes connections of its own, and a password
        that the settings hold does not leave them."""
        return _opened, (self.config.root,)

    @property
    def is_immutable(self) -> bool:
        """Whether it is a file on read-only media."""
        return "immutable" in self.engine.url.query

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent snapshot; nothing is written."""
        with self._transaction(writing=False) as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `reading`, and on a server, too, nothing of what others commit meanwhile is seen."""
        is_server = self.config.sqlite_file is None
        level = {"isolation_level": "REPEATABLE READ"} if is_server else {}
        with _translated(), self._connect() as plain:
            connection = plain.execution_options(writing=False, **level)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end, rolled back by any exception.

        A server that goes away while it commits leaves open whether it did: it is asked when it
        is back, and if so, nothing has happened.

        Raises:
            DatabaseGone: nothing was committed; or the server does not come back.
        """
        number: str | None = None
        try:
            with self._transaction(writing=True) as connection:
                yield connection
                number = self._number(connection)
        except DatabaseGone:
            if number is None or not self.outlast(lambda: self._was_committed(number)):
                raise

    def outlast(self, attempt: Callable[[], T]) -> T:
        """See `Outage.outlast`; inside `together` only the whole can be tried again."""
        return attempt() if self._joined() is not None else self._outage.outlast(attempt)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that this thread reads and writes inside is one transaction: all of it or nothing.

        Inside another such block it is part of that one's transaction.
        """
        if self._joined() is not None:
            yield
            return
        with self.writing() as connection:
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    def _joined(self) -> Connection | None:
        return getattr(self._own, "connection", None)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _transaction(self, writing: bool) -> Iterator[Connection]:
        if (own := self._joined()) is not None:
            yield own
            return
        with _translated(), self._connect() as plain:
            connection = plain.execution_options(writing=writing)
            with connection.begin():
                if writing and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(ENDS_IDLE)
                yield connection

    def _connect(self) -> Connection:
        """A connection; only a database that answered before can be gone."""
        try:
            connection = self.engine.connect()
        except OperationalError as error:
            if self._has_answered and self.config.sqlite_file is None:
                raise _gone(error) from error
            raise
        self._has_answered = True
        return connection

    def _number(self, connection: Connection) -> str | None:
        """By which PostgreSQL tells, in a later session, how this transaction ended.

        A server that crashed counts on from what had reached its disk, and would give a number of
        which nothing had to another's transaction. Therefore the log is brought to the disk first,
        by a message in it that bears this number (`pg_logical_emit_message`,
        https://www.postgresql.org/docs/current/functions-admin.html). Before version 17 only a
        commit does that: another transaction's, in a connection of its own, behind this one.
        """
        if connection.dialect.name != "postgresql" or self._joined() is not None:
            return None
        number = connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one()
        version = connection.dialect.server_version_info
        if version is not None and version >= FLUSHES:
            connection.exec_driver_sql(
                "SELECT pg_logical_emit_message(false, 'headstart', '', true)"
            )
            return number
        with self._connect() as other, other.begin():
            other.exec_driver_sql("SET LOCAL synchronous_commit = on")
            other.exec_driver_sql("SELECT pg_logical_emit_message(true, 'headstart', '')")
        return number

    def _was_committed(self, number: str) -> bool:
        """Whether a transaction whose commit was not answered was committed."""
        try:
            with self.reading() as connection:
                query = text("SELECT pg_xact_status(CAST(:number AS xid8))")
                status = connection.execute(query, {"number": number}).scalar_one()
        except RegistryError as error:
            if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) != FUTURE:
                raise
            return False  # nothing of it had reached the disk when the server died
        if status == "in progress":  # the connection is lost, and the server has yet to see it
            raise DatabaseGone("the registry's database is still busy with a commit")
        return status == "committed"


def insert_new(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key is there, whoever was first; says whether it was inserted."""
    statement = insert_into(connection, table).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.returning(literal_column("1"))).first() is not None


def insert_into(connection: Connection, table: Table) -> Any:
    """An insertion that can say what to do where a row's key is taken (`on_conflict_…`)."""
    if connection.dialect.name == "postgresql":  # whose drivers are a tenth of a short command
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    return insert(table)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise RegistryError(
            f"the registry refused a change: {first_line(error.orig or error)}",
            hint="Another process may have changed the same thing; try again.",
        ) from error
    except DBAPIError as error:
        raise (_gone(error) if _is_gone(error) else _refused(error)) from error
    except UnicodeEncodeError as error:
        raise RegistryError(
            f"the name {error.object} is not UTF-8",
            hint="Nothing was changed. Write it again; where it was written so, set the system's "
            "locale to one of UTF-8 (such as LC_ALL=C.UTF-8).",
        ) from error
    except SQLAlchemyError as error:
        raise RegistryError(f"the registry failed: {first_line(error)}") from error


def _refused(error: DBAPIError) -> RegistryError:
    cause = first_line(error.orig or error)
    if getattr(error.orig, "sqlstate", None) in CIRCLES:
        return Deadlocked(
            f"the registry's database ended a change in favour of another: {cause}",
            hint="Nothing was changed; try again.",
        )
    if is_denied(error.orig):
        return DatabaseDenied(
            f"the registry's database refuses this user: {cause}",
            hint="Ask its owner; docs/team.md has roles for readers and writers.",
        )
    if not isinstance(error, OperationalError):
        return kind_of_sqlite(error.orig)(f"the registry failed: {cause}")
    if "readonly database" in str(error.orig):
        return DatabaseDenied(
            f"the registry's database does not take changes: {cause}",
            hint="It is on read-only media, or is another user's: let its owner run "
            "`headstart init --shared`.",
        )
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return DatabaseFull(
            f"no space is left for the registry ({cause})",
            hint="Nothing was changed. Free some: `headstart features gc --apply` deletes what "
            "nobody needs.",
        )
    if isinstance(error.orig, sqlite3.Error):
        kind = kind_of_sqlite(error.orig)
        if kind is not DatabaseBusy:
            return kind(f"the registry failed: {cause}", hint="See `headstart doctor`.")
    elif is_for_ever(error.orig):
        return RegistryError(
            f"the registry's database cannot be used: {cause}",
            hint="Trying again does not help: fix the URL, or ask the server's owner.",
        )
    return DatabaseBusy(
        f"the registry's database does not answer: {cause}",
        hint="Nothing was changed; see `headstart doctor`, then try again.",
    )


def _is_gone(error: DBAPIError) -> bool:
    """Whether the server ended the connection, rather than that it refused a statement."""
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or state.startswith(GONE)


def _gone(error: DBAPIError) -> DatabaseGone:
    return DatabaseGone(
        f"the registry's database does not answer any more: {first_line(error.orig or error)}",
        hint="What was committed is kept; try again.",
    )


def _opened(root: Path) -> Database:
    return Database(load_config(root))
