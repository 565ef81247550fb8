"""Writing files so that a reader sees all of one or none of it."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO

from headstart.errors import ShardExists, StorageDenied, StorageError
from headstart.storage.locks import lock
from headstart.values.refusals import kind_of

BLOCK = 1 << 20
LARGEST_READ = 1 << 28
"""Bytes of a file that is read as a whole: a large vocabulary has a tenth of that."""
PARTIAL = ".partial"
FULL = {errno.ENOSPC, errno.EDQUOT}
_NAMING = threading.Lock()
"""Held while a new file gets its name: nobody gets it between the look and the rename."""


@contextmanager
def written_aside(target: Path) -> Iterator[BinaryIO]:
    """A file to write that appears under its name, whole and on disk, when the block ends well.

    It can be read back meanwhile. It is written under a unique temporary name in the same folder,
    synced, renamed, and the folder is synced: after a crash at any moment `target` is absent, old
    or new, never torn.

    Raises:
        StorageError: the disk is full, or refuses; nothing is left of the new file.
    """
    with _written(target.parent, target.name, lambda: target, _rename) as file:
        yield file


def write_under_its_hash(
    folder: Path, content: memoryview, name: Callable[[str], str]
) -> tuple[Path, str]:
    """Write a new file whose name holds its sha256, which is computed while it is written.

    Args:
        folder: where it is to lie.
        content: its bytes.
        name: its name, from the sha256 in hex.

    Returns:
        The file, as `written_aside` leaves it, and its sha256.

    Raises:
        ShardExists: there is a file of that name; it was not touched.
        StorageError: the disk is full, or refuses; nothing is left of the new file.
    """
    with ThreadPoolExecutor(1) as pool:
        hashing = pool.submit(lambda: hashlib.sha256(content).hexdigest())

        def target() -> Path:
            return folder / name(hashing.result())

        with _written(folder, "new.h5", target, _rename_new) as file:
            file.write(content)
        return target(), hashing.result()


def write_by_content(
    folder: Path, write: Callable[[BinaryIO], None], target: Callable[[str], Path]
) -> Path:
    """Write a new file and name it by its sha256, which is taken of what stands on the disk.

    Args:
        folder: where it is to lie.
        write: called with the file, which it may seek in.
        target: where it is to lie, from the sha256 in hex; a file that is there is left as it is,
            but for its time.

    Returns:
        The file.

    Raises:
        StorageError: the disk is full, or refuses; nothing is left of the new file.
    """
    found: list[Path] = []

    def name() -> Path:
        return found[0]

    with _written(folder, "new", name, _rename_or_touch) as file:
        write(file)
        file.flush()
        file.seek(0)
        content = hashlib.sha256()
        while block := file.read(BLOCK):
            content.update(block)
        found.append(target(content.hexdigest()))
    return found[0]


@contextmanager
def _written(
    folder: Path,
    stem: str,
    target: Callable[[], Path],
    rename: Callable[[Path, Path], None],
) -> Iterator[BinaryIO]:
    """The steps of `written_aside`; the name is asked for when the bytes are on the disk."""
    partial = folder / f".{stem}.{secrets.token_hex(8)}{PARTIAL}"
    try:
        make_folder(folder)
        with partial.open("x+b") as file:
            lock(file.fileno())  # by this `features gc` sees that its process lives
            yield file
            file.flush()
            os.fsync(file.fileno())
        rename(partial, target())
        sync_folder(folder)
    except OSError as error:
        _remove(partial)
        if isinstance(error, StorageError) or error.errno is None:
            raise
        raise storage_error(folder / stem, error) from error
    except BaseException:
        _remove(partial)
        raise


def _rename(partial: Path, target: Path) -> None:
    partial.replace(target)


def _rename_new(partial: Path, target: Path) -> None:
    with _NAMING:
        if target.exists():
            raise ShardExists(
                f"{target} is there already", hint="Shards are written once; it was not touched."
            )
        partial.replace(target)


def _rename_or_touch(partial: Path, target: Path) -> None:
    """A file that is there is young from now on; one that `features gc` deletes just now is put
    there again."""
    try:
        os.utime(target)
    except FileNotFoundError:
        partial.replace(target)
        return
    except PermissionError:  # another user's: that one's time is not to be had
        pass
    partial.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably: a new folder is an entry in the one above."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in reversed(missing):
        _share_alike(one)
        sync_folder(one.parent)


def _share_alike(folder: Path) -> None:
    """Let a group write in a new folder if it may in the one above, whatever the umask says.

    `headstart init --shared` sets the bits; the group itself is inherited through setgid.
    """
    mode = folder.parent.stat().st_mode
    if mode & stat.S_ISGID and mode & stat.S_IWGRP:
        with suppress(PermissionError):  # another user was faster, and it is that one's
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_ISGID | stat.S_IRWXG)


def storage_error(target: Path, error: OSError) -> StorageError:
    """What the system refused, in one line."""
    if error.errno in FULL:
        return StorageError(
            f"no space is left to write {target}",
            hint="Free some (`headstart features gc`) and run it again: what was committed is "
            "kept.",
        )
    return kind_of(error, StorageError, StorageDenied)(
        f"cannot write {target}: {error.strerror or error}",
        hint="What was committed is kept; fix it and run it again.",
    )


def _remove(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:  # the disk that refused the file may refuse this too; `features gc` tidies up
        return


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable; does nothing where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading in binary, if it is a regular one (links to one are followed).

    A FIFO blocks whoever opens it until somebody writes, and a device may never end: neither is
    read. What is opened is what was looked at: the descriptor is asked, not the name.

    Raises:
        StorageError: it is a device, a FIFO, a socket or a folder.
        OSError: it is missing, or cannot be opened.
    """
    _refuse_special(path, path.stat().st_mode)  # opening alone may do something to a device
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _refuse_special(path, os.fstat(descriptor).st_mode)
        return BufferedReader(FileIO(descriptor))
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path) -> bytes:
    """All of a file that a user names, such as a specification or a tokenizer.

    Raises:
        StorageError: it is no regular file, or over `LARGEST_READ`.
        OSError: as `open_regular`.
    """
    with open_regular(path) as file:
        content = file.read(LARGEST_READ + 1)
    if len(content) > LARGEST_READ:
        raise StorageError(
            f"{path} is over {LARGEST_READ >> 20:,} MiB", hint="Is it the right file?"
        )
    return content


