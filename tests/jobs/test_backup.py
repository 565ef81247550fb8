"""A copy of a workspace that others work in, and a workspace from it, wherever it lies then."""

import hashlib
import json
import shutil
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text

import headstart as hs
from headstart.errors import (
    EXITS,
    AlreadyExists,
    BackupDamaged,
    ForeignDatabase,
    NotFound,
    RegistryError,
    UnsafeName,
)
from headstart.jobs.backups import backup as backups
from headstart.jobs.backups import restore as restores
from headstart.notices import HeadstartWarning
from headstart.registry import listing, schema

ASSETS = Path(__file__).parents[1] / "assets" / "workspaces"
FLAT = "flat@as_it_is"


@pytest.fixture
def full(rows):
    """A workspace with a bit of everything."""
    features = rows.features(FLAT, "rows")
    rows.heads.train("h", features, hs.Linear(strengths=1.0))
    rows.heads.alias("production", "h")
    rows.backbones.alias("best", "flat")
    rows.datasets.add("kept", np.arange(24, dtype=np.float32).reshape(4, 6))
    rows.sweep("rows", kinds=[hs.Linear(strengths=1.0)], trying=hs.CrossValidation(folds=3))
    return rows


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


def other_database(server, name):
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


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


@pytest.mark.parametrize("other", ["sqlite", "postgresql"])
def test_a_backup_is_of_one_moment_and_goes_into_any_database(
    with_rows, tmp_path, temporary, url, other, request
):
    """Somebody changes a tag all the time; the event of a change is in its own transaction, so that
    of one moment the tag is what the last event says."""
    shutil.copytree(with_rows, tmp_path / "zoo")
    zoo = hs.open(tmp_path / "zoo")
    if url is not None:
        zoo.backup(tmp_path / "first", features=True)
        zoo = hs.restore(tmp_path / "first", tmp_path / "shared", url)
    end, moves = threading.Event(), []

    def change():
        while not end.is_set():
            zoo.backbones.tag("flat", {"n": str(len(moves))})
            moves.append(len(moves))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        while len(moves) < 5:
            end.wait(0.01)
        zoo.backup(tmp_path / "copy", features=True)
        seen = len(moves)
    finally:
        end.set()
        thread.join()
    target = None
    if other == "postgresql":
        target = other_database(
            request.getfixturevalue("server"), f"restored_{url is None}".lower()
        )
    ws = hs.restore(tmp_path / "copy", tmp_path / "elsewhere", target)
    last = ws.events.find("flat", action="tag", limit=1)[0]
    assert 4 <= int(last.after["n"]) <= seen
    assert ws.backbones.get("flat").tags == last.after
    assert ws.extract(FLAT, "rows").report.computed == 0
    ws.backbones.alias("best", "flat")  # rows are counted on
    ws.datasets.add("more", np.ones((2, 6), np.float32))
    assert len(ws.events.find(action="add", kind="dataset", name="more")) == 1
    ws.database.close()


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


def test_a_backup_that_is_there_is_brought_up_to_date(full, tmp_path):
    place = tmp_path / "copy"
    first = full.backup(place, features=True)
    before = {path: path.stat().st_mtime_ns for path in (place / "artifacts").rglob("*.*")}
    full.heads.train("h", full.features(FLAT, "rows"), hs.Linear(strengths=2.0))
    full.datasets.remove("kept", force=True)
    second = full.backup(place, features=True)
    assert second.copied < first.copied
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert not list((place / "contents").glob("*"))
    assert len(list(place.glob("registry-*.db"))) == 1
    ws = hs.restore(place, tmp_path / "elsewhere")
    assert [row["version"] for row in listing.heads(ws.config)] == [1, 2]
    other = hs.init(tmp_path / "other")
    with pytest.raises(AlreadyExists, match="a backup of another workspace"):
        other.backup(place)
    with pytest.raises(AlreadyExists, match="is there, and is not a backup"):
        full.backup(full.config.root)


