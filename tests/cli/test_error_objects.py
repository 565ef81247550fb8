"""What goes wrong is an object for programs that ask for JSON, and a line for people always."""

import json
import re
import shutil
import sqlite3
from pathlib import Path

import pytest

from headstart import errors
from headstart.errors import HeadstartError
from headstart.values.showable import SCHEMA_VERSION

ASSET = Path(__file__).parents[1] / "assets" / "workspaces" / "0006"
PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def every_error(cls=HeadstartError):
    yield cls
    for one in cls.__subclasses__():
        if one.__module__.startswith(f"{errors.__name__}."):
            yield from every_error(one)


@pytest.mark.parametrize(
    ("line", "code", "message", "hint"),
    [
        ("backbone show nothing", "not_found", "no backbone 'nothing' is registered", "See `head"),
        ("backbone alias net net", "exists", "a backbone is called 'net'", "Choose another"),
        ("backbone shwo net", "usage", "No such command 'shwo'.", "See `headstart backbone --help"),
        ("log --since soon", "usage", "'soon' is not a date, time or age", "Give such as"),
        ("--workspace nowhere log", "not_found", "no workspace in", "Make one with"),
        ("backbone add x nosuch.keras", "not_found", "no model file nosuch.keras", "Check the pa"),
        ("backbone add x kerashub:nosuch", "not_found", "no folder nosuch", "kerashub: takes a"),
        ("dataset add x nosuch", "not_found", "no file or folder", "Check the path"),
        ("extract net nosuch", "not_found", "no dataset 'nosuch' is registered, and no", "See `h"),
        ("job show 7", "not_found", "there is no job 7", "See `headstart job list`"),
        ("backbone cuts net@nosuch", "not_found", "", ""),
        ("features export net pics old.npz", "exists", "old.npz is there", "Add --force"),
        ("db upgrade --database x", "usage", "No such option", "See `headstart db"),
    ],
)
def test_an_error_is_an_object_with_a_code_and_a_hint(
    ready, run, line, code, message, hint, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.npz").write_bytes(b"mine")
    ran = run(*line.split(), "--json")
    assert (ran.code, ran.out) == (errors.EXITS[code], "")
    for_programs, for_people = ran.err.strip().splitlines()
    assert json.loads(for_programs)["schema_version"] == SCHEMA_VERSION
    told = json.loads(for_programs)["error"]
    assert (told["code"], set(told)) == (code, {"code", "message", "hint"})
    assert told["message"].startswith(message) and told["hint"].startswith(hint)
    assert for_people.startswith("error: ")
    plain = run(*line.split())
    assert plain.err.strip().splitlines() == [for_people]


def test_a_lost_model_file_is_damaged_and_passwords_are_not_told(ready, run, tmp_path):
    url = "postgresql+nodriver://ada:secret@nowhere/x"
    ran = run("init", "--workspace", tmp_path / "w", "--database-url", url, "--json")
    assert "secret" not in ran.err and json.loads(ran.err.splitlines()[0])["error"]["code"]
    head = ready.heads.train("h", ready.extract("net", "pics"))
    ready.context.artifacts.path_of(head.record.artifact_digest, ".npz").unlink()
    ran = run("head", "predict", "h", "pics", "--json")
    objects = [line for line in ran.err.splitlines() if line.startswith('{"error"')]
    assert json.loads(objects[0])["error"]["code"] == "damaged"


@pytest.mark.parametrize("kind", [*every_error()], ids=lambda one: one.__name__)
def test_each_error_ends_with_the_exit_code_of_its_kind(kind, run, tmp_path, monkeypatch):
    """Whatever a verb raises; `Stalled` ends the process, see tests/reliability/test_stalls.py."""
    shutil.copytree(ASSET, tmp_path / "zoo")

    def fail(*_):
        raise kind("it went wrong", hint="Mend it.")

    # of other tests in this process: it would be ended at once
    monkeypatch.setattr("headstart.cli._has_hanging_threads", lambda: False)
    monkeypatch.setattr("headstart.jobs.database.current", fail)
    ran = run("db", "current", "--json")
    for_programs, for_people = ran.err.strip().splitlines()
    told = {"code": kind.code, "message": "it went wrong", "hint": "Mend it."}
    assert json.loads(for_programs) == {"schema_version": SCHEMA_VERSION, "error": told}
    assert (for_people, ran.code) == ("error: it went wrong. Mend it.", errors.EXITS[kind.code])


def test_what_nobody_foresaw_is_a_bug_and_ends_with_one(run, tmp_path, monkeypatch):
    shutil.copytree(ASSET, tmp_path / "zoo")
    monkeypatch.setattr("headstart.jobs.database.current", lambda _: 1 / 0)
    ran = run("db", "current", "--json")
    assert json.loads(ran.err.splitlines()[0])["error"]["code"] == "bug"
    assert ran.code == errors.EXITS["bug"] == 1


@pytest.mark.parametrize(
    ("what", "code"),
    [("gone", "damaged"), ("no database", "damaged"), ("locked", "busy"), ("newer", "schema")],
)
@pytest.mark.parametrize("line", ["backbone list", "log"])
def test_what_is_wrong_with_the_database_has_its_own_code(ws, run, monkeypatch, what, code, line):
    file = ws.config.sqlite_file
    ws.database.close()
    holding = sqlite3.connect(file, isolation_level=None)
    if what == "gone":
        file.unlink()
    elif what == "no database":
        file.write_bytes(b"this is no database, and never was one" * 100)
    elif what == "newer":
        holding.execute("UPDATE alembic_version SET version_num = '9999'")
    else:
        holding.execute("PRAGMA locking_mode = EXCLUSIVE")
        holding.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr("headstart.registry.connection.engine.BUSY_SECONDS", 0)
        monkeypatch.setattr("headstart.registry.listing.BUSY_SECONDS", 0)
    ran = run(*line.split(), "--json")
    holding.close()
    told = json.loads(ran.err.splitlines()[0])["error"]
    assert (told["code"], ran.code) == (code, errors.EXITS[code]), ran.err


def test_every_code_is_written_down_and_every_written_one_is_there():
    page = PAGE.read_text(encoding="utf-8")
    table = page.split("| code | exit | what |\n| --- | --- | --- |\n")[1].split("\n\n")[0]
    rows = table.splitlines()
    written = {
        code: int(row.split("|")[2])
        for row in rows
        for code in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert written == errors.EXITS
    assert set(written) == {cls.code for cls in every_error()} | {"usage", "bug", "interrupted"}


def test_a_password_with_quotes_is_masked_and_the_object_stays_json(ws, run, monkeypatch):
    secret = 'top"se\\cret'

    def fail(*_):
        url = f"postgresql://u:{secret}@host/db"
        raise HeadstartError(f'no "server" at {url}, or at {url}?password={secret[:3]}', hint=url)

    monkeypatch.setattr("headstart.registry.listing.backbones", fail)
    ran = run("backbone", "list", "--json")
    told = json.loads(ran.err.splitlines()[0])["error"]
    masked = "postgresql://u:***@host/db"
    assert told["message"] == f'no "server" at {masked}, or at {masked}?password=***'
    assert told["hint"] == masked
    assert "cret" not in ran.err
