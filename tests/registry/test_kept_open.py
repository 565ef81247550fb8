"""A connection that is kept meanwhile: the log of SQLite stays, and nobody is hindered by it."""

import sqlite3

import pytest
from sqlalchemy import text

import headstart as hs
from headstart.errors import RegistryError
from headstart.registry.connection import engine
from headstart.registry.database import Database


@pytest.fixture
def database(tmp_path):
    workspace = hs.init(tmp_path / "zoo")
    workspace.database.close()
    return Database(workspace.config)


def write(database, value):
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS kept (value INTEGER)"))
        connection.execute(text("INSERT INTO kept VALUES (:value)"), {"value": value})


def values(database):
    with database.reading() as connection:
        return connection.execute(text("SELECT value FROM kept ORDER BY value")).scalars().all()


def test_the_log_stays_as_long_as_it_is_kept_and_goes_after_it(database):
    log = database.config.sqlite_file.with_name(database.config.sqlite_file.name + "-wal")
    with database.kept_open():
        write(database, 1)
        assert log.exists()
        write(database, 2)
        assert values(database) == [1, 2]
    assert not log.exists()
    assert values(database) == [1, 2]


def test_others_write_and_empty_the_log_meanwhile(database):
    other = Database(database.config)
    with database.kept_open(), database.kept_open():  # two runs in one process
        write(other, 1)
        assert values(database) == [1]
        plain = sqlite3.connect(database.config.sqlite_file)
        assert plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        plain.close()
        write(database, 2)
    assert values(other) == [1, 2]


def test_it_ends_with_what_it_was_kept_for(database):
    def fail():
        with database.kept_open():
            write(database, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    names = {path.name for path in database.config.sqlite_file.parent.glob("*.db*")}
    assert names == {database.config.sqlite_file.name}
    assert values(database) == [1]


def test_a_file_that_is_no_database_is_told_as_ever(database):
    database.config.sqlite_file.write_bytes(b"no database " * 100)

    def ask():
        with database.kept_open():
            pass

    with pytest.raises(RegistryError, match="not a database"):
        ask()


def test_where_each_connection_is_alone_none_is_kept(database, monkeypatch):
    def alone(connect):
        connection = connect()
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection

    monkeypatch.setattr(engine, "opened", alone)
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    alone_here = Database(database.config)
    with alone_here.kept_open():
        write(alone_here, 1)
        assert values(alone_here) == [1]
