"""Which error of ours it is that SQLite makes."""

from __future__ import annotations

import sqlite3

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


def kind_of_sqlite(error: BaseException | None) -> type[RegistryError]:
    """The class of ours for an error of SQLite's; `RegistryError` where none fits."""
    code = getattr(error, "sqlite_errorcode", None)
    return RegistryError if code is None else KINDS.get(code & 0xFF, RegistryError)
