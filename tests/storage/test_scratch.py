"""Temporary folders: gone with the block, or found when their process was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from conftest import clean_environment
from headstart.storage import scratch
from headstart.storage.files import written_aside
from headstart.storage.scratch import dead_folders, dead_partials, remove_dead, scratch_folder

ADDING = """
import time
from pathlib import Path
from headstart.extractors.backbones import registration
from headstart.storage.files import written_aside

def open_source(source, scratch, artifacts, **more):
    (scratch / "model.keras").write_bytes(b"half of it")
    with written_aside(Path({root!r}, "artifacts", "ab", "cd.keras")) as file:
        file.write(b"half of it")
        file.flush()
        Path({root!r}, "at-work").touch()
        time.sleep(600)

registration.open_source = open_source
from headstart.cli import main
main(["--workspace", {root!r}, "backbone", "add", "net", "x.keras"])
"""


@pytest.fixture
def adding(ws):
    """A process that adds a backbone, in the middle of it; it is killed at the end anyway."""
    code = ADDING.format(root=str(ws.config.root))
    environment = clean_environment(TMPDIR=tempfile.gettempdir())
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        try:
            while not (ws.config.root / "at-work").exists():
                assert process.poll() is None
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def left(ws):
    folders = list(Path(tempfile.gettempdir()).glob("headstart-*"))
    return folders, list((ws.config.root / "artifacts").rglob("*.partial"))


def test_what_a_killed_command_left_is_collected_and_what_a_living_one_has_is_not(
    ws, run, adding, monkeypatch
):
    monkeypatch.setattr(scratch, "PARTIAL_SECONDS", -1.0)
    folders, partials = left(ws)
    assert (len(folders), len(partials)) == (1, 1)
    assert "Nothing to collect" in run("features", "gc", "--apply").out
    assert left(ws) == (folders, partials)
    os.kill(adding.pid, signal.SIGKILL)
    adding.wait()
    found = run("features", "gc", "--json").json["found"]
    assert [(one["kind"], one["what"]) for one in found] == [
        ("temporary", str(folders[0])),
        ("temporary", str(partials[0])),
    ]
    assert left(ws) == (folders, partials)
    assert "2 of 2 deleted" in run("features", "gc", "--apply").out
    assert left(ws) == ([], [])


def test_a_file_that_was_just_written_aside_is_left_alone(ws, adding):
    os.kill(adding.pid, signal.SIGKILL)
    adding.wait()
    _, (partial,) = left(ws)
    assert dead_partials(ws.config.root, "artifacts/*/*") == []
    old = time.time() - 7200
    os.utime(partial, (old, old))
    assert dead_partials(ws.config.root, "artifacts/*/*") == [partial]


def test_a_scratch_folder_is_private_and_ends_with_its_block(tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "x").write_text("x")
        assert folder.parent.stat().st_mode & 0o077 == 0
        assert dead_folders(tmp_path) == []
        assert not remove_dead(folder.parent)
        assert (folder / "x").read_text() == "x"
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_not_ours_are_never_taken_for_dead(tmp_path):
    (tmp_path / "headstart-plain").mkdir()
    beginning = tmp_path / "headstart-beginning"
    beginning.mkdir()
    (beginning / ".owner").touch()  # made a moment ago, and not yet locked
    dead = tmp_path / "elsewhere"
    dead.mkdir()
    (dead / ".owner").write_text("process 1")
    (tmp_path / "headstart-link").symlink_to(dead)
    linked = tmp_path / "headstart-linked-mark"
    linked.mkdir()
    (linked / ".owner").symlink_to(dead / ".owner")
    pipe = tmp_path / "headstart-pipe"
    pipe.mkdir()
    os.mkfifo(pipe / ".owner")
    (tmp_path / "headstart-file").write_text("x")
    assert dead_folders(tmp_path) == []
    dead.rename(tmp_path / "headstart-dead")
    assert dead_folders(tmp_path) == [tmp_path / "headstart-dead"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_left_alone(tmp_path):
    folder = tmp_path / "headstart-theirs"
    folder.mkdir()
    (folder / ".owner").write_text("process 1")
    os.chown(folder, 12345, 12345)
    assert dead_folders(tmp_path) == []


def test_a_file_is_locked_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "PARTIAL_SECONDS", -1.0)
    with written_aside(tmp_path / "x") as file:
        file.write(b"x")
        assert len(list(tmp_path.glob("*.partial"))) == 1
        assert dead_partials(tmp_path, "*") == []
