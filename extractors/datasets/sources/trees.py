"""What a folder holds, wherever it lies: on a disk, or as objects of a store."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from headstart.errors import DatasetError, SourceGone
from headstart.extractors.datasets.named_files import check_within, root_of
from headstart.extractors.datasets.places import is_address
from headstart.extractors.datasets.remote.addresses import Address, parse
from headstart.extractors.datasets.remote.objects import Found, Objects
from headstart.extractors.datasets.source import Options
from headstart.extractors.datasets.sources.folder_files import LEFT_BEHIND, entries_below
from headstart.storage.files import stat_of

Steps = tuple[str, ...]
"""The names from the root down to a file or folder."""


class Place(Protocol):
    """A file or folder; its text is what messages call it."""

    @property
    def name(self) -> str: ...


class File(Protocol):
    """A file below a folder; `path` is the location of its sample, `stat` for its tree alone."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str: ...

    def stat(self) -> Any: ...


class Tree(Protocol):
    """A folder and all below it; links are followed, what is hidden is left out."""

    @property
    def root(self) -> Place: ...

    @property
    def above(self) -> int:
        """How much of the text of a place is that of the root; what follows are ids."""
        ...

    def check(self) -> None:
        """See that it is a folder that may be read.

        Raises:
            DatasetError: it is not.
        """
        ...

    def inside(self, folder: Place) -> tuple[list[Place], list[Place]]:
        """The folders in a folder, and the files; each in the order of their names.

        Raises:
            DatasetError: it cannot be read, or a folder lies outside of the root.
        """
        ...

    def below(
        self, folder: Place, suffixes: set[str], others: list[Any] | None = None
    ) -> Iterator[File]:
        """The files of some kinds below a folder, in the order of their paths; see
        `entries_below`."""
        ...

    def stat(self, file: File) -> tuple[int, ...]:
        """By what the change of a file is seen.

        Raises:
            DatasetError: it cannot be looked at.
        """
        ...

    def is_folder(self, place: Place) -> bool: ...


def tree_of(source: str, options: Options, objects: Objects) -> Tree:
    """The tree of a source; nothing is read."""
    return RemoteTree(source, objects) if is_address(source) else LocalTree(source, options)


class LocalTree:
    """A folder on a disk."""

    def __init__(self, source: str, options: Options) -> None:
        self.root = Path(source)
        self._within = root_of(options)
        self.above = len(str(self.root)) + 1

    def check(self) -> None:
        if not self.root.is_dir():
            raise DatasetError(f"{self.root} is not a folder")
        check_within(self.root, self._within)

    def inside(self, folder: Place) -> tuple[list[Place], list[Place]]:
        above = Path(str(folder))
        try:
            found = sorted(entry for entry in above.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise DatasetError(
                f"cannot read the folder {folder}: {error.strerror or error}"
            ) from error
        folders = [entry for entry in found if entry.is_dir()]
        for one in folders:
            check_within(one, self._within)
        return [*folders], [entry for entry in found if entry not in folders]

    def below(
        self, folder: Place, suffixes: set[str], others: list[Any] | None = None
    ) -> Iterator[File]:
        return entries_below(Path(str(folder)), suffixes, self._within, others)

    def stat(self, file: File) -> tuple[int, ...]:
        try:
            return stat_of(file.stat())
        except OSError as error:
            raise DatasetError(f"cannot read {file.path}: {error.strerror or error}") from error

    def is_folder(self, place: Place) -> bool:
        return Path(str(place)).is_dir()


class RemotePlace:
    """An object, or a folder of them."""

    def __init__(self, address: Address, found: Found | None = None) -> None:
        self._address = address
        self.found = found
        self.key = address.key.rstrip("/")

    def __str__(self) -> str:
        return str(self._address)

    @property
    def name(self) -> str:
        return self._address.name

    @property
    def path(self) -> str:
        return str(self._address)

    def stat(self) -> tuple[int, ...]:
        return self.found.stat if self.found else ()


class RemoteTree:
    """A folder of objects: listed once, when it is first looked at."""

    def __init__(self, source: str, objects: Objects) -> None:
        self._address = parse(source)
        self._objects = objects
        self.root = RemotePlace(self._address)
        self._prefix = f"{self.root.key}/" if self.root.key else ""
        self.above = len(str(self._address.below(self._prefix)))

    def check(self) -> None:
        if not self._files:
            raise SourceGone(
                f"{self.root} holds no objects", hint="Check the path; it is case-sensitive."
            )

    def inside(self, folder: Place) -> tuple[list[Place], list[Place]]:
        files: list[Place] = []
        folders: dict[str, Place] = {}
        depth = len(self._steps(folder))
        for steps, file in self._below(folder):
            if len(steps) == depth + 1:
                files.append(file)
            elif steps[depth] not in folders:
                key = "/".join(steps[: depth + 1])
                folders[steps[depth]] = RemotePlace(self._address.below(f"{self._prefix}{key}"))
        return list(folders.values()), files

    def below(
        self, folder: Place, suffixes: set[str], others: list[Any] | None = None
    ) -> Iterator[File]:
        ends = tuple(suffixes)
        for _, file in self._below(folder):
            if file.name.lower().endswith(ends):
                yield file
            elif others is not None and file.name not in LEFT_BEHIND:
                others.append(file)

    def stat(self, file: File) -> tuple[int, ...]:
        return file.stat()

    def is_folder(self, place: Place) -> bool:
        return isinstance(place, RemotePlace) and place.found is None

    def _below(self, folder: Place) -> Iterator[tuple[Steps, RemotePlace]]:
        """The files below a folder: they stand together."""
        above = self._steps(folder)
        first = bisect_left(self._files, above, key=lambda file: file[0])
        coming = islice(self._files, first, None)
        return takewhile(lambda file: file[0][: len(above)] == above, coming)

    def _steps(self, folder: Place) -> Steps:
        key = folder.key if isinstance(folder, RemotePlace) else str(folder)
        return tuple(key[len(self._prefix) :].split("/")) if len(key) > len(self._prefix) else ()

    @cached_property
    def _files(self) -> list[tuple[Steps, RemotePlace]]:
        """The objects that are files and not hidden, with their steps below the root, in the order
        in which a disk's folders are walked.

        Stores have no folders; tools put an empty object in the place of one.
        """
        found = [one for one in self._objects.listed(self._address) if one.key != self.root.key]
        above = {str(up) for one in found for up in PurePosixPath(one.key).parents}
        files = [
            (tuple(one.key[len(self._prefix) :].split("/")), one)
            for one in found
            if one.size or (one.key not in above and PurePosixPath(one.key).suffix)
        ]
        return [
            (steps, RemotePlace(self._address.below(one.key), one))
            for steps, one in sorted(files)
            if not any(step.startswith(".") for step in steps)
        ]
