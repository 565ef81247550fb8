"""A workspace from a backup, wherever it lies then."""

import json
import shutil

import numpy as np
import pytest
from sqlalchemy import create_engine, event, inspect

import headstart as hs
from headstart.errors import (
    EXITS,
    BackupDamaged,
    ForeignDatabase,
    UnsafeName,
)
from headstart.jobs.backups import restore as restores
from headstart.registry import listing

FLAT = "flat@as_it_is"


def told(ws):
    """What the registry knows, but for where the workspace lies and what it did by itself."""
    found = {
        name: [{key: value for key, value in row.items() if key not in ("source",)} for row in rows]
        for name, rows in (
            ("backbones", listing.backbones(ws.config)),
            ("datasets", listing.datasets(ws.config)),
            ("features", listing.features(ws.config)),
            ("heads", listing.heads(ws.config)),
        )
    }
    runs = [(one.kind, one.subject, one.counts) for one in ws.runs.find_latest(limit=100)]
    return {**found, "runs": runs, "sweeps": [one.to_json() for one in ws.sweeps.find_all()]}


def test_a_workspace_comes_back_as_it_was_and_computes_nothing(full, tmp_path):
    full.backup(tmp_path / "copy", features=True)
    before, samples = told(full), full.context.manifest("kept").samples
    full.database.close()
    shutil.rmtree(full.config.root)
    ws = hs.restore(tmp_path / "copy", tmp_path / "elsewhere")
    assert told(ws) == before
    assert ws.config.id != full.config.id
    again = ws.heads.get("production").reproduce()
    assert again.agrees and again.max_abs_diff == 0
    assert ws.verify("flat@as_it_is", "rows", rows=1, full=True).corrupt == 0
    assert ws.extract(FLAT, "rows").report.computed == 0
    moved = ws.datasets.get("kept")
    assert moved.source.startswith(str(tmp_path / "elsewhere"))
    now = ws.context.manifest("kept").samples
    assert [one.digest for one in now] == [one.digest for one in samples]
    last, *others = ws.events.find(action="restore")
    assert not others and last.before == {"uuid": full.config.id}
    assert last.after == {"root": str(tmp_path / "elsewhere"), "uuid": ws.config.id}
    assert ws.events.find(action="train") or ws.events.find(kind="head")  # and all of before


def test_without_features_none_are_known_and_heads_still_are(full, tmp_path):
    done = full.backup(tmp_path / "copy")
    assert not (tmp_path / "copy" / "features").exists() and not done.has_features
    ws = hs.restore(tmp_path / "copy", tmp_path / "elsewhere")
    assert [row["rows"] for row in listing.features(ws.config)] == [0]
    assert [row["name"] for row in listing.heads(ws.config)] == ["h"]
    assert full.verify(FLAT, "rows", rows=1, full=True).corrupt == 0  # it is as it was


def test_a_file_that_is_not_what_was_written_is_found_and_nothing_is_made(full, tmp_path, run):
    place = tmp_path / "copy"
    full.backup(place, features=True)
    names = [
        next((place / folder).rglob("*.*"))
        for folder in ("artifacts", "manifests", "contents", "features")
    ]
    for file in (*names, next(place.glob("registry-*.db"))):
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(BackupDamaged, match=file.name):
            hs.restore(place, tmp_path / "elsewhere")
        checked = run("restore", place, "--check")
        assert checked.code == 4 and file.name in checked.err
        file.unlink()
        with pytest.raises(BackupDamaged, match="is missing in the backup"):
            hs.restore(place, tmp_path / "elsewhere")
        file.write_bytes(content)
    assert not (tmp_path / "elsewhere").exists()
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".restored")]
    assert "is whole" in run("restore", place, "--check").out


