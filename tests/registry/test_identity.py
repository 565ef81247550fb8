"""A workspace knows its database, and a database its workspace."""

import shutil
import sqlite3
import tomllib
from pathlib import Path

import pytest

import headstart as hs
from headstart.config import CONFIG_FILE, load_config
from headstart.errors import ForeignDatabase
from headstart.registry import schema

OLD = Path(__file__).parents[1] / "assets" / "workspaces"


def id_in_file(root):
    return tomllib.loads((root / CONFIG_FILE).read_text())["id"]


def ids_in_database(file):
    connection = sqlite3.connect(file)
    try:
        return [row[0] for row in connection.execute("SELECT uuid FROM identity")]
    finally:
        connection.close()


def on_database_of(ws):
    return f"sqlite:///{ws.config.sqlite_file}"


def test_both_carry_the_same_uuid(ws):
    assert ids_in_database(ws.config.sqlite_file) == [id_in_file(ws.config.root)]
    assert hs.init(ws.config.root).config.id == id_in_file(ws.config.root)


def test_a_second_workspace_on_the_same_database_is_refused_and_leaves_nothing(ws, fails, tmp_path):
    other = tmp_path / "other"
    said = fails("init", "--workspace", other, "--database-url", on_database_of(ws))
    assert f"that of the workspace made in {ws.config.root}" not in said  # a copy of the fixture's
    assert "the database is that of the workspace made in" in said
    assert f"{other} is another one" in said
    assert "give this workspace a database of its own" in said
    assert not other.exists()
    assert ids_in_database(ws.config.sqlite_file) == [ws.config.id]


def test_a_workspace_whose_database_was_exchanged_says_so(ws, fails, run, tmp_path):
    other = hs.init(tmp_path / "other")
    other.database.close()
    ws.database.close()
    shutil.copy(other.config.sqlite_file, ws.config.sqlite_file)
    with pytest.raises(ForeignDatabase, match="is that of the workspace made in"):
        hs.open(ws.config.root)
    assert "is that of the workspace made in" in fails("dataset", "show", "x")
    assert "is that of the workspace made in" in " ".join(run("doctor").out.split())


@pytest.mark.parametrize("command", ["db upgrade", "init"])
def test_an_old_workspace_gets_its_uuid_with_the_upgrade(tmp_path, run, command):
    root = shutil.copytree(OLD / "0004", tmp_path / "zoo")
    file = root / CONFIG_FILE
    file.chmod(0o640)
    assert load_config(root).id is None
    assert run(*command.split()).code == 0
    assert ids_in_database(root / "headstart.db") == [id_in_file(root)]
    assert file.stat().st_mode & 0o777 == 0o640
    assert run("backbone", "list").code == 0


def test_a_new_workspace_on_an_old_ones_database_is_refused_before_it_is_upgraded(tmp_path, fails):
    root = shutil.copytree(OLD / "0004", tmp_path / "old")
    url = f"sqlite:///{root / 'headstart.db'}"
    said = fails("init", "--workspace", tmp_path / "new", "--database-url", url)
    assert "the database is in use by another workspace, which has no UUID yet" in said
    assert schema.current(load_config(root)) == "0004"
    assert not (tmp_path / "new").exists()


def test_a_moved_workspace_keeps_its_uuid_and_opens(ws, tmp_path):
    ws.database.close()
    moved = Path(shutil.move(ws.config.root, tmp_path / "moved"))
    assert hs.open(moved).config.id == ws.config.id


def test_on_postgresql_a_second_workspace_is_refused_and_events_are_written(
    own_database, tmp_path, fails
):
    ws = hs.init(tmp_path / "first", own_database)
    said = fails("init", "--workspace", tmp_path / "second", "--database-url", own_database)
    assert f"that of the workspace made in {ws.config.root}" in said
    assert not (tmp_path / "second").exists()
    (event,) = ws.events.find()
    assert (event.action, event.kind, event.after) == ("init", "database", {"schema": schema.HEAD})
    assert event.call.startswith("init(root=")
    ws.database.close()
