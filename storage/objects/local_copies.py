"""Whole shards of a far store, kept on this machine by their sha256 while there is room."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from headstart.errors import WorkspaceError
from headstart.paths import by_digest, inside
from headstart.storage.files import PARTIAL, free_bytes, make_folder
from headstart.values.sizes import bytes_in

FOLDER_VARIABLE, SIZE_VARIABLE = "HEADSTART_CACHE", "HEADSTART_CACHE_SIZE"
CACHE_BYTES = 20 << 30
INODE = 3
USED = "used"
"""A folder of empty files: when each copy was used last. To say so in the times of the copy itself
would hide that somebody has written to it."""
SPARE = 1 << 30
"""Bytes of the disk that are left to others: less free than that, and nothing more is kept."""


def cache_folder(root: Path) -> Path:
    """Where this machine keeps copies of what a workspace has in an object store: a folder of the
    workspace, or `$HEADSTART_CACHE`. It may be deleted at any time."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser().absolute() if named else inside(root, "cache")


def cache_bytes() -> int:
    """What the copies take at most: `$HEADSTART_CACHE_SIZE`, or 20 GiB.

    Raises:
        WorkspaceError: the variable holds no size.
    """
    text = os.environ.get(SIZE_VARIABLE)
    size = CACHE_BYTES if not text else bytes_in(text)
    if size is None:
        raise WorkspaceError(
            f"{SIZE_VARIABLE} is {text!r}, which is not a size", hint="Such as 20GB."
        )
    return size


class _File(NamedTuple):
    used: int
    size: int
    path: Path


class LocalCopies:
    """A folder of files called by their sha256; those used longest ago go first.

    A copy is hashed before it gets its name. Losing any of them costs only time; several processes
    may use one folder. It is no place of what is stored, and nothing in it is synced.

    Args:
        folder: where they lie; made when the first one is kept.
        quota: bytes that they take in all, at most.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self._folder = folder
        self.quota = quota
        self._known: dict[str, tuple[int, ...]] = {}
        self._spoilt = Counter[str]()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[LocalCopies], tuple[Path, int]]:
        return LocalCopies, (self._folder, self.quota)

    def find(self, sha256: str, size: int | None = None, *, hashed: bool = False) -> Path | None:
        """A copy, if there is one; it counts as used now.

        Args:
            sha256: of the content.
            size: bytes that it must have.
            hashed: whether it must be one that this process has hashed, and nobody has written to
                since; else only its size is looked at, and the caller sees to the rest.
        """
        path = by_digest(self._folder, sha256)
        state = _state_of(path)
        if not state:
            return None
        is_known = self._known.get(sha256) == state
        if (size is not None and state[0] != size) or (
            hashed and not is_known and not _is_right(path, sha256)
        ):
            self.forget(sha256)
            return None
        if hashed:
            self._known[sha256] = state
        self._use(sha256)
        return path

    def spoilings(self, sha256: str) -> int:
        """How often somebody wrote to a copy that was hashed here, and may be mapped still. Not
        counted is one that was deleted, or that another process put its own in the place of: what
        is mapped stays what it was."""
        known, state = self._known.get(sha256), _state_of(by_digest(self._folder, sha256))
        if known and state and state != known and state[INODE] == known[INODE]:
            self._known.pop(sha256, None)
            self._spoilt[sha256] += 1
        return self._spoilt[sha256]

    def is_intact(self, sha256: str) -> bool:
        """Whether there is a copy that this process has hashed, and nobody has written to it."""
        known = self._known.get(sha256)
        return known is not None and _state_of(by_digest(self._folder, sha256)) == known

    def keep(self, sha256: str, content: memoryview) -> Path | None:
        """Keep a content whose sha256 was found right; None where there is no room for it. One that
        another process has put there is left as it is, if it is right."""
        path = by_digest(self._folder, sha256)
        if len(content) > self.quota:
            return None
        with self._lock:
            self.spoilings(sha256)
            state = _state_of(path)
            if not state or not _is_right(path, sha256):
                state = self._write(path, content) if self._make_room(len(content)) else ()
            if not state:
                return None
            self._known[sha256] = state
            return path

    def forget(self, sha256: str) -> None:
        """Delete a copy, if there is one."""
        self.spoilings(sha256)
        self._known.pop(sha256, None)
        self._delete(by_digest(self._folder, sha256))

    def _use(self, sha256: str) -> None:
        mark = inside(self._folder, USED, sha256)
        with suppress(OSError):  # another user's, or on a full disk
            mark.parent.mkdir(exist_ok=True)
            mark.touch()

    def _delete(self, path: Path) -> None:
        for one in (path, inside(self._folder, USED, path.name)):
            with suppress(OSError):
                one.unlink(missing_ok=True)

    def _write(self, path: Path, content: memoryview) -> tuple[int, ...]:
        """The state of the file that was written; empty if it was not."""
        aside = f".{path.name}.{secrets.token_hex(8)}{PARTIAL}"
        partial = path.with_name(aside)
        try:
            make_folder(path.parent)
            with partial.open("xb") as file:
                file.write(content)
            written = _state_of(partial)
            partial.replace(path)
        except OSError:  # a full disk, or one that is read-only: it is read from afar
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return ()
        state = _state_of(path)  # a new name is a change; another process may have put its own here
        return state if _is_same_content(state, written) else written

    def _make_room(self, size: int) -> bool:
        """Delete what was used longest ago until so many bytes more may be kept."""
        files = sorted(self._files())
        there = sum(file.size for file in files)
        for file in files:
            if there + size <= self.quota:
                break
            self._delete(file.path)
            there -= file.size
        try:
            return free_bytes(self._folder) >= size + SPARE
        except OSError:
            return False

    def _files(self) -> Iterator[_File]:
        for path in self._folder.glob("??/*"):
            if path.name.startswith("."):  # another process is about to put it in its place
                continue
            with suppress(OSError):
                status, mark = path.stat(), inside(self._folder, USED, path.name)
                used = mark.stat().st_mtime_ns if mark.exists() else 0
                yield _File(max(status.st_mtime_ns, used), status.st_size, path)


def _is_same_content(state: tuple[int, ...], before: tuple[int, ...]) -> bool:
    """Whether it is the same file, and its content was not written to by who says so."""
    return bool(state) and (state[:2], state[INODE]) == (before[:2], before[INODE])


def _state_of(path: Path) -> tuple[int, ...]:
    """Size, times of writing and of any change (which nobody sets back), and inode (`INODE`); empty
    if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _is_right(path: Path, sha256: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False
