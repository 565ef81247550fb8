"""Every migration up and down on both databases; one killed at each of its statements."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, event

import headstart as hs
from headstart.cli import main
from headstart.config import create_config, load_config
from headstart.registry import schema
from headstart.registry.database import Database
from headstart.registry.tables import metadata

ASSETS = Path(__file__).parent.parent / "assets" / "workspaces"
OLD = [path.name for path in sorted(ASSETS.iterdir())]


def test_every_migration_goes_up_and_down_and_up_again(tmp_path, url):
    config = create_config(tmp_path / "either", url)
    alembic = schema.alembic_config(config)
    for revision in schema.KNOWN:
        command.upgrade(alembic, revision)
        assert schema.current(config) == revision
        command.downgrade(alembic, "-1")
        command.upgrade(alembic, revision)
    assert schema.current(config) == schema.HEAD
    database = Database(config)
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    database.close()
    for _ in schema.KNOWN:
        command.downgrade(alembic, "-1")
    assert schema.current(config) is None


@pytest.mark.parametrize("revision", schema.KNOWN[1:-1])
def test_going_up_and_down_again_keeps_every_row(tmp_path, revision):
    """On SQLite a table that is made anew can take the rows that refer to it with it."""
    root = shutil.copytree(ASSETS / revision, tmp_path / "zoo")
    config = load_config(root)
    expected = rows_of_each_table(config)
    assert expected["shards"] == 6
    schema.upgrade(config)
    found = rows_of_each_table(config)
    assert expected.keys() <= found.keys()
    new = {name: rows - expected.get(name, 0) for name, rows in found.items()}
    written = {"events": 1} | ({} if "identity" in expected else {"identity": 1})
    counted = sum(expected.get(name, 0) > 0 for name in ("jobs", "sweeps"))
    if counted and "numbers" not in expected:
        written["numbers"] = counted  # they go on from the last
    assert {name: rows for name, rows in new.items() if rows} == written  # whose, and the upgrade
    command.downgrade(schema.alembic_config(config), revision)
    kept = {**expected, "events": expected["events"] + 1} if "events" in expected else expected
    assert rows_of_each_table(config) == kept


def rows_of_each_table(config):
    with sqlite3.connect(config.sqlite_file) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in names.fetchall()
        }
    connection.close()
    return counts


KILLED_AT_EACH = """
import os, shutil, signal, sys
from pathlib import Path
from sqlalchemy import event, Engine
from headstart.config import load_config
from headstart.registry import schema
import alembic.command

source, place = map(Path, sys.argv[1:])
for number in range(1, 1000):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)
    child = os.fork()
    if child == 0:
        left = [number]
        def die(*_):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        event.listen(Engine, "before_cursor_execute", die)
        event.listen(Engine, "commit", die)
        schema.upgrade(load_config(place))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    before = schema.current(load_config(place))
    schema.upgrade(load_config(place))
    after = schema.current(load_config(place))
    sys.stdout.write(f"{status} {before} {after}\\n")
    sys.stdout.flush()
    if status == 0:
        break
"""


@pytest.mark.parametrize(
    "old", [*(pytest.param(name, marks=pytest.mark.slow) for name in OLD[:-1]), OLD[-1]]
)
def test_a_migration_killed_at_each_statement_leaves_old_or_new(tmp_path, old):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH, ASSETS / old, tmp_path / "zoo"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ends = [line.split() for line in done.stdout.splitlines()]
    assert [status for status, *_ in ends] == ["9"] * (len(ends) - 1) + ["0"]
    assert len(ends) >= 10
    assert {before for _, before, _ in ends[:-1]} == {old}  # all of it is one transaction
    assert {after for *_, after in ends} == {schema.HEAD}
    ws = hs.open(tmp_path / "zoo")
    with np.load(ASSETS / old / "expected.npz") as file:
        expected = file["features"]
    np.testing.assert_array_equal(ws.features("net", "pics").to_numpy(), expected)


def commit_of(command):
    """Which statement or commit of a command, counted from 1, is the commit of the new schema."""
    seen = []

    def statement(_connection, _cursor, words, *_more):
        seen.append(words)

    def commit(_connection):
        seen.append("COMMIT")

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in command])
    event.remove(Engine, "before_cursor_execute", statement)
    event.remove(Engine, "commit", commit)
    assert ended.value.code == 0
    versions = [place for place, words in enumerate(seen) if "UPDATE alembic_version" in words]
    return 1 + seen.index("COMMIT", versions[-1])


@pytest.mark.parametrize("every", [23, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("old", OLD)
def test_the_command_that_upgrades_killed_at_any_statement_leaves_old_or_new(
    tmp_path, zygote, old, every
):
    """All of it is one transaction: old up to its commit, new afterwards, where it looks whose the
    database is."""
    place = tmp_path / "zoo"
    command = ["--workspace", place, "db", "upgrade"]
    shutil.copytree(ASSETS / old, place)
    commit = commit_of(command)
    found = []
    for number in range(1, 1000, every):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(ASSETS / old, place)
        zygote.start(command, ("at a statement", number))
        status = zygote.wait()
        if status == 0:
            break
        assert status == signal.SIGKILL
        found.append(schema.current(load_config(place)))
        assert found[-1] == (old if number <= commit else schema.HEAD), (number, commit)
        zygote.start(command)
        assert zygote.wait() == 0
        assert schema.current(load_config(place)) == schema.HEAD
        with np.load(ASSETS / old / "expected.npz") as file:
            expected = file["features"]
        view = hs.open(place).features("net", "pics")
        np.testing.assert_array_equal(view.to_numpy(), expected)
        del view
    assert len(found) >= 10 // every
    assert every > 1 or set(found) == {old, schema.HEAD}


@pytest.mark.parametrize("seconds", [3, pytest.param(65, marks=pytest.mark.slow)])
def test_a_database_that_is_locked_for_a_while_is_waited_for(ready, seconds):
    """It is locked until so long after somebody wants to write, however long that takes."""
    locked, is_wanted, is_free = threading.Event(), threading.Event(), threading.Event()

    def want(_connection, _cursor, statement, *_):
        if statement == "BEGIN IMMEDIATE":
            is_wanted.set()

    def lock():
        connection = sqlite3.connect(ready.config.sqlite_file, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        locked.set()
        is_wanted.wait(240)
        time.sleep(seconds)
        is_free.set()
        connection.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=lock)
    thread.start()
    locked.wait()
    event.listen(ready.database.engine, "before_cursor_execute", want)
    assert ready.extract("net", "pics").report.computed == 36
    assert is_wanted.is_set() and is_free.is_set()
    thread.join()


def test_the_assets_are_what_is_in_the_repository(tmp_path):
    """They are read-only examples: a test that changed one would spoil the next."""
    for asset in ASSETS.iterdir():
        copy = shutil.copytree(asset, tmp_path / asset.name)
        with sqlite3.connect(copy / "headstart.db") as connection:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.close()
        assert revision == asset.name
