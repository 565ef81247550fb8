"""Shards as files of this machine, or of a file system that it has mounted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.errors import StorageDenied, StorageError
from headstart.paths import DIGEST, below, one_below
from headstart.storage.files import PARTIAL, free_bytes, state_of, write_under_its_hash
from headstart.storage.locks import Alone, Hold
from headstart.storage.shard_store import Created, Entry, Stat
from headstart.storage.shards.mapping import mapped_file
from headstart.storage.shards.names import SUFFIX, last_of, new_name, set_of
from headstart.storage.shards.watch import watch_of
from headstart.values.refusals import kind_of

if TYPE_CHECKING:
    import pyarrow as pa

PLACES = 4096
"""Names of shards whose paths are kept: they are asked for at each read of a few rows."""


class LocalStore:
    """See `ShardStore`. The name of a shard is the path of its file below `folder`.

    A shard is written under a temporary name, synced, renamed, and its folder is synced. Among
    the threads of a process a second one of the same name is always refused; among processes the
    look before the rename may come too early, but then both drew the same 32 random bits for the
    same bytes at one moment, and whoever is later puts the same bytes there.

    Holds are locks of the system on files in `locks` (`storage.locks`), so they end with the
    process. A file that is deleted while a reader has it open is read on.

    Args:
        folder: where shards lie; it need not exist.
        locks: where the files lie by which sets are held.
    """

    def __init__(self, folder: Path, locks: Path) -> None:
        self._folder = folder
        self._locks = locks

    def create(self, feature_key: str, content: memoryview, token: str) -> Created:
        """See `ShardStore.create`."""
        path, sha256 = write_under_its_hash(
            self._set_folder(feature_key),
            content,
            lambda sha256: last_of(new_name(feature_key, sha256, token)),
        )
        return Created(path.relative_to(self._folder).as_posix(), sha256)

    def read(self, name: str) -> bytes:
        """See `ShardStore.read`."""
        return self.path_of(name).read_bytes()

    def reader(self) -> LocalReader:
        """See `ShardStore.reader`."""
        return LocalReader(self._folder)

    def mapped(self, name: str) -> pa.Buffer | None:
        """See `ShardStore.mapped`; no file stays open for it."""
        return mapped_file(_place_of(self._folder, name))

    def watch(self, name: str) -> Callable[[], Stat] | None:
        """See `ShardStore.watch`; the file stays open."""
        return watch_of(_place_of(self._folder, name))

    def stat_of(self, name: str) -> Stat:
        """Size, mtime and ctime in ns, and inode."""
        return state_of(_place_of(self._folder, name))

    def sets(self) -> list[str]:
        """See `ShardStore.sets`."""
        return sorted(
            path.name
            for path in self._folder.glob("??/*")
            if DIGEST.fullmatch(path.name) and path == self._set_folder(path.name) and path.is_dir()
        )

    def entries(self, feature_key: str | None = None) -> list[Entry]:
        """See `ShardStore.entries`."""
        if feature_key is None:
            return self._entries(self._folder.glob("??/*/*"))
        return self._entries(self._set_folder(feature_key).glob("*"))

    def _entries(self, paths: Iterable[Path]) -> list[Entry]:
        found = []
        for path in sorted(paths):
            try:
                size = path.lstat().st_size
            except FileNotFoundError:  # renamed or deleted by its owner since
                continue
            name = path.relative_to(self._folder).as_posix()
            if path.name.endswith(SUFFIX):
                found.append(Entry(name, size, "shard"))
            else:
                is_unfinished = path.name.endswith(PARTIAL)
                found.append(Entry(name, size, "unfinished" if is_unfinished else "other"))
        return found

    def delete(self, name: str) -> None:
        """See `ShardStore.delete`."""
        folder, _, last = name.rpartition("/")
        # Temporary files begin with a dot, and a person may have put anything beside shards.
        path = one_below(below(self._folder, folder), last)
        with _deleted(path):
            path.unlink(missing_ok=True)

    def tidy(self, feature_key: str) -> None:
        """Remove the set's folder if it is empty; index files lie in it like the shards."""
        folder = self._set_folder(feature_key)
        with _deleted(folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def hold(self, *feature_keys: str) -> Hold:
        """See `ShardStore.hold`."""
        return Hold(self._locks, *feature_keys)

    def alone(self, feature_key: str) -> Alone:
        """See `ShardStore.alone`."""
        return Alone(self._locks, feature_key)

    def free_bytes(self) -> int:
        """Of the disk where the folder is, or will be."""
        return free_bytes(self._folder)

    def is_empty(self) -> bool:
        """See `ShardStore.is_empty`."""
        return not self._folder.is_dir() or not any(self._folder.iterdir())

    def place_of(self, name: str = "") -> str:
        """The path."""
        return str(self._folder / name)

    def index_folder(self, feature_key: str) -> Path:
        """The set's own folder."""
        return self._set_folder(feature_key)

    def path_of(self, name: str) -> Path:
        """The file of a shard.

        Raises:
            UnsafeName: one step of the name is no plain name.
        """
        return below(self._folder, name)

    def _set_folder(self, feature_key: str) -> Path:
        return below(self._folder, set_of(feature_key))


@lru_cache(PLACES)
def _place_of(folder: Path, name: str) -> str:
    return str(below(folder, name))


@contextmanager
def _deleted(path: Path) -> Iterator[None]:
    """What the system refuses while something is deleted, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise kind_of(error, StorageError, StorageDenied)(
            f"cannot delete {path}: {error.strerror or error}",
            hint="What was committed is kept; fix it and run it again.",
        ) from error


class LocalReader:
    """See `ShardReader`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name: str | None = None
        self._file: FileIO | None = None

    def __enter__(self) -> LocalReader:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def read_into(self, name: str, offset: int, parts: Sequence[memoryview]) -> int:
        """See `ShardReader.read_into`."""
        file = self._opened(name)
        if hasattr(os, "preadv"):
            return os.preadv(file.fileno(), parts, offset)
        file.seek(offset)
        return sum(file.readinto(part) or 0 for part in parts)

    def read_each(self, name: str, offsets: Sequence[int], parts: Sequence[memoryview]) -> int:
        """See `ShardReader.read_each`."""
        if not hasattr(os, "preadv"):
            return sum(
                self.read_into(name, offset, [part])
                for offset, part in zip(offsets, parts, strict=True)
            )
        read, file = os.preadv, self._opened(name).fileno()
        return sum(read(file, (part,), offset) for offset, part in zip(offsets, parts, strict=True))

    def _opened(self, name: str) -> FileIO:
        if self._file is None or self._name != name:
            self.__exit__()
            self._file, self._name = FileIO(_place_of(self._folder, name)), name
        return self._file
