"""Which error of ours it is that a database refuses: what trying again changes, and what not."""

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from headstart.errors import DatabaseBusy, RegistryError
from headstart.registry.database import _refused


def test_a_table_that_is_not_there_is_not_busy(ws):
    with pytest.raises(RegistryError, match="no such table") as told, ws.database.reading() as one:
        one.execute(text("SELECT * FROM not_there"))
    assert told.value.code == "failed"


@pytest.mark.parametrize(
    ("words", "is_busy"),
    [
        ('FATAL: database "zoo" does not exist', False),
        ('FATAL: role "ada" does not exist', False),
        ("connection refused", True),
        ("timeout expired", True),
        ("FATAL: sorry, too many clients already", True),
    ],
)
def test_a_server_that_never_lets_in_is_not_busy(words, is_busy):
    error = _refused(OperationalError("SELECT 1", {}, Exception(words)))
    assert isinstance(error, DatabaseBusy) == is_busy and words.split(": ")[-1] in str(error)


def test_a_locked_file_is_busy():
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert isinstance(_refused(OperationalError("BEGIN", {}, error)), DatabaseBusy)