@pytest.mark.parametrize("name", ["../out", "headstart.toml", "artifacts/../../x", "/etc/x", "x/y"])
def test_a_list_that_leads_elsewhere_is_refused(full, tmp_path, name):
    place = tmp_path / "copy"
    full.backup(place)
    file = place / "backup.json"
    listed = json.loads(file.read_text())
    listed["files"][name] = [1, "0" * 64]
    file.write_text(json.dumps(listed))
    with pytest.raises((UnsafeName, BackupDamaged)):
        hs.restore(place, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_data_that_lie_elsewhere_are_found_by_other_roots(ws, run, tmp_path):
    data = tmp_path / "mnt" / "a"
    for name in ("one", "two"):
        (data / name).mkdir(parents=True)
        (data / name / "texts.csv").write_text(
            "text,label\n" + "".join(f"{name} {n},{'ab'[n % 2]}\n" for n in range(20))
        )
        ws.datasets.add(name, data / name / "texts.csv")
    before = {name: ws.context.manifest(name).samples for name in ("one", "two")}
    ws.backup(tmp_path / "copy")
    shutil.move(data, tmp_path / "data")
    ran = run("restore", tmp_path / "copy", "--workspace", tmp_path / "w", "--json")
    assert ran.json["not_found"] == ["one", "two"] and ran.err.count("are not found") == 2
    assert "headstart dataset move one PATH" in ran.err
    pairs = ("--root", f"{data}={tmp_path / 'data'}", "--root", f"{tmp_path / 'mnt'}=/nowhere")
    ran = run("restore", tmp_path / "copy", "--workspace", tmp_path / "v", *pairs, "--json")
    assert ran.err == "" and ran.json["not_found"] == []
    found = hs.open(tmp_path / "v")
    for name, samples in before.items():
        assert found.datasets.get(name).source == str(tmp_path / "data" / name / "texts.csv")
        now = found.context.manifest(name).samples
        assert [(o.id, o.digest, o.split) for o in now] == [
            (o.id, o.digest, o.split) for o in samples
        ]
    assert "takes OLD=NEW" in run("restore", tmp_path / "copy", "--root", "x").err


def test_a_database_that_is_in_use_is_not_restored_into(full, tmp_path, own_database):
    full.backup(tmp_path / "copy")
    other = hs.init(tmp_path / "other", own_database)
    with pytest.raises(ForeignDatabase):
        hs.restore(tmp_path / "copy", tmp_path / "elsewhere", own_database)
    assert not (tmp_path / "elsewhere").exists()
    other.database.close()


def test_an_sqlite_file_that_is_there_is_not_written_over(ws, tmp_path, monkeypatch):
    ws.backup(tmp_path / "copy")
    file = tmp_path / "shared.db"
    hs.init(tmp_path / "other", f"sqlite:///{file}").database.close()
    before = file.read_bytes()
    with pytest.raises(ForeignDatabase, match=r"shared\.db is there already"):
        hs.restore(tmp_path / "copy", tmp_path / "elsewhere", f"sqlite:///{file}")
    assert file.read_bytes() == before and not (tmp_path / "elsewhere").exists()
    monkeypatch.setattr(restores, "_keep_defaults", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hs.restore(tmp_path / "copy", tmp_path / "elsewhere", f"sqlite:///{tmp_path / 'new.db'}")
    assert not (tmp_path / "new.db").exists()  # so that it can be tried again
    monkeypatch.undo()
    hs.restore(tmp_path / "copy", tmp_path / "elsewhere", f"sqlite:///{tmp_path / 'new.db'}")
    assert len(hs.open(tmp_path / "elsewhere").datasets) == 0


def test_defaults_come_with_it_and_a_password_does_not(full, tmp_path):
    file = full.config.root / "headstart.toml"
    file.write_text(file.read_text() + '[defaults]\nseed = 7\nsplit = "60/20/20"\n')
    ws = hs.open(full.config.root)
    ws.backup(tmp_path / "copy")
    found = hs.restore(tmp_path / "copy", tmp_path / "elsewhere")
    assert found.config.defaults == {"seed": 7, "split": "60/20/20"}


def test_defaults_that_json_does_not_have_are_restored(ws, tmp_path):
    file = ws.config.root / "headstart.toml"
    lines = 'stall_seconds = inf\nengine = "\U0001f600\\u007f"\nfolds = 2026-01-31\n'
    file.write_text(f"{file.read_text()}[defaults]\n{lines}")
    hs.open(ws.config.root).backup(tmp_path / "copy")
    found = hs.restore(tmp_path / "copy", tmp_path / "elsewhere").config.defaults
    assert found == {
        "stall_seconds": float("inf"),
        "engine": "\U0001f600\x7f",
        "folds": "2026-01-31",
    }


def test_an_empty_folder_that_is_there_becomes_the_workspace(ws, run, tmp_path, monkeypatch):
    """As one on which a disk is mounted: nothing can be renamed to it."""
    ws.datasets.add("kept", np.ones((2, 6), np.float32))
    ws.backup(tmp_path / "copy")
    mount = tmp_path / "mount"
    mount.mkdir()
    node = mount.stat().st_ino
    with monkeypatch.context() as patch:
        patch.setattr(restores.snapshot, "note_restored", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hs.restore(tmp_path / "copy", mount)
    assert list(mount.iterdir()) == []
    hs.restore(tmp_path / "copy", mount)
    assert mount.stat().st_ino == node
    assert not [one for one in mount.iterdir() if one.name.startswith(".restored")]
    assert len(hs.open(mount).context.manifest("kept").samples) == 2
    (tmp_path / "file").write_text("")
    for words in (
        ("backup", tmp_path / "file" / "x"),
        ("restore", tmp_path / "copy", "--workspace", tmp_path / "file" / "x"),
    ):
        ran = run(*words)
        assert ran.code == EXITS["storage"] and f"cannot write {tmp_path / 'file'}" in ran.err, (
            ran.err
        )


def test_the_variable_of_a_database_is_obeyed_as_by_init(ws, run, tmp_path, monkeypatch):
    ws.backup(tmp_path / "copy")
    url = f"sqlite:///{tmp_path / 'own.db'}"
    monkeypatch.setenv("HEADSTART_DATABASE_URL", url)
    ran = run("restore", tmp_path / "copy", "--workspace", tmp_path / "w")
    assert ran.code == 0, ran.err
    assert (tmp_path / "own.db").exists() and not (tmp_path / "w" / "headstart.db").exists()
    assert "own.db" not in (tmp_path / "w" / "headstart.toml").read_text()
    both = ("--database-url", url, "--database-url-file", tmp_path / "url")
    ran = run("restore", tmp_path / "copy", "--workspace", tmp_path / "v", *both)
    assert ran.code == EXITS["usage"] and "not both" in ran.err


@pytest.mark.parametrize("step", ["_note", "_count_on"])
def test_a_restore_into_a_server_that_fails_leaves_nothing_and_can_be_tried_again(
    full, tmp_path, own_database, monkeypatch, step
):
    full.backup(tmp_path / "copy")
    before = told(full)
    monkeypatch.setattr(restores.snapshot, step, lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hs.restore(tmp_path / "copy", tmp_path / "elsewhere", own_database)
    monkeypatch.undo()
    assert tables_in(own_database) == [] and not (tmp_path / "elsewhere").exists()
    ws = hs.restore(tmp_path / "copy", tmp_path / "elsewhere", own_database)
    assert told(ws)["heads"] == before["heads"]
    ws.database.close()


def test_a_commit_that_fails_takes_the_folder_back(full, tmp_path, own_database, monkeypatch):
    full.backup(tmp_path / "copy")
    real = restores.snapshot._note

    def note(connection, *given):
        real(connection, *given)
        event.listen(connection.engine, "commit", lambda _: 1 / 0)

    (tmp_path / "mount").mkdir()
    for place in ("elsewhere", "mount"):
        with monkeypatch.context() as patch:
            patch.setattr(restores.snapshot, "_note", note)
            with pytest.raises(ZeroDivisionError):
                hs.restore(tmp_path / "copy", tmp_path / place, own_database)
        assert tables_in(own_database) == []
    assert not (tmp_path / "elsewhere").exists() and not list((tmp_path / "mount").iterdir())
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".restored")]


def tables_in(url):
    engine = create_engine(url)
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def test_the_users_own_roots_say_where_data_lie_on_this_machine(ws, run, tmp_path, monkeypatch):
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        lines = "".join(f"text {n},{'ab'[n % 2]}\n" for n in range(20))
        (tmp_path / place / "texts.csv").write_text(f"text,label\n{lines}")
    ws.datasets.add("texts", tmp_path / "here" / "texts.csv")
    ws.backup(tmp_path / "copy")
    shutil.rmtree(tmp_path / "here")
    own = tmp_path / "config.toml"
    own.write_text(f'[roots]\n"{tmp_path / "here"}" = "{tmp_path / "there"}"\n')
    monkeypatch.setenv("HEADSTART_CONFIG", str(own))
    ran = run("restore", tmp_path / "copy", "--workspace", tmp_path / "w", "--json")
    assert ran.json["moved"] == {"texts": str(tmp_path / "there" / "texts.csv")}, ran.err
    own.write_text("[roots]\na = 1\n")
    assert "roots in" in run("backbone", "list").err and run("backbone", "list").code == 2
