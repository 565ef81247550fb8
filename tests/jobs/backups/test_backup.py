"""A copy of a workspace that others work in."""

import shutil
import threading

import numpy as np
import pytest
from sqlalchemy import create_engine, text

import headstart as hs
from headstart.errors import (
    EXITS,
    AlreadyExists,
    NotFound,
)
from headstart.jobs.backups import backup as backups
from headstart.jobs.backups import places
from headstart.jobs.backups import restore as restores
from headstart.notices import HeadstartWarning
from headstart.registry import listing

FLAT = "flat@as_it_is"


def other_database(server, name):
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


def interrupt(*_):
    raise KeyboardInterrupt


def damage(file):
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


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

    monkeypatch.setattr(places.FolderPlace, "put", interrupt)
    with pytest.raises(KeyboardInterrupt):
        full.backup(place)
    monkeypatch.undo()
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


def test_a_first_backup_that_was_interrupted_is_begun_again(full, tmp_path, monkeypatch):
    place, real, puts = tmp_path / "copy", places.FolderPlace.put, []

    def put(*given):
        puts.append(given[2])
        return real(*given) if len(puts) < 3 else interrupt()

    monkeypatch.setattr(places.FolderPlace, "put", put)
    with pytest.raises(KeyboardInterrupt):
        full.backup(place)
    monkeypatch.undo()
    (place / "features").mkdir()
    (place / "features" / "left.h5").write_bytes(b"of a state of before")
    (place / "headstart-killed").mkdir()
    (place / "headstart-killed" / ".owner").write_text("process 1")
    with pytest.raises(NotFound, match="holds no backup"):
        restores.check(place)
    with pytest.raises(AlreadyExists, match="is there, and is not a backup"):
        hs.init(tmp_path / "other").backup(place)
    full.backup(place)
    found = restores.check(place)
    there = {one.relative_to(place).as_posix() for one in place.rglob("*") if one.is_file()}
    assert len(there) == found.files + 1  # and the list of them
    assert not [name for name in there if "begun" in name or "headstart-" in name]
