"""What the system refuses: one line, with the code that the table of exit codes has for it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.errors import EXITS
from headstart.storage.files import storage_error

FULL = Path("/dev/full")
MODULE = [sys.executable, "-m", "headstart"]


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "command", [("glossary",), ("features", "list"), ("db", "current", "--json")], ids=" ".join
)
def test_a_full_device_behind_standard_output_is_no_bug(rows, command):
    with FULL.open("w") as full:
        ran = subprocess.run(
            [*MODULE, *command, "--workspace", str(rows.context.config.root)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ran.returncode == EXITS["storage"], ran.stderr
    said = ran.stderr.splitlines()
    assert said[-1].startswith("error: the system refuses standard output: No space left")
    assert len(said) == 1 + ("--json" in command)


@pytest.mark.skipif(os.name == "nt", reason="a shell that closes descriptors")
def test_a_closed_standard_output_is_said_in_one_line():
    line = f"{sys.executable} -m headstart glossary >&-"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    said = "error: standard output is closed. Send it to a file, or to /dev/null.\n"
    assert (ran.returncode, ran.stderr) == (EXITS["storage"], said)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_what_this_user_may_not_do_is_denied(number):
    assert storage_error(Path("x"), OSError(number, os.strerror(number))).code == "denied"
    assert storage_error(Path("x"), OSError(errno.EIO, "Input/output error")).code == "storage"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_workspace_that_may_not_be_made_is_denied(run, tmp_path, monkeypatch, number):
    mkdir = Path.mkdir

    def refused(self, *arguments, **given):
        if self.is_relative_to(tmp_path / "mine"):
            raise OSError(number, os.strerror(number), str(self))
        return mkdir(self, *arguments, **given)

    monkeypatch.setattr(Path, "mkdir", refused)
    ran = run("init", "--workspace", tmp_path / "mine")
    assert ran.code == EXITS["denied"], ran.err
    assert "cannot make a workspace" in ran.err and "bug" not in ran.err


def test_an_error_of_the_system_that_nobody_took_up_is_denied_too(run, monkeypatch):
    def refused(*_arguments, **_given):
        raise PermissionError(errno.EACCES, "Permission denied", "/some/file")

    monkeypatch.setattr("headstart.glossary.find_terms", refused)
    ran = run("glossary")
    assert ran.code == EXITS["denied"]
    assert ran.err.startswith("error: the system refuses /some/file: Permission denied.")


def test_memory_that_is_not_there_is_no_bug(run, monkeypatch):
    def refused(*_arguments, **_given):
        raise MemoryError("Unable to allocate 467 TiB")

    monkeypatch.setattr("headstart.glossary.find_terms", refused)
    ran = run("glossary")
    assert ran.code == EXITS["failed"]
    assert "not enough memory: MemoryError: Unable to allocate 467 TiB" in ran.err
    assert "bug" not in ran.err
