"""Holding a feature set's files, so that `features gc` leaves them alone.

Readers and writers hold a set together; whoever deletes files wants it alone and steps back when
it is held. The system's own locks on a file are used (flock): they end with the process, however
it ends, and are shared by machines where the file system shares them. Where there are none
(Windows, where a file that is open cannot be deleted anyway; read-only media, where nothing can be
deleted), nothing is held.
"""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from pathlib import Path

from headstart.paths import inside

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class Hold:
    """A shared hold on some feature sets; ends with `release`, or with the object."""

    def __init__(self, folder: Path, *keys: str) -> None:
        # In one order everywhere: nobody holds a set that another waits for while he waits himself.
        descriptors = [_open(folder, key) for key in sorted(keys)]
        found = [descriptor for descriptor in descriptors if descriptor is not None]
        for descriptor in found:
            if fcntl is not None:
                with suppress(OSError):  # a file system without locks: see docs/reliability.md
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
        self.release = weakref.finalize(self, _close, found)

    def confirm(self) -> None:
        """It lasts as long as its process."""

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


class Alone:
    """The only hold on a feature set; `is_held` says whether it could be had.

    Use it as a context.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._descriptor = _open(folder, key)
        self.is_held = self._descriptor is not None
        if self._descriptor is not None and fcntl is not None:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.is_held = False

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class FileHolds:
    """Holds by locks on files; see `storage.shard_store.Holds`.

    Args:
        folder: where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, *keys: str) -> Hold:
        """See `ShardStore.hold`."""
        return Hold(self._folder, *keys)

    def alone(self, key: str) -> Alone:
        """See `ShardStore.alone`."""
        return Alone(self._folder, key)


class Turn:
    """One process after the other: whoever comes later waits until it ends. Use it as a context."""

    def __init__(self, folder: Path, key: str) -> None:
        self._descriptor = _open(folder, key)
        if self._descriptor is not None:
            lock(self._descriptor, wait=True)

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class LifeSigns:
    """Files that processes hold while they live, by which others on this machine see it.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def __reduce__(self) -> tuple[type[LifeSigns], tuple[Path]]:
        """Another process shows signs of its own."""
        return LifeSigns, (self._folder,)

    def show(self, name: str) -> None:
        """From now on, until `end` or this process's death, `name` is alive."""
        descriptor = _open(self._folder, name)
        if descriptor is not None and fcntl is not None:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._held[name] = descriptor

    def is_dead(self, name: str) -> bool:
        """Whether somebody showed a sign, and surely lives no more."""
        path = inside(self._folder, f"{name}.lock")
        if fcntl is None or not path.exists():
            return False
        with Alone(self._folder, name) as lock:
            return lock.is_held

    def end(self, name: str) -> None:
        """Take the sign away, one's own or a dead one's."""
        with suppress(OSError):  # another process may be tidying up as well
            inside(self._folder, f"{name}.lock").unlink()
        if name in self._held:
            os.close(self._held.pop(name))


def lock(descriptor: int, *, wait: bool = False) -> bool:
    """Lock an open file until it is closed, or its process ends.

    Args:
        descriptor: of the file.
        wait: for whoever holds it now.

    Returns:
        Whether it is locked; False too where there are no such locks.
    """
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _open(folder: Path, key: str) -> int | None:
    """A descriptor of the key's lock file, which is never deleted; None on read-only media.

    A key that is the name of a folder of the workspace is held by that folder itself: it is there
    already, so that what fails leaves nothing behind.
    """
    path = inside(folder, f"{key}.lock")
    try:
        if (beside := inside(folder.parent, key)).is_dir():
            return os.open(beside, os.O_RDONLY)
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError:
            return None


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