def test_a_backup_that_fails_leaves_the_one_of_before(full, tmp_path, monkeypatch):
    place = tmp_path / "copy"
    full.backup(place)
    before = {str(p): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    full.heads.train("h", full.features(FLAT, "rows"), hs.Linear(strengths=2.0))

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(backups, "copied", fail)
    with pytest.raises(KeyboardInterrupt):
        full.backup(place)
    assert {str(p): p.read_bytes() for p in place.rglob("*") if p.is_file()} == before
    with pytest.raises(NotFound, match="holds no backup"):
        hs.restore(tmp_path, tmp_path / "elsewhere")
    with pytest.raises(AlreadyExists, match="is there already"):
        hs.restore(place, full.config.root)


def test_a_file_that_the_workspace_lost_is_named_and_the_rest_is_kept(full, tmp_path):
    digest = full.heads.get("h").record.artifact_digest
    full.context.artifacts.path_of(digest, ".npz").unlink()
    with pytest.warns(HeadstartWarning, match="is not in the backup: it is missing"):
        done = full.backup(tmp_path / "copy")
    assert [digest in name for name in done.missing] == [True]
    with pytest.warns(HeadstartWarning, match=f"does not have 1 file .*{digest}"):
        assert len(hs.restore(tmp_path / "copy", tmp_path / "elsewhere").backbones) == 1


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
    assert ran.code == 1 and "leave the copy out with --no-copy" in ran.err
    assert hashlib.sha256((tmp_path / "zoo" / "headstart.db").read_bytes()).hexdigest() == before
    assert run("db", "upgrade", "--no-copy", "--json").json["copy"] is None


def test_a_manifest_in_parts_comes_with_all_of_them(ws, tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.storage.manifest.LARGEST_WHOLE", 100)
    ws.datasets.add("many", np.arange(400, dtype=np.float32).reshape(400, 1))
    parts = ws.context.manifests.part_names(ws.datasets.get("many").manifest)
    ws.backup(tmp_path / "copy")
    assert parts and parts <= {one.name for one in (tmp_path / "copy").rglob("*.arrows")}
    shutil.rmtree(ws.config.root / "manifests-parts")
    manifest = ws.config.manifests / ws.datasets.get("many").manifest
    manifest.write_bytes(b"x" + manifest.read_bytes()[1:])
    assert ws.backup(tmp_path / "copy").missing == ()  # it has the good ones, and keeps them
    found = hs.restore(tmp_path / "copy", tmp_path / "elsewhere")
    assert len(found.context.manifest("many").samples) == 400


def damage(file):
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_what_is_rotten_in_a_backup_is_copied_anew(ws, tmp_path):
    ws.datasets.add("kept", np.arange(24, dtype=np.float32).reshape(4, 6))
    ws.backup(tmp_path / "copy")
    file = next((tmp_path / "copy" / "contents").glob("*"))
    content = file.read_bytes()
    damage(file)
    ws.backup(tmp_path / "copy")
    assert file.read_bytes() == content
    restores.check(tmp_path / "copy")


def test_nothing_goes_from_a_backup_while_the_workspace_lacks_files(ws, run, tmp_path):
    place = tmp_path / "copy"
    for name, count in (("lost", 4), ("gone", 5)):
        ws.datasets.add(name, np.arange(count * 6, dtype=np.float32).reshape(count, 6))
    ws.backup(place)
    before = {path for path in place.rglob("*.*") if not path.name.startswith("registry")}
    ws.datasets.remove("gone", force=True)
    ws.datasets.add("new", np.ones((3, 6), np.float32))
    (ws.config.manifests / ws.datasets.get("new").manifest).unlink()
    ran = run("backup", place)
    assert ran.code == EXITS["failed"] and "1 file of the workspace is not in it" in ran.err
    assert all(path.exists() for path in before)
    checked = run("restore", place, "--check")
    assert checked.code == EXITS["failed"] and "is whole" not in checked.out
    assert "1 file of the workspace is not in it" in checked.err
    assert len(run("restore", place, "--check", "--json").json["missing"]) == 1
    ws.datasets.remove("new", force=True)
    assert run("backup", place).code == 0 and run("restore", place, "--check").code == 0
    assert not all(path.exists() for path in before)  # what nobody names any more


def test_files_that_were_fetched_together_stay_in_the_backup(ws, tmp_path, monkeypatch):
    (ws.config.contents / "a.files").mkdir(parents=True)
    for name in ("one", "two"):
        (ws.config.contents / "a.files" / name).write_text(name)
    ws.datasets.add("kept", np.ones((2, 6), np.float32))
    monkeypatch.setattr(backups.Contents, "find_name", lambda *_: "a.files")
    ws.backup(tmp_path / "copy")
    (ws.config.contents / "a.files" / "two").unlink()
    assert ws.backup(tmp_path / "copy").missing == ()
    assert (tmp_path / "copy" / "contents" / "a.files" / "two").read_text() == "two"


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
