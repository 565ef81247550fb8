"""A workspace lies where it was asked for, whatever its path holds."""

import os
import sqlite3
import sys

import pytest

import headstart as hs

NAMES = [
    "proj",
    "proj#1",
    "proj#2",
    "proj?x",
    "p%20q",
    "p q",
    "p%41",
    "pA",
    "a&b=c",
    "größe",
    "a;b",
]


@pytest.fixture
def hostile_folder(tmp_path):
    folder = tmp_path / "of all"
    folder.mkdir()
    return folder


def test_each_workspace_has_its_database_within_itself(run, hostile_folder):
    for name in NAMES:
        assert run("init", "--workspace", hostile_folder / name).code == 0
    assert sorted(path.name for path in hostile_folder.iterdir()) == sorted(NAMES)
    for name in NAMES:
        root = hostile_folder / name
        with sqlite3.connect(root / "headstart.db") as connection:
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        connection.close()
        assert ("backbones",) in tables, name
        assert run("db", "upgrade", "--workspace", root).code == 0
        assert run("backbone", "list", "--workspace", root, "--json").json == []


@pytest.mark.parametrize("name", ["proj#1", "proj?x", "p%20q", "größe"])
def test_the_command_line_works_in_a_workspace_of_any_name(
    run, hostile_folder, model_file, pictures, name
):
    root = hostile_folder / name
    place = ("--workspace", root)
    assert run("init", *place).code == 0
    assert run("backbone", "add", "net", model_file, "--preprocess", "unit", *place).code == 0
    assert run("dataset", "add", "pics", pictures, *place).code == 0
    assert run("extract", "net", "pics", *place, "--json").json["computed"] == 36
    assert run("extract", "net", "pics", *place, "--json").json["reused"] == 36
    assert [row["name"] for row in run("backbone", "list", *place, "--json").json] == ["net"]
    assert run("features", "list", *place, "--json").json[0]["rows"] == 36
    assert run("doctor", *place).code == 0
    assert [path.name for path in hostile_folder.iterdir()] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_sqlite_url_names_the_file_as_it_is_written(run, hostile_folder, name):
    other = hostile_folder / name
    other.mkdir()
    root = hostile_folder / "workspace"
    url = f"sqlite:///{other / 'registry.db'}"
    assert run("init", "--workspace", root, "--database-url", url).code == 0
    assert run("backbone", "list", "--workspace", root, "--json").json == []
    assert {path.name for path in other.iterdir()} >= {"registry.db"}
    assert {path.name for path in hostile_folder.iterdir()} == {name, "workspace"}
    assert not (root / "headstart.db").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_path_that_is_no_text_works_too(tmp_path):
    root = tmp_path / os.fsdecode(b"caf\xe9")
    assert hs.init(root).backbones.list() == []
    assert (root / "headstart.db").exists()
