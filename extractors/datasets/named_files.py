"""Files that a dataset names: regular ones, and none outside of its root if it has one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from headstart.errors import DatasetError, SampleChanged, SampleUnreadable, StorageError
from headstart.extractors.datasets.remote.addresses import is_address
from headstart.extractors.datasets.source import FETCHED
from headstart.storage.files import open_regular, place_of, stat_of

HINT = "Run `headstart dataset refresh`, then extract again."


def root_of(options: Mapping[str, Any]) -> Path | None:
    """The folder outside of which nothing is read; None if there is none.

    Of an address a path that no file lies below: nothing here is read then.
    """
    root = options.get("root")
    if is_address(root):
        return Path(root)
    return None if root is None else Path(os.path.realpath(root))


def own_root_of(source: str, options: Mapping[str, Any]) -> Path | None:
    """The same for what a source's own files name, where those have to lie beside them; of a folder
    that was fetched it is the folder, whatever the root was at its address."""
    return Path(os.path.realpath(source)) if FETCHED in options else root_of(options)


def check_within(path: Path, root: Path | None, where: str = "") -> None:
    """See that a file lies in the root, wherever links and `..` lead.

    Args:
        path: of the file.
        root: as `root_of` gives it.
        where: the file and line that name it.

    Raises:
        DatasetError: it lies outside.
    """
    if root is not None:
        _check_place(Path(os.path.realpath(path)), path, root, where)


def _check_place(place: Path, path: Path, root: Path, where: str) -> None:
    if not place.is_relative_to(root):
        raise DatasetError(
            f"{where}{': ' if where else ''}{path} lies outside of the root {root}",
            hint="Nothing outside is read; fix it, or give another --root.",
        )


def open_within(path: Path, root: Path | None = None, where: str = "") -> BufferedReader:
    """Open a regular file that lies in the root: it is asked of what was opened, not of its name.

    A link on the way may be turned between a look at the name and the opening.

    Raises:
        DatasetError: it lies outside.
        StorageError, OSError: as `headstart.storage.files.open_regular`.
    """
    check_within(path, root, where)
    file = open_regular(path)
    try:
        if root is not None:
            _check_place(place_of(file, path), path, root, where)
        return file
    except BaseException:
        file.close()
        raise


def read_named(path: Path, root: Path | None = None, where: str = "", hint: str = HINT) -> bytes:
    """The content of a file.

    Args:
        path: of the file.
        root: as `root_of` gives it.
        where: the file and line that name it.
        hint: what to do where it is gone.

    Raises:
        DatasetError: it lies outside of the root.
        SampleChanged: it is gone, or is no regular file.
        SampleUnreadable: the disk does not give it.
    """
    at = f"{where}: " if where else ""
    try:
        with open_within(path, root, where) as file:
            return file.read()
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise SampleChanged(f"{at}the file {path} is gone", hint=hint) from error
    except StorageError as error:
        raise SampleChanged(f"{at}{error.message}", hint=hint) from error
    except (OSError, ValueError) as error:  # ValueError: its name holds a NUL
        reason = getattr(error, "strerror", None) or error
        raise SampleUnreadable(f"{at}cannot read {path}: {reason}") from error


def digest_of_file(path: Path, root: Path | None = None) -> str:
    """The digest of a file's content, which is not held in memory.

    Raises:
        DatasetError: it cannot be read, is no regular file, or lies outside of the root.
    """
    try:
        with open_within(path, root) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except DatasetError:
        raise
    except StorageError as error:
        raise DatasetError(error.message, hint=error.hint) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def check_relative(name: str, where: str) -> None:
    """See that a name that stands in somebody's file leads nowhere but down, on any system.

    Args:
        name: of a file, as it is written.
        where: the file and line that name it.

    Raises:
        DatasetError: it is absolute, leads upwards, or cannot be a name.
    """
    steps = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    is_absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    if ".." in steps or is_absolute or "\0" in name:
        raise DatasetError(
            f"{where}: the name {name[:200]!r} leads out of the folder of the files",
            hint="Write names that are relative to that folder, and in it.",
        )


def stat_of_file(path: Path) -> tuple[int, ...]:
    """By what the change of a file is seen; see `stat_of`.

    Raises:
        DatasetError: it is not there.
    """
    try:
        return stat_of(path.stat())
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def is_folder(path: Path) -> bool:
    """Whether there is a folder; no text whatever makes this fail."""
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or above it a folder that may not be looked into
        return False


def is_there(path: Path) -> bool:
    """Whether there is a file or folder; no text whatever makes this fail."""
    try:
        return path.exists()
    except OSError:
        return False
