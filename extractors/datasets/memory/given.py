"""What `dataset add` is given: a path, or data that are written first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headstart.errors import DatasetError
from headstart.extractors.datasets.memory.kept import Kept
from headstart.extractors.datasets.memory.unpacked import keep_unpacked
from headstart.extractors.datasets.options import checked_settings
from headstart.extractors.datasets.places import named
from headstart.extractors.datasets.remote.addresses import is_on_the_web
from headstart.extractors.datasets.remote.fetched import FETCHED, Fetched, fetch, kind_at
from headstart.extractors.datasets.source import Options
from headstart.notices import said_as
from headstart.storage.contents import Contents

HUB = "hf:"
UNPACKED = (None, "arrays")
"""Kinds, as they are given, of sources that may be compressed."""


def _nothing(address: str) -> Iterable[Fetched]:
    del address
    return ()


def kept_in(
    contents: Contents,
    source: Any,
    kind: str | None,
    options: Options,
    known: Callable[[str], Iterable[Fetched]] = _nothing,
) -> Kept | None:
    """Data in memory or of the hub, at an address and read at random, or large and compressed,
    written into a workspace; None for a path that is read where it lies.

    Args:
        contents: of the workspace.
        source: as it was given; with labels beside it a pair.
        kind: as it was given.
        options: as they were given.
        known: what was fetched from an address before.

    Raises:
        DatasetError: the data are no samples; or labels are given for a path, or a kind for data.
    """
    from headstart.extractors.datasets.memory.adapter import as_source, is_in_memory

    if is_in_memory(source):
        if kind is not None:
            raise DatasetError(
                f"data in memory have no kind, received {kind!r}", hint="Leave it out."
            )
        return as_source(source, options=options, contents=contents)
    if isinstance(source, str) and source.startswith(HUB):
        from headstart.extractors.datasets.memory.huggingface import keep_from_hub

        return keep_from_hub(source, options, contents)
    if (found := kind_at(source, kind)) is not None:
        return keep_fetched(source, found, contents, options, known)
    return keep_unpacked(Path(source).expanduser(), contents) if kind in UNPACKED else None


def keep_fetched(
    source: str,
    kind: str,
    contents: Contents,
    options: Options,
    known: Callable[[str], Iterable[Fetched]] = _nothing,
) -> Kept:
    """What lies at an address; that of before, where the server says that it is the same.

    Args:
        source: an address.
        kind: of it.
        contents: of the workspace.
        options: as they were given.
        known: what was fetched from an address before.

    Raises:
        SourceGone, DatasetError, StorageError: see `fetch`.
    """
    address, given = named(source), tuple(checked_settings(options.get("store_options") or ()))
    if given and is_on_the_web(address):
        raise DatasetError(f"{address} lies in no store, received --store-option {given[0]}")
    before = next((one for one in known(address) if one.is_same_now(given)), None)
    found = before or fetch(address, contents, given)
    assert found.path is not None
    path, stored = found.path, {FETCHED: found.to_json()}
    if kind in UNPACKED and (unpacked := keep_unpacked(path, contents)) is not None:
        path = unpacked.path
    return Kept(kind, path, {}, address, stored, ("store_options",))


@contextmanager
def in_words(place: str, origin: str | None) -> Iterator[None]:
    """Errors and warnings name data in memory as what they were, and not the file that was made of
    them.

    Args:
        place: of the file.
        origin: what the data were, in words; None of a source that lies where its user put it.
    """
    if origin is None:
        yield
        return
    try:
        with said_as(place, origin):
            yield
    except DatasetError as error:
        said = error.message.replace(place, origin)
        raise type(error)(said, hint=error.hint) from error
