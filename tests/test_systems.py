"""What only some systems have is asked for in few places, and each works without it or says so."""

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import clean_environment
from headstart.errors import WorkspaceError
from headstart.storage import locks
from headstart.storage.files import is_own, open_own, written_aside
from headstart.storage.memory import free_memory
from headstart.storage.scratch import dead_folders, dead_partials, remove_dead, scratch_folder

ROOT = Path(__file__).parent.parent
FOLDERS = ("registry", "storage", "extractors", "headstart", "heads", "alembic")
POSIX_MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")
POSIX_NAMES = {
    *("chown", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups"),
    *("getloadavg", "getpgid", "getuid", "kill", "killpg", "lchown", "mkfifo", "nice", "openpty"),
    *("pread", "preadv", "pwrite", "pwritev", "sched_getaffinity", "sendfile", "setgid", "setpgid"),
    *("setsid", "setuid", "statvfs", "sysconf", "uname", "wait", "waitpid", "WIFSIGNALED"),
    *("O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_SYNC", "WTERMSIG"),
    *("SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGXFSZ"),
}
ASKING = {f"{module}.{name}" for module in ("os", "signal") for name in POSIX_NAMES}
NEEDED = {"fork", "kill", "statvfs", "waitpid", "WIFSIGNALED", "WTERMSIG"}
"""Of those, what Python's own library needs on this system."""
SAFETY = "extractors/safety"
ASKED = {
    "storage/files.py": "`is_own`: yes where users have no numbers",
    "storage/locks.py": "nothing is held where there is no flock",
    "heads/copied_rows.py": "slices are read where there is no preadv",
    "storage/local_store.py": "reads part by part where there is no preadv",
    "headstart/group_access.py": "refused in one line where files have no groups",
    "extractors/runtime.py": "counts the machine's cores where a process has no share of them",
    f"{SAFETY}/confinement.py": "asked in a fork alone, which is made on Linux alone",
    f"{SAFETY}/first_load.py": "nobody else's where users have no numbers",
    "extractors/backbones/first_load_server.py": "run where `HAS_FORK`; elsewhere `once` alone",
    f"{SAFETY}/shards_apart.py": "without limits of the system where there are none",
    "extractors/datasets/sources/columnar/part.py": "the limit of open files is left as it is",
    f"{SAFETY}/inspection.py": "without limits of the system where there are none",
}


def asked_of_the_system(tree):
    """Modules and names in a file that not every system has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in POSIX_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in POSIX_MODULES:
            yield node.module
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ASKING:
            yield node.attr


def test_what_not_every_system_has_is_asked_for_in_few_places():
    found = {
        file.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        if list(asked_of_the_system(ast.parse(file.read_text(encoding="utf-8"))))
    }
    assert found == ASKED.keys()


@pytest.fixture
def windows(monkeypatch, tmp_path):
    """No users, no groups, no locks, no flags of POSIX, as far as our code can see; where a folder
    for the test was made, which asks who the user is."""
    for name in POSIX_NAMES - NEEDED:
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(locks, "fcntl", None)


def test_temporary_folders_are_made_and_removed_and_none_is_taken_for_dead(windows, tmp_path):
    with scratch_folder(tmp_path) as folder:
        (folder / "a").write_text("x")
        assert dead_folders(tmp_path) == [] and not remove_dead(folder.parent)
    assert not list(tmp_path.iterdir())
    (tmp_path / ".x.partial").touch()
    os.utime(tmp_path / ".x.partial", (0, 0))
    assert dead_partials(tmp_path, ".*") == []
    with written_aside(tmp_path / "file") as file:
        file.write(b"whole")
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_files_are_opened_with_the_flags_that_there_are(windows, tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    descriptor = open_own(tmp_path / "a")
    assert descriptor is not None and os.read(descriptor, 9) == b"a"
    os.close(descriptor)
    assert open_own(tmp_path / "none") is None
    assert is_own((tmp_path / "a").lstat())


def test_links_and_other_users_are_seen_where_the_system_has_them(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert open_own(tmp_path / "link") is None
    status = list((tmp_path / "a").stat())
    assert is_own(os.stat_result(status))
    status[4] += 1
    assert not is_own(os.stat_result(status))


def test_memory_is_known_everywhere(windows):
    assert 1 << 20 < free_memory() < 1 << 50


def test_groups_are_refused_where_files_have_none(ws, windows, fails):
    line = fails("init", "--workspace", ws.config.root, "--shared")
    assert "this system has no groups of users that own files" in line
    with pytest.raises(WorkspaceError):
        from headstart.group_access import share

        share(ws.config)


def test_features_are_read_without_preadv(ready, windows):
    before = ready.extract("net", "pics")
    assert np.isfinite(before.to_numpy()).all() and len(before) == 36


WITHOUT = f"""
import os, sys
import click, h5py, numpy, platformdirs.unix, psutil, rich, scipy, sklearn, sqlalchemy, alembic
import joblib, threadpoolctl
from sqlalchemy.dialects import sqlite
for name in {POSIX_MODULES!r}:
    sys.modules[name] = None
for name in {sorted(POSIX_NAMES - NEEDED)!r}:
    if hasattr(os, name):
        delattr(os, name)
from headstart.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("command", ["init", "doctor", "head list", "features gc"])
def test_commands_work_in_a_process_that_lacks_them(ws, command):
    place = ws.config.root
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT, *command.split(), "--workspace", str(place)],
        capture_output=True,
        text=True,
        env=clean_environment(),
        check=False,
        timeout=280,
    )
    assert "Traceback" not in ran.stderr and "This is a bug" not in ran.stderr, ran.stderr
    assert ran.returncode == 0 or command == "doctor", ran.stderr


def test_the_error_numbers_that_are_named_are_known_everywhere():
    assert errno.ENOSPC and errno.EDQUOT
