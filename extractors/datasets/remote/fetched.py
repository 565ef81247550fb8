"""What lies at an address and is read at random here: it is fetched once, into the workspace.

Tars, records, columns and arrays are read by offset, thousands of times, and partly by libraries
that know files alone. Fetched whole, they are read as what lies here; a file is called by its
content, and the server's word (size, time, ETag) is only taken for that nothing has changed. Of
several files see `mirror`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from headstart.errors import DatasetError, SampleError, SourceGone
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.places import suffix_of
from headstart.extractors.datasets.remote.addresses import parse
from headstart.extractors.datasets.remote.mark import is_whole
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.remote.several import is_several, objects_at, stamp_of
from headstart.extractors.datasets.shard_names import RECORDS, TARS
from headstart.extractors.datasets.source import FETCHED
from headstart.notices import tell
from headstart.storage.contents import Contents
from headstart.storage.files import free_bytes

LARGEST = 1 << 37
"""Bytes of what is fetched for a dataset: 128 GiB."""
SHARE = 0.9
"""Of the disk that is free: what a file may take."""
PAUSE = 10.0
"""Seconds between two lines of how far it is."""


@dataclass(frozen=True)
class Fetched:
    """A file that was at an address, or several, and is here now.

    Attributes:
        address: where it was: of a file, of a folder, or a pattern.
        stat: by what its change is seen; empty where the server does not say.
        store_options: by which its store was opened.
        path: where it is now: a file, or a folder of those that the address names.
    """

    address: str
    stat: tuple[int, ...]
    store_options: tuple[str, ...] = ()
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, options: Mapping[str, Any], path: Path | None = None) -> Fetched | None:
        """What a dataset's options say of it; None of one that was not fetched."""
        found = options.get(FETCHED)
        if found is None:
            return None
        given = tuple(found.get("store_options", ()))
        return cls(str(found["address"]), tuple(found["stat"]), given, path)

    def to_json(self) -> dict[str, Any]:
        """As it is stored among a dataset's options."""
        return {
            "address": self.address,
            "stat": list(self.stat),
            **({"store_options": list(self.store_options)} if self.store_options else {}),
        }

    @property
    def is_here(self) -> bool:
        """Whether the file is, or all files of the folder are, with the sizes that were told."""
        return self.path is not None and (self.path.is_file() or is_whole(self.path))

    def stat_now(self) -> tuple[int, ...]:
        """What the server says of it now; errors as `fetch`."""
        with as_of_source():
            if is_several(self.address):
                return stamp_of(objects_at(parse(self.address), self.objects))
            return self.objects.stat(parse(self.address))

    def is_same_now(self, store_options: tuple[str, ...]) -> bool:
        """Whether it is here, and the server says that it is as it was; errors as `fetch`.

        Args:
            store_options: by which its store is opened now: another one may stand behind the same
                address.
        """
        if not self.stat or not self.is_here or store_options != self.store_options:
            return False
        return self.stat_now() == self.stat

    @property
    def objects(self) -> Objects:
        """That give it."""
        return Objects(self.address, {"store_options": self.store_options})


def fetch(address: str, contents: Contents, store_options: tuple[str, ...] = ()) -> Fetched:
    """Write what lies at an address into the workspace, under the name of its content.

    Its size is said before, and how far it is every ten seconds. It is asked for in parts, each
    again if it breaks off.

    Args:
        address: of a file, as datasets store it.
        contents: of the workspace.
        store_options: handed to its store.

    Raises:
        SourceGone: it is not there or not given: no connection, credentials or bucket.
        DatasetError: it is too large.
        StorageError: the disk is full.
    """
    found = Fetched(address, (), store_options)
    stats: list[tuple[int, ...]] = []

    def begin(size: int) -> None:
        check_room(address, size, contents.folder)
        tell(f"{address}, {in_bytes(size)}, is fetched once, into {contents.folder}")

    def write(out: BinaryIO) -> None:
        watched = Watched(address)
        stats.append(found.objects.copy(parse(address), out, begin, watched.advance))

    with as_of_source():
        path = contents.keep(write, _suffix_of(address))
    return Fetched(address, stats[0], store_options, path)


def _suffix_of(address: str) -> str:
    """That of what is kept: by it is told again what it is."""
    name = parse(address).key
    found = TARS.fullmatch(name.lower()) or RECORDS.fullmatch(name.lower())
    return suffix_of(address) if found is None else found[1]


@contextmanager
def as_of_source() -> Iterator[None]:
    """Errors of an object as those of a source: nothing of the dataset is there without it, and to
    look at it again, or to go on without it, is of no use."""
    try:
        yield
    except SampleError as error:
        hint = "Check the address." if error.hint in (None, HINT) else error.hint
        raise SourceGone(error.message, hint=hint) from error


def check_room(address: str, size: int, folder: Path) -> None:
    """See that there is room for what is fetched.

    Raises:
        DatasetError: there is none.
    """
    free = free_bytes(folder)
    if size > LARGEST or size > free * SHARE:
        raise DatasetError(
            f"{address} has {size:,} bytes; at most {LARGEST:,} are fetched, and {SHARE:.0%} of "
            f"the {free:,} bytes that are free in {folder}",
            hint="Make room, or download it in parts to where there is.",
        )


class Watched:
    """Says how far something is, every ten seconds.

    Args:
        address: of what is fetched.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._said = time.monotonic()

    def advance(self, done: int, size: int, more: str = "") -> None:
        if time.monotonic() - self._said >= PAUSE:
            self._said = time.monotonic()
            tell(f"{self._address}: {in_bytes(done)} of {in_bytes(size)} are here{more}")


def in_bytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
