"""What SQLite refuses: which error of ours that is; and how a full disk is read all the same."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

from headstart.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseDenied,
    DatabaseFull,
    RegistryError,
)

KINDS: dict[int, type[RegistryError]] = {
    sqlite3.SQLITE_BUSY: DatabaseBusy,
    sqlite3.SQLITE_LOCKED: DatabaseBusy,
    sqlite3.SQLITE_CORRUPT: DatabaseDamaged,
    sqlite3.SQLITE_NOTADB: DatabaseDamaged,
    sqlite3.SQLITE_FULL: DatabaseFull,
    sqlite3.SQLITE_READONLY: DatabaseDenied,
    sqlite3.SQLITE_PERM: DatabaseDenied,
}
"""By the result code (https://www.sqlite.org/rescode.html); extended ones have it in their last
eight bits."""
NO_ROOM = {sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_FULL}
NOT_ALLOWED = ("42501", "25006", "28000", "28P01")
"""SQLSTATEs of who may not do it: no privilege, read-only, not let in."""
NEVER_THERE = ("3D000",)
"""SQLSTATEs of what trying again does not change: there is no such database."""
NEVER = re.compile(r'(database|role) ".*" does not exist')
"""Words of a connection that is refused for ever: such an error has no SQLSTATE in psycopg."""


def is_denied(error: BaseException | None) -> bool:
    """A connection that is refused has no SQLSTATE in psycopg: the server's words say it."""
    if getattr(error, "sqlstate", None) in NOT_ALLOWED:
        return True
    return "authentication failed" in str(error) or "no pg_hba.conf entry" in str(error)


def is_for_ever(error: BaseException | None) -> bool:
    """Whether a server lets nobody in by this URL, however often it is tried."""
    return getattr(error, "sqlstate", None) in NEVER_THERE or NEVER.search(str(error)) is not None


def kind_of_sqlite(error: BaseException | None) -> type[RegistryError]:
    """The class of ours for an error of SQLite's; `RegistryError` where none fits."""
    code = getattr(error, "sqlite_errorcode", None)
    return RegistryError if code is None else KINDS.get(code & 0xFF, RegistryError)


def opened(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """A connection that can read, made by `connect`, alone if there is no room for company.

    With write-ahead logging the processes share an index of the log in a file of its own, made by
    whoever opens the database first: on a full disk that fails, and nothing could be read, just
    when somebody wants to see what may go. A connection that is the only one needs no such file
    (https://www.sqlite.org/wal.html#noshm), so that is what it is then: others wait for their turn.
    """
    connection = connect()
    try:
        connection.execute("PRAGMA schema_version")  # the first look opens the log
    except sqlite3.Error as error:
        connection.close()
        if error.sqlite_errorcode not in NO_ROOM:
            raise
        connection = connect()
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection
