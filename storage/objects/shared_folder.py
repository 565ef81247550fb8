"""A folder of a workspace that its machines share: its files lie in the bucket, here are copies."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from headstart.errors import StorageError
from headstart.paths import mirrored_below
from headstart.storage.files import clock_of, sha256_of_file, written_aside
from headstart.storage.objects.bucket import Bucket, Found

TRIES = 3
"""Times that a file is fetched whose sha256 is another."""
LANES = 8
"""Files that are fetched at once."""
YOUNG = 6 * 3600.0
"""Seconds after which a file that is kept once more is put again, so that it counts as young."""


class ObjectDamaged(StorageError):
    """A file in the bucket is not what was put there."""

    code = "damaged"


class Stored(NamedTuple):
    """A file of the folder, here or in the bucket.

    Attributes:
        path: where it lies here, or would lie.
        size: bytes.
        modified: when it was written, in seconds since 1970.
    """

    path: Path
    size: int
    modified: float


class SharedFolder:
    """Files under `root` that are written once, and in a bucket besides if there is one.

    Whoever writes a file here calls `keep`, and a row may name it when that returns; whoever wants
    to read one calls `here`, which fetches what is not there yet. What is fetched is hashed.

    Args:
        root: the folder of this machine.
        bucket: where the files lie for all machines; without it the folder is all there is.
        prefix: what their keys begin with.
    """

    def __init__(self, root: Path, bucket: Bucket | None = None, prefix: str = "") -> None:
        self.root = root
        self.bucket = bucket
        self._prefix = prefix or root.name

    def __reduce__(self) -> tuple[type[SharedFolder], tuple[Path, Bucket | None, str]]:
        return SharedFolder, (self.root, self.bucket, self._prefix)

    def here(self, path: Path, sha256: str) -> Path:
        """The path, where the file lies if it is anywhere.

        Raises:
            ObjectDamaged: the bucket gives another content each time.
            StorageError: it cannot be reached.
        """
        if self.bucket is not None and not path.exists():
            with suppress(FileNotFoundError):
                self._fetch(self.bucket, path, sha256)
        return path

    def all_here(self, wanted: Iterable[tuple[Path, str]]) -> None:
        """As `here`, of many files, some at once."""
        missing = [(path, sha256) for path, sha256 in wanted if not path.exists()]
        if self.bucket is not None and missing:
            with ThreadPoolExecutor(LANES) as pool:
                list(pool.map(lambda one: self.here(*one), missing))

    def mend(self, path: Path, sha256: str) -> bool:
        """Fetch a file anew, in the place of one here that is damaged; says whether it did. One
        that no bucket has stays as it is.

        Raises:
            ObjectDamaged, StorageError: see `here`.
        """
        if self.bucket is None or not path.exists() or sha256_of_file(path) == sha256:
            return False
        try:
            self._fetch(self.bucket, path, sha256)
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, bucket: Bucket, path: Path, sha256: str) -> None:
        key = self._key(path)
        for _ in range(TRIES):
            chunks = bucket.chunks(key)
            with suppress(_Another), written_aside(path) as file:
                found = hashlib.sha256()
                for chunk in _unless_gone(chunks):
                    found.update(chunk)
                    file.write(chunk)
                if found.hexdigest() != sha256:
                    raise _Another
                return
        raise ObjectDamaged(
            f"{bucket.place_of(key)} is not what was put there: its sha256 is another",
            hint="Add the same thing again: that puts it back.",
        )

    def keep(self, path: Path, sha256: str) -> None:
        """Put a file that was written here into the bucket, unless it is there.

        Args:
            path: of it.
            sha256: of what it must be: a damaged copy here is never put over what all others have.

        Raises:
            StorageError: the bucket does not take it, or the file here is damaged.
        """
        if self.bucket is None:
            return
        found = self.bucket.find(self._key(path))
        if found is None or not self._is_same(found, path.stat().st_size, sha256):
            self._put(self.bucket, path, sha256)

    def keep_all(self, paths: Iterable[Path], *, is_trusted: bool) -> None:
        """As `keep`, of files that are called by their sha256: one listing tells which are there.

        Args:
            paths: of them.
            is_trusted: whether an object that is young and of the right size is the right one, as
                it was read a moment before; else it is compared.
        """
        if self.bucket is None:
            return
        there = {found.key: found for found in self.bucket.listed(self._prefix)}
        for path in paths:
            found, size = there.get(self._key(path)), path.stat().st_size
            if found is not None and is_trusted and found.size == size and _is_young(found):
                continue
            if found is None or not self._is_same(found, size, path.stem):
                self._put(self.bucket, path, path.stem)

    def _put(self, bucket: Bucket, path: Path, sha256: str) -> None:
        if sha256_of_file(path) != sha256:
            raise StorageError(
                f"{path} is damaged: its sha256 is another",
                hint="Nothing was put into the bucket. Delete the file, and run it again.",
            )
        bucket.put(self._key(path), path)

    def _is_same(self, found: Found, size: int, sha256: str) -> bool:
        """Whether the object is what it must be, and young; a damaged one is put again."""
        assert self.bucket is not None
        if found.size != size or not _is_young(found):
            return False
        content = hashlib.sha256()
        with suppress(FileNotFoundError):
            for chunk in self.bucket.chunks(found.key):
                content.update(chunk)
        return content.hexdigest() == sha256

    def has(self, path: Path, size: int | None = None) -> bool:
        """Whether the file is here or in the bucket, of that size if it is given."""
        with suppress(OSError):
            if path.stat().st_size == size or size is None:
                return True
        found = None if self.bucket is None else self.bucket.find(self._key(path))
        return found is not None and size in (None, found.size)

    def stored(self) -> list[Stored]:
        """All files and folders right in it, or a step below where they lie by two digits; here and
        in the bucket; temporary files too. Sorted by path."""
        known = {one.path: one for one in self._here()}
        for found in () if self.bucket is None else self._afar(self.bucket):
            path = mirrored_below(self.root, found.key.removeprefix(f"{self._prefix}/"))
            modified = found.modified.timestamp()
            if path in known:
                modified = max(modified, known[path].modified)
            known[path] = Stored(path, found.size, modified)
        return [known[path] for path in sorted(known)]

    def _afar(self, bucket: Bucket) -> list[Found]:
        return [*bucket.listed(self._prefix), *bucket.unfinished(self._prefix)]

    def clock(self) -> float:
        """By which files are old or young, whatever this machine's says. A bucket refuses machines
        whose clock differs by a quarter of an hour, so there it is this one's."""
        return clock_of(self.root) if self.bucket is None else time.time()

    def _here(self) -> Iterator[Stored]:
        for path in self.root.glob("*"):
            inner = path.glob("*") if len(path.name) == 2 and path.is_dir() else (path,)
            for one in inner:
                with suppress(FileNotFoundError):  # deleted by its owner since
                    yield Stored(one, _size_of(one), one.stat().st_mtime)

    def remove(self, paths: Iterable[Path]) -> None:
        """Delete files, or folders, here and in the bucket; nothing happens to those that are gone.

        Raises:
            StorageError: the bucket does not answer.
            OSError: a file cannot be deleted.
        """
        for path in paths:
            if self.bucket is not None:
                self.bucket.delete([self._key(path)])
            if path.is_dir():  # of files that were fetched together
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _key(self, path: Path) -> str:
        return f"{self._prefix}/{path.relative_to(self.root).as_posix()}"


class _Another(Exception):
    """What came is not what was to come."""


def _unless_gone(chunks: Iterator[memoryview]) -> Iterator[memoryview]:
    """What comes of an object, which somebody may put anew or delete meanwhile."""
    try:
        yield from chunks
    except FileNotFoundError as error:
        raise _Another from error


def _is_young(found: Found) -> bool:
    return time.time() - found.modified.timestamp() < YOUNG


def _size_of(path: Path) -> int:
    inner = path.rglob("*") if path.is_dir() else (path,)
    return sum(one.stat().st_size for one in inner if one.is_file())