def open_own(path: Path) -> int | None:
    """A descriptor, to read and write, of a file that may have become anything: no link is
    followed and nobody waited for, where the system has that (not Windows); None if it is gone, or
    another's."""
    names = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
    try:
        return os.open(path, os.O_RDWR | sum(getattr(os, name, 0) for name in names))
    except OSError:
        return None


def is_own(status: os.stat_result) -> bool:
    """Whether a file is this user's; yes where the system numbers no users (Windows)."""
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def check_regular(path: Path) -> None:
    """Refuse what is no regular file, for libraries that open a file by its name themselves.

    Raises:
        StorageError, OSError: as `open_regular`.
    """
    open_regular(path).close()


def place_of(file: BufferedReader, path: Path) -> Path:
    """Where an open file lies, with no link on the way.

    Of what was opened, where the system tells it, as `path` may lead elsewhere by now.

    Args:
        file: as `open_regular` gives it.
        path: under which it was opened.
    """
    told = Path(f"/proc/self/fd/{file.fileno()}")  # proc_pid_fd(5), on Linux
    return Path(os.path.realpath(told if told.exists() else path))


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(mode), "something else")
    raise StorageError(f"{path} is {kind}, not a file", hint="Give a regular file.")


def state_of(path: Path | str) -> tuple[int, ...]:
    """By what it is seen that somebody has written to a file, or put another in its place: size,
    mtime and ctime in ns, and inode; empty if it is missing."""
    try:
        found = os.stat(path)  # noqa: PTH116 - it is asked for at each read of a few rows
    except OSError:
        return ()
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def stat_of(status: os.stat_result) -> tuple[int, ...]:
    """By what a file's change is seen: size, ctime in ns, inode.

    Whoever writes to a file, or sets its mtime back afterwards, changes its ctime. Windows has the
    time of its creation there, so that the mtime has to do.
    """
    changed = status.st_mtime_ns if sys.platform == "win32" else status.st_ctime_ns
    return (status.st_size, changed, status.st_ino)


def clock_of(folder: Path) -> float:
    """The time in a folder by the clock that marks its files, in seconds since 1970: on a network
    another machine's. This machine's where nothing can be written."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return time.time()


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written under a folder, or under the nearest one that exists."""
    import shutil  # like `tempfile`, not at once: with all that it can unpack

    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def sha256_of_file(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
