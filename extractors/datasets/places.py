"""Where a dataset's files lie: here, in an object store or on the web; each read by its place."""

from __future__ import annotations

import stat
from functools import cached_property
from pathlib import Path, PurePosixPath

from headstart.errors import (
    DatasetError,
    SampleChanged,
    SampleError,
    SourceGone,
    SourceMissing,
    StorageError,
)
from headstart.extractors.datasets.named_files import (
    HINT,
    check_within,
    digest_of_file,
    read_named,
    root_of,
    stat_of_file,
)
from headstart.extractors.datasets.remote.addresses import (
    ANY_ADDRESS,
    FILE,
    is_address,
    joined,
    parse,
    redacted,
    refused_scheme,
)
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.source import Location, Options
from headstart.storage.files import open_regular, stat_of

__all__ = ["Places", "is_address", "is_far", "named", "redacted"]

GONE = (
    "Paths are relative to the table; fix or remove the row, or leave such rows out with "
    "--on-error skip."
)


def is_far(location: Location) -> bool:
    """Whether a sample is read over the network, of which many can be waited for at once."""
    return is_address(location)


def named(source: str) -> str:
    """An address as it is stored.

    Raises:
        DatasetError: it is none that may be stored; see `remote.addresses.parse`.
    """
    return str(parse(source))


def suffix_of(source: str) -> str:
    """The suffix of a path, or of an address without its query, in small letters; never fails."""
    if not is_address(source):
        return Path(source).suffix.lower()
    return PurePosixPath(source.partition("?")[0]).suffix.lower()


def is_called_folder(source: str) -> bool:
    """Whether an address is called as folders are: with `/` at its end, or in a bucket and without
    a suffix; never fails."""
    is_web = source[:4].lower() == "http"
    return source.endswith("/") or (not is_web and not suffix_of(source))


class Places:
    """The files of one source; a place is a path, or an address.

    Args:
        source: of the dataset: a path, or an address.
        options: `root` is the folder, or address, outside of which nothing is read.
        folder: that paths in it are relative to, if not the one in which it lies.
    """

    def __init__(self, source: str, options: Options, folder: Path | None = None) -> None:
        self.source = source
        self._folder = folder
        self._options = options
        self._root = root_of(options)

    @cached_property
    def objects(self) -> Objects:
        return Objects(self.source, self._options)

    def read(self, place: str, where: str = "", hint: str = HINT) -> bytes:
        """The content of a file or object; `where` and `hint` are for messages.

        Raises:
            SampleChanged, SampleUnreadable, DatasetError: as `named_files.read_named` and
                `remote.objects.Objects.read`.
        """
        if is_address(place):
            return self.objects.read(parse(place, where))
        return read_named(Path(place), self._root, where, hint)

    def table(self) -> bytes | None:
        """The content of the source itself, where it lies at an address; of a file nothing.

        Raises:
            SourceGone: there is nothing.
            SampleUnreadable: it is not given.
        """
        if not is_address(self.source):
            return None
        try:
            return self.read(self.source)
        except SampleChanged as error:
            raise SourceGone(error.message, hint="Check the address.") from error

    def head(self, place: str, size: int) -> bytes:
        """Its first bytes; nothing where it cannot be read, which whoever reads all of it says."""
        try:
            if is_address(place):
                return self.objects.head(parse(place), size)
            with open_regular(Path(place)) as file:
                return file.read(size)
        except (OSError, StorageError, DatasetError, SampleError):
            return b""

    def digest(self, place: str) -> str:
        """The digest of the content, which is not held in memory; errors as `read`."""
        if is_address(place):
            return self.objects.digest(parse(place))
        return digest_of_file(Path(place), self._root)

    def named(self, cell: str, where: str) -> str:
        """The place that a cell of the table names, which is not looked at.

        Raises:
            DatasetError: it is an address of another kind, or may not be read.
        """
        if is_address(self.source):
            found = joined(parse(self.source), cell, where)
        elif is_address(cell):
            found = parse(cell, where)
        elif ANY_ADDRESS.match(cell) or FILE.match(cell):
            raise refused_scheme(cell, where)
        else:
            return str((self._folder or Path(self.source).parent) / cell)
        self.objects.check(found, where)
        return str(found)

    def stat_of_table(self) -> tuple[int, ...]:
        """By what the change of the source itself is seen, which may lie outside of the root.

        Raises:
            DatasetError: it is not there.
        """
        if is_address(self.source):
            return self.stat(self.source, self.source)
        return stat_of_file(Path(self.source))

    def stat(self, place: str, where: str) -> tuple[int, ...]:
        """By what the change of a file that a table names is seen.

        Raises:
            DatasetError: it is not there, or lies outside of the root.
            SampleUnreadable: it is not given.
        """
        if is_address(place):
            try:
                return self.objects.stat(parse(place, where))
            except SampleChanged as error:
                raise SourceMissing(f"{where}: {error.message}", hint=GONE) from error
        path = Path(place)
        try:
            status = path.stat()
        except (OSError, ValueError):  # ValueError: its name holds a NUL
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):
            raise SourceMissing(f"{where}: no file {path}", hint=GONE)
        check_within(path, self._root, where)
        return stat_of(status)
