"""Temporary folders and files whose owners live or do not, so that what the dead left is removed.

A folder has a mark in it: a file that its process holds with a lock of the system (flock), which
ends with the process, however it ends. A folder whose mark can be locked is nobody's. Where there
are no such locks (Windows), nothing is ever taken for dead. A file that is written aside is locked
itself.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.storage.files import PARTIAL, clock_of, is_own, open_own
from headstart.storage.locks import lock

PREFIX = "headstart-"
MARK, CONTENT = ".owner", "content"
PARTIAL_SECONDS = 3600.0
"""Files written aside are left alone for so long, as the machine that writes one may be another."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder for the length of the block, which nobody else can read.

    Args:
        parent: where to make it; the system's place for temporary files without it.
    """
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    mark = os.open(folder / MARK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if lock(mark, wait=True):  # a mark without words is one that nobody has locked yet
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(mark, f"process {os.getpid()}, {started}\n".encode())
        (folder / CONTENT).mkdir()
        yield folder / CONTENT
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(mark)


def dead_folders(parent: Path | None = None) -> list[Path]:
    """This user's scratch folders whose processes are gone.

    Args:
        parent: where to look; the system's place for temporary files without it.
    """
    place = Path(tempfile.gettempdir() if parent is None else parent)
    return [folder for folder in sorted(place.glob(f"{PREFIX}*")) if _is_dead(folder)]


def remove_dead(folder: Path) -> bool:
    """Remove a scratch folder, if it is dead still; gives whether it is gone."""
    mark = _lock_mark(folder)
    if mark is None:
        return False
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(mark)
    return not folder.exists()


def dead_partials(folder: Path, pattern: str) -> list[Path]:
    """Files that were being written aside by processes that are gone.

    Args:
        folder: where to look.
        pattern: of their paths below it, without the ending.
    """
    found = sorted(folder.glob(f"{pattern}{PARTIAL}"))
    return [path for path in found if _is_abandoned(path)]


def _is_abandoned(path: Path) -> bool:
    file = open_own(path)
    if file is None:
        return False
    try:
        return lock(file) and clock_of(path.parent) - os.fstat(file).st_mtime > PARTIAL_SECONDS
    finally:
        os.close(file)


def _is_dead(folder: Path) -> bool:
    mark = _lock_mark(folder)
    if mark is None:
        return False
    os.close(mark)
    return True


def _lock_mark(folder: Path) -> int | None:
    """The mark of a dead folder of this user's, locked; None for all others."""
    if not _is_own(folder):
        return None
    mark = open_own(folder / MARK)
    if mark is None:
        return None
    if lock(mark) and os.fstat(mark).st_size and os.fstat(mark).st_nlink:
        return mark
    os.close(mark)
    return None


def _is_own(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and is_own(status)
