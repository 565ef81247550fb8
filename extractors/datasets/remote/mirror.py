"""Several files at an address, fetched once into a folder of the workspace, as they lie there.

So every kind of source that reads files here reads those of a store. The folder is called by what
the store says of each file (address, size, time, ETag): a run that broke off goes on where it was,
and what has not changed since another time is taken from the folder of then.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

from headstart.errors import DatasetError
from headstart.extractors.datasets.memory.packed_tar import packing_of, unpack, unpacked_name
from headstart.extractors.datasets.remote.addresses import parse
from headstart.extractors.datasets.remote.ahead import ahead
from headstart.extractors.datasets.remote.fetched import (
    Fetched,
    Watched,
    as_of_source,
    check_room,
    in_bytes,
)
from headstart.extractors.datasets.remote.mark import (
    COMPLETE,
    is_there,
    is_whole,
    marked_in,
    place_of,
)
from headstart.extractors.datasets.remote.objects import Objects
from headstart.extractors.datasets.remote.several import Several, objects_at, stamp_of
from headstart.notices import tell
from headstart.storage.contents import Contents
from headstart.storage.files import make_folder, written_aside


def mirror(
    address: str,
    contents: Contents,
    store_options: tuple[str, ...] = (),
    before: Path | None = None,
    root: str | None = None,
) -> Fetched:
    """Write what an address names into a folder of the workspace; packed tars are unpacked.

    Args:
        address: of a folder in a store, or a pattern, as datasets store it.
        contents: of the workspace.
        store_options: handed to its store.
        before: a folder of what was fetched from there another time.
        root: a folder or address outside of which nothing is read.

    Raises:
        SourceGone: there is nothing, or it is not given: no connection, credentials or bucket.
        DatasetError: it is too large, lies outside of the root, has names that cannot be those of
            files here, or changed meanwhile.
        StorageError: the disk is full.
    """
    found = Fetched(address, (), store_options)
    with as_of_source():
        several = objects_at(parse(address), found.objects)
        _check_within(several, root)
        _check_names(several, address)
        stamp = stamp_of(several)
        folder = contents.place_of_folder(_digest(found, several, stamp))
        if not is_whole(folder):
            _fill(found, several, folder, _known(before))
            _check_same(found, stamp)
            _complete(folder, several)
        os.utime(folder)  # it is young, also if it is from before
    return Fetched(address, stamp, store_options, folder)


def _check_within(several: Sequence[Several], root: str | None) -> None:
    if root is not None:
        objects = Objects("", {"root": root})
        for one in several:
            objects.check(one.address)


def _check_names(several: Sequence[Several], address: str) -> None:
    """See that each can be a file of its own here.

    Raises:
        DatasetError: one is a folder as well, or two are one: when they are unpacked, or where
            names in capitals are the same.
    """
    names = Counter(_name_here(one.name) for one in several)
    above = {str(up) for name in names for up in PurePosixPath(name).parents}
    for one in several:
        name = _name_here(one.name)
        if name in above:
            what = "is an object and a folder"
        elif names[name] > 1:
            what = f"would lie here as {name}, as another object would"
        else:
            continue
        raise DatasetError(
            f"{address}: {one.name} {what}; a file has one name here", hint="Rename one of them."
        )


def _name_here(name: str) -> str:
    """By which a file is told from others in a folder here."""
    name = unpacked_name(name)
    return name.casefold() if sys.platform in ("win32", "darwin") else name


def _check_same(found: Fetched, stamp: tuple[int, ...]) -> None:
    """See that nothing changed while it was fetched, where the store says it.

    Raises:
        DatasetError: something did.
    """
    if stamp and found.stat_now() != stamp:
        raise DatasetError(
            f"{found.address} has changed while it was fetched",
            hint="Run the same command again, once nobody writes to it.",
        )


def _digest(found: Fetched, several: Sequence[Several], stamp: tuple[int, ...]) -> str:
    """What says which files they are; a new one, where the store does not say it."""
    told = [(one.name, one.stat) for one in several] if stamp else secrets.token_hex(32)
    content = [found.address, list(found.store_options), told]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _known(before: Path | None) -> dict[str, Path]:
    """The files of another time, by name and what their store said of them."""
    if before is None:
        return {}
    known = {name: stat for name, stat in marked_in(before).items() if stat}
    return {_key(name, stat): place_of(before, name) for name, stat in known.items()}


def _key(name: str, stat: Sequence[int]) -> str:
    return f"{name} {tuple(stat)}"


def _fill(
    found: Fetched, several: Sequence[Several], folder: Path, known: Mapping[str, Path]
) -> None:
    """Fetch what is not there, many at once."""
    left = []
    make_folder(folder)
    for one in several:
        place = place_of(folder, one.name)
        if is_there(place, one.name, one.stat):
            continue
        old = known.get(_key(one.name, one.stat))
        if old is None or not is_there(old, one.name, one.stat):
            left.append(one)
        else:
            _take(old, place)
    size, done = sum(one.size for one in left), 0
    check_room(found.address, size, folder)
    kept = f", {len(several) - len(left):,} are here" if len(left) < len(several) else ""
    tell(
        f"{found.address}: {len(left):,} files, {in_bytes(size)}, are fetched once, into "
        f"{folder}{kept}"
    )
    watched = Watched(found.address)
    fetching = ahead(left, partial(_fetched, found, folder), lambda _: True)
    for number, (_, get) in enumerate(fetching, start=1):
        done += get()
        watched.advance(done, max(size, done), f", {number:,} of {len(left):,} files")


def _complete(folder: Path, several: Sequence[Several]) -> None:
    """Mark a folder as complete, with what the store says of each file."""
    told = {one.name: one.stat for one in several}
    with written_aside(folder / COMPLETE) as file:
        file.write(json.dumps(told).encode())


def _take(old: Path, place: Path) -> None:
    """Take a file of another time: by a link, or else copied."""
    make_folder(place.parent)
    with suppress(OSError):
        os.link(old, place)
        return
    with old.open("rb") as source, written_aside(place) as out:
        shutil.copyfileobj(source, out)


def _fetched(found: Fetched, folder: Path, one: Several) -> int:
    """Fetch a file; gives its bytes."""
    place, packing = place_of(folder, one.name), packing_of(one.name)
    sizes: list[int] = []

    def begin(size: int) -> None:
        check_room(str(one.address), size, folder)
        sizes.append(size)

    def advance(done: int, size: int) -> None:
        """Whoever waits for the files says how far they are."""

    with written_aside(place) as out:
        if packing is None:
            found.objects.copy(one.address, out, begin, advance)
        else:
            with tempfile.TemporaryFile(dir=folder) as packed:
                found.objects.copy(one.address, packed, begin, advance)
                packed.seek(0)
                unpack(packed, out, packing, sizes[0], str(one.address))
    return sizes[0]
