"""Migrations make the schema; other schemas are refused."""

import sqlite3

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import headstart as hs
from headstart.config import create_config
from headstart.errors import DatabaseMissing, SchemaOutdated, SchemaTooNew
from headstart.registry import schema
from headstart.registry.connection.refusals import opened
from headstart.registry.database import Database
from headstart.registry.tables import metadata


@pytest.fixture
def config(tmp_path):
    return create_config(tmp_path / "zoo")


def set_revision(config, revision):
    with sqlite3.connect(config.sqlite_file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    connection.close()


def test_a_new_database_is_brought_to_the_head(config):
    assert schema.current(config) is None
    assert schema.upgrade(config) == schema.HEAD
    assert schema.current(config) == schema.HEAD
    assert schema.upgrade(config) == schema.HEAD


def test_the_known_revisions_are_those_of_the_scripts(config):
    scripts = ScriptDirectory.from_config(schema.alembic_config(config))
    assert scripts.get_heads() == [schema.HEAD]
    assert sorted(s.revision for s in scripts.walk_revisions()) == sorted(schema.KNOWN)


def test_the_migrations_make_exactly_the_tables(config):
    schema.upgrade(config)
    with Database(config).reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_can_be_taken_back(config):
    schema.upgrade(config)
    command.downgrade(schema.alembic_config(config), "base")
    with Database(config).reading() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    schema.upgrade(config)


def test_every_constraint_has_a_name():
    for table in metadata.tables.values():
        for constraint in table.constraints:
            assert constraint.name, f"{table.name}: {constraint}"


def test_every_table_and_index_can_be_written_for_postgresql():
    dialect = postgresql.dialect()
    for table in metadata.tables.values():
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "CREATE INDEX" in str(CreateIndex(index).compile(dialect=dialect))


def test_a_database_newer_than_the_code_is_refused_and_left_alone(config, run, fails):
    schema.upgrade(config)
    set_revision(config, "9999")
    with pytest.raises(SchemaTooNew, match="'9999', which is newer than this code"):
        hs.open(config.root)
    for line in ("backbone list", "db upgrade", "init"):
        message = fails(*line.split())
        assert "newer than this code" in message
        assert "Upgrade headstart" in message
    assert schema.current(config) == "9999"


def test_a_database_without_a_schema_asks_for_an_upgrade(config, run, fails):
    with pytest.raises(DatabaseMissing, match="headstart db upgrade"):
        hs.open(config.root)
    sqlite3.connect(config.sqlite_file).close()
    with pytest.raises(SchemaOutdated, match="headstart db upgrade"):
        hs.open(config.root)
    assert "Run `headstart db upgrade`" in fails("backbone", "list")
    assert run("db", "upgrade").code == 0
    assert run("backbone", "list").code == 0
    assert run("db", "current", "--json").json == {"current": schema.HEAD, "needed": schema.HEAD}


def test_sqlite_is_opened_with_the_settings_that_the_design_asks_for(config):
    schema.upgrade(config)
    with Database(config).writing() as connection:

        def pragma(name):
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

        assert pragma("journal_mode") == "wal"
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") >= 30_000
        with pytest.raises(sqlite3.OperationalError, match="locked"):  # BEGIN IMMEDIATE
            other = sqlite3.connect(config.sqlite_file, timeout=0, isolation_level=None)
            try:
                other.execute("BEGIN IMMEDIATE")
            finally:
                other.close()


def test_a_file_that_is_no_database_is_not_kept_open(tmp_path):
    """Python 3.13 warns of a connection that nobody closes."""
    (tmp_path / "x.db").write_bytes(b"this is no database" * 100)
    made = []

    def connect():
        made.append(sqlite3.connect(tmp_path / "x.db"))
        return made[-1]

    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        opened(connect)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        made[0].execute("SELECT 1")
