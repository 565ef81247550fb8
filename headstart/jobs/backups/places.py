"""Where a backup lies: in a folder, or below an address of an object store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from headstart.errors import BackupDamaged, HeadstartError, StorageDenied, StorageError
from headstart.paths import mirrored_below
from headstart.storage.files import BLOCK, read_regular, sha256_of_file, written_aside
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.scratch import PREFIX, dead_folders, remove_dead, scratch_folder
from headstart.values.refusals import kind_of

HINT = "Take another backup; this one was not changed."
Content = Callable[[], bytes] | None
"""What gives the bytes of a file of a workspace that lies in a bucket; None of what lies here."""


@dataclass(frozen=True)
class Held:
    """A file of a backup: its size in bytes and its sha256."""

    size: int
    sha256: str


class Place(Protocol):
    """What a backup is written to and read from; names are relative, with `/`.

    `str` of it is what people call it. One process writes at a time.
    """

    def names(self) -> list[str]:
        """All that is there, but for what `scratch` makes."""
        ...

    def read(self, name: str) -> bytes:
        """All of a small file.

        Raises:
            FileNotFoundError: there is none.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Put a small file in its place, whole, whatever is there."""
        ...

    def put(self, source: Path, name: str, expected: str | None, content: Content) -> Held:
        """Copy a file here, whole or not at all.

        Args:
            source: to read.
            name: of the copy.
            expected: the sha256 that it must have.
            content: gives its bytes, where it does not lie here.

        Raises:
            FileNotFoundError: there is no such file.
            BackupDamaged: its sha256 is another.
            StorageError: the place does not take it.
        """
        ...

    def has(self, name: str, held: Held) -> bool:
        """Whether a file is there and, as far as that costs no transfer, is what was written."""
        ...

    def check(self, name: str, held: Held) -> None:
        """Read all of a file.

        Raises:
            BackupDamaged: it is missing, or is not what was written.
        """
        ...

    def fetch(self, name: str, target: Path, held: Held) -> None:
        """Copy a file from here, whole or not at all; errors as `check`."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Delete files; nothing happens to those that are gone."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder of this machine for what is being made; those of killed backups go."""
        ...


def place_of(given: str | Path) -> Place:
    """The place that somebody named: a folder, or `s3://BUCKET/PREFIX`, `gs://`, `az://`,
    `file:///FOLDER`.

    Raises:
        WorkspaceError: it is no address.
    """
    if "://" not in str(given):
        return FolderPlace(Path(given).expanduser().absolute())
    address = parse(str(given))
    if address.is_folder:
        return FolderPlace(Path(address.bucket))
    return BucketPlace(Bucket(address))


class FolderPlace:
    """See `Place`; what it has is hashed before it is believed.

    Args:
        folder: which need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def names(self) -> list[str]:
        files = (one for one in self.folder.rglob("*") if not one.is_dir())
        names = (one.relative_to(self.folder).as_posix() for one in files)
        return sorted(name for name in names if not name.startswith(PREFIX))

    def read(self, name: str) -> bytes:
        return read_regular(self._file(name))

    def write(self, name: str, content: bytes) -> None:
        with written_aside(self._file(name)) as file:
            file.write(content)

    def put(self, source: Path, name: str, expected: str | None, content: Content) -> Held:
        found, size = hashlib.sha256(), 0
        with _opened(source, content) as reading, written_aside(self._file(name)) as writing:
            while block := reading.read(BLOCK):
                found.update(block)
                size += len(block)
                writing.write(block)
            _compare(source, found.hexdigest(), expected)
        return Held(size, found.hexdigest())

    def has(self, name: str, held: Held) -> bool:
        file = self._file(name)
        if not file.is_file() or file.stat().st_size != held.size:
            return False
        return sha256_of_file(file) == held.sha256

    def check(self, name: str, held: Held) -> None:
        file = self._file(name)
        if not file.is_file():
            raise _missing(file)
        if not self.has(name, held):
            raise _other(file)

    def fetch(self, name: str, target: Path, held: Held) -> None:
        file = self._file(name)
        try:
            FolderPlace(target.parent).put(file, target.name, held.sha256, None)
        except FileNotFoundError:
            raise _missing(file) from None

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            self._file(name).unlink(missing_ok=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in dead_folders(self.folder):
            remove_dead(left)
        with scratch_folder(self.folder) as made:  # on the same disk
            yield made

    def _file(self, name: str) -> Path:
        return mirrored_below(self.folder, name)


class BucketPlace:
    """See `Place`; what it has is told by its size, and hashed by `check` and `fetch`: what was
    put was compared then.

    Args:
        bucket: of the address.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def __str__(self) -> str:
        return self._bucket.place_of()

    def names(self) -> list[str]:
        return [one.key for one in self._bucket.listed("")]

    def read(self, name: str) -> bytes:
        return bytes(self._bucket.get(name))

    def write(self, name: str, content: bytes) -> None:
        self._bucket.put(name, content)

    def put(self, source: Path, name: str, expected: str | None, content: Content) -> Held:
        if content is not None:
            whole = content()
            held = Held(len(whole), hashlib.sha256(whole).hexdigest())
        else:
            whole, found = source, hashlib.sha256()
            with _opened(source, None) as reading:
                while block := reading.read(BLOCK):
                    found.update(block)
                held = Held(reading.tell(), found.hexdigest())
        _compare(source, held.sha256, expected)
        self._bucket.put(name, whole)
        if not self.has(name, held):
            raise StorageError(
                f"{self._bucket.place_of(name)} is not as it was sent", hint="Try again."
            )
        return held

    def has(self, name: str, held: Held) -> bool:
        found = self._bucket.find(name)
        return found is not None and found.size == held.size

    def check(self, name: str, held: Held) -> None:
        for _ in self._blocks(name, held):
            pass

    def fetch(self, name: str, target: Path, held: Held) -> None:
        with written_aside(target) as file:
            for block in self._blocks(name, held):
                file.write(block)

    def _blocks(self, name: str, held: Held) -> Iterator[memoryview]:
        """All of a file, with the error at its end if it is another one."""
        found, place = hashlib.sha256(), self._bucket.place_of(name)
        try:
            for block in self._bucket.chunks(name):
                found.update(block)
                yield block
        except FileNotFoundError:
            raise _missing(place) from None
        if found.hexdigest() != held.sha256:
            raise _other(place)

    def remove(self, names: Iterable[str]) -> None:
        self._bucket.delete(names)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        with scratch_folder() as made:
            yield made


@contextmanager
def disk_told(place: object) -> Iterator[None]:
    """What the system refuses about a folder as one line.

    Raises:
        StorageError: of it.
    """
    try:
        yield
    except HeadstartError:
        raise
    except OSError as error:
        raise kind_of(error, StorageError, StorageDenied)(
            f"cannot write {error.filename or place}: {error.strerror or error}",
            hint="Name a folder that is there and may be written to, with room for all of it.",
        ) from error


def size_of(files: Iterable[Held]) -> int:
    """Bytes of all of them."""
    return sum(one.size for one in files)


def _opened(source: Path, content: Content) -> BinaryIO:
    if content is not None:
        return BytesIO(content())
    try:
        return source.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise kind_of(error, StorageError, StorageDenied)(
            f"cannot read {source}: {error.strerror or error}",
            hint="Let somebody do it who may read all of the workspace.",
        ) from error


def _compare(source: Path, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise _other(source)


def _missing(place: object) -> BackupDamaged:
    return BackupDamaged(f"{place} is missing in the backup", hint=HINT)


def _other(place: object) -> BackupDamaged:
    return BackupDamaged(f"{place} is damaged: its sha256 is another", hint=HINT)
