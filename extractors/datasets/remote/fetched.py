"""One file at an address that is read at random here: it is fetched once, into the workspace.

A tar, columns and arrays are read by offset, thousands of times, and partly by libraries that know
files alone. Fetched whole, they are read as what lies here; the file is called by its content, and
the server's word (size, time, ETag) is only taken for that nothing has changed.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from headstart.errors import DatasetError, SampleError, SourceGone
from headstart.extractors.datasets.named_files import HINT
from headstart.extractors.datasets.places import suffix_of
from headstart.extractors.datasets.remote.addresses import is_address, parse
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.shard_names import is_pattern
from headstart.notices import tell
from headstart.storage.contents import Contents

FETCHED = "fetched"
"""Among a dataset's options: what was fetched, as `Fetched.to_json` has it."""
KINDS = {
    ".tar": "webdataset",
    ".parquet": "parquet",
    ".arrow": "parquet",
    ".feather": "parquet",
    ".npy": "arrays",
    ".npz": "arrays",
}
"""By the suffixes of files that are fetched, what they are."""
LARGEST = 1 << 37
"""Bytes of a file that is fetched: 128 GiB."""
SHARE = 0.9
"""Of the disk that is free: what a file may take."""
PAUSE = 10.0
"""Seconds between two lines of how far it is."""


@dataclass(frozen=True)
class Fetched:
    """A file that was at an address, and is here now.

    Attributes:
        address: where it was.
        stat: by what its change is seen; empty where the server does not say.
        store_options: by which its store was opened.
        path: where it is now.
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
        return self.path is not None and self.path.is_file()

    def stat_now(self) -> tuple[int, ...]:
        """What the server says of it now; errors as `fetch`."""
        with _as_source():
            return self._objects.stat(parse(self.address))

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
    def _objects(self) -> Objects:
        return Objects(self.address, {"store_options": self.store_options})


def kind_at(source: Any, kind: str | None) -> str | None:
    """What a file at an address is that is fetched; None where it is not.

    Args:
        source: as it was given.
        kind: as it was given: one that says another thing has the last word.

    Raises:
        DatasetError: it stands for several files.
    """
    found = KINDS.get(suffix_of(source)) if is_address(source) else None
    if found is None or kind not in (None, found):
        return None
    if is_pattern(source):
        raise DatasetError(
            f"{source} stands for several files, of which at an address one is read",
            hint="Add them one by one, or download them and add the folder.",
        )
    return found


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

    def write(out: BinaryIO) -> None:
        watched = _Watched(address, contents.folder)
        stats.append(found._objects.copy(parse(address), out, watched.begin, watched.advance))

    with _as_source():
        path = contents.keep(write, suffix_of(address))
    return Fetched(address, stats[0], store_options, path)


@contextmanager
def _as_source() -> Iterator[None]:
    """Errors of an object as those of a source: nothing of the dataset is there without it, and to
    look at it again, or to go on without it, is of no use."""
    try:
        yield
    except SampleError as error:
        hint = "Check the address." if error.hint in (None, HINT) else error.hint
        raise SourceGone(error.message, hint=hint) from error


class _Watched:
    """Says what is fetched, how large it is, and how far it is."""

    def __init__(self, address: str, folder: Path) -> None:
        self._address, self._folder = address, folder
        self._said = time.monotonic()

    def begin(self, size: int) -> None:
        """See that there is room.

        Raises:
            DatasetError: there is none.
        """
        existing = next(one for one in (self._folder, *self._folder.parents) if one.is_dir())
        free = shutil.disk_usage(existing).free
        if size > LARGEST or size > free * SHARE:
            raise DatasetError(
                f"{self._address} has {size:,} bytes; at most {LARGEST:,} are fetched, and "
                f"{SHARE:.0%} of the {free:,} bytes that are free in {existing}",
                hint="Make room, or download it in parts to where there is.",
            )
        tell(f"{self._address}, {_size(size)}, is fetched once, into {self._folder}")

    def advance(self, done: int, size: int) -> None:
        if time.monotonic() - self._said >= PAUSE:
            self._said = time.monotonic()
            tell(f"{self._address}: {_size(done)} of {_size(size)} are here")


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
