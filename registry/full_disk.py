"""Reading SQLite on a disk without a single byte left.

With write-ahead logging the processes share an index of the log in a file of its own, made by
whoever opens the database first: on a full disk that fails, and nothing could be read, just when
somebody wants to see what may go. A connection that is the only one needs no such file
(https://www.sqlite.org/wal.html#noshm), so that is what it is then: others wait for their turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

NO_ROOM = {sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_FULL}


def opened(connect: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """A connection that can read, made by `connect`, alone if there is no room for company."""
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
