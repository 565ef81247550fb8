"""What a backup holds: a list of its files with their sha256, which is written last.

::

    backup.json            the list; a folder without it is no backup
    registry-SHA256.db     one state of the registry, as an SQLite file
    artifacts/ manifests/ manifests-parts/ contents/ features/     as in a workspace
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from headstart.errors import BackupDamaged, HeadstartError, NotFound, StorageError
from headstart.paths import mirrored_below
from headstart.storage.files import BLOCK, read_regular, sha256_of_file, written_aside

FILE = "backup.json"
FORMAT, VERSION = "headstart.backup", 1
FOLDERS = ("artifacts", "contents", "features", "manifests", "manifests-parts")
"""Of a workspace that a backup has files of."""
HINT = "Take another backup; this one was not changed."


@dataclass(frozen=True)
class Held:
    """A file of a backup: its size in bytes and its sha256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Backup:
    """What `backup.json` says.

    Attributes:
        workspace: UUID of the workspace.
        root: where that was.
        schema: of the registry.
        registry: name of the file with it.
        has_features: whether the shards are in it.
        created_at: when, ISO 8601.
        versions: of headstart.
        defaults: `[defaults]` of the workspace.
        files: all of it, by their names relative to the folder.
        missing: what the registry names and the workspace did not have.
    """

    workspace: str | None
    root: str
    schema: str
    registry: str
    has_features: bool
    created_at: str
    versions: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Held] = field(default_factory=dict)
    missing: Sequence[str] = ()

    def write(self, folder: Path) -> None:
        """Put it in its place, whole."""
        files = {name: [one.size, one.sha256] for name, one in sorted(self.files.items())}
        told = {"format": FORMAT, "version": VERSION, **vars(self), "files": files}
        with written_aside(folder / FILE) as file:
            file.write(json.dumps(told, indent=1, ensure_ascii=False, default=_plain).encode())

    @staticmethod
    def read(folder: Path) -> Backup:
        """That of a folder.

        Raises:
            NotFound: the folder holds no backup.
            BackupDamaged: it cannot be read, or was written by newer code.
        """
        file = folder / FILE
        try:
            told = json.loads(read_regular(file))
            if told.pop("format") != FORMAT:
                raise ValueError("it is another format")
            if (version := told.pop("version")) != VERSION:
                raise ValueError(f"it has version {version}, this code reads {VERSION}")
            files = {name: Held(int(a), str(b)) for name, (a, b) in told.pop("files").items()}
            missing = tuple(map(str, told.pop("missing", ())))
            made = Backup(**told, files=files, missing=missing)
        except FileNotFoundError:
            raise NotFound(
                f"{folder} holds no backup: it has no {FILE}",
                hint="Name a folder that `headstart backup` wrote to the end.",
            ) from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise BackupDamaged(f"{file} cannot be read ({error})", hint=HINT) from error
        for name in files:
            place_in(folder, name)
            if name != made.registry and name.partition("/")[0] not in FOLDERS:
                raise BackupDamaged(f"{file} names {name!r}, no file of a workspace", hint=HINT)
        if made.registry not in files:
            raise BackupDamaged(f"{file} names no registry", hint=HINT)
        return made


def _plain(value: Any) -> Any:
    """What JSON has no word for, such as a date in `[defaults]`."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def place_in(folder: Path, name: str) -> Path:
    """Where a file of a backup lies, or is to lie.

    Raises:
        UnsafeName: a part of its name is no plain name.
    """
    return mirrored_below(folder, name)


def copied(
    source: Path,
    target: Path,
    expected: str | None = None,
    content: Callable[[], bytes] | None = None,
) -> Held:
    """Copy a file, and give its size and sha256.

    Args:
        source: to read.
        target: which appears whole, or not at all.
        expected: the sha256 that it must have.
        content: gives its bytes, where it lies in a bucket.

    Raises:
        FileNotFoundError: there is no such file.
        BackupDamaged: its sha256 is another.
        StorageError: the disk does not take it.
    """
    found, size = hashlib.sha256(), 0
    opened = _opened(source) if content is None else BytesIO(content())
    with opened as reading, written_aside(target) as writing:
        while block := reading.read(BLOCK):
            found.update(block)
            size += len(block)
            writing.write(block)
        if expected is not None and found.hexdigest() != expected:
            raise BackupDamaged(f"{source} is damaged: its sha256 is another", hint=HINT)
    return Held(size, found.hexdigest())


@contextmanager
def disk_told(place: Path) -> Iterator[None]:
    """What the system refuses about a folder as one line.

    Raises:
        StorageError: of it.
    """
    try:
        yield
    except HeadstartError:
        raise
    except OSError as error:
        raise StorageError(
            f"cannot write {error.filename or place}: {error.strerror or error}",
            hint="Name a folder that is there and may be written to, with room for all of it.",
        ) from error


def is_whole(file: Path, held: Held) -> bool:
    """Whether a file of a backup is there and is what was written; all of it is read."""
    if not file.is_file() or file.stat().st_size != held.size:
        return False
    return sha256_of_file(file) == held.sha256


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(
            f"cannot read {source}: {error.strerror or error}",
            hint="Let somebody do it who may read all of the workspace.",
        ) from error


def size_of(files: Iterable[Held]) -> int:
    """Bytes of all of them."""
    return sum(one.size for one in files)
