"""What `dataset add` is given: a path, or data that are written first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import DatasetError
from headstart.extractors.datasets.kinds import find_kind, reads_addresses
from headstart.extractors.datasets.options import check_columns, checked_settings
from headstart.extractors.datasets.places import is_called_folder, named
from headstart.extractors.datasets.remote.addresses import is_address, is_on_the_web, parse
from headstart.extractors.datasets.source import FETCHED, Options
from headstart.notices import said_as, tell

if TYPE_CHECKING:
    from headstart.extractors.datasets.memory.kept import Kept
    from headstart.extractors.datasets.remote.fetched import Fetched
    from headstart.storage.contents import Contents

HUB = "hf:"


def _nothing(address: str) -> Iterable[Fetched]:
    del address
    return ()


def kept_in(
    contents: Contents,
    source: Any,
    kind: str | None,
    options: Options,
    known: Callable[[str], Iterable[Fetched]] = _nothing,
    weights: Any = None,
) -> Kept | None:
    """Data in memory or of the hub, at an address and read at random, or large and compressed,
    written into a workspace; None for a path that is read where it lies.

    Args:
        contents: of the workspace.
        source: as it was given; with labels beside it a pair.
        kind: as it was given.
        options: as they were given.
        known: what was fetched from an address before.
        weights: for how many samples each of the data in memory counts.

    Raises:
        DatasetError: the data are no samples; or labels are given for a path, or a kind for data.
    """
    from headstart.extractors.datasets.memory.adapter import as_source, is_in_memory

    check_columns(options)
    if is_in_memory(source):
        if kind is not None:
            raise DatasetError(
                f"data in memory have no kind, received {kind!r}", hint="Leave it out."
            )
        return as_source(source, weights=weights, options=options, contents=contents)
    if weights is not None:
        raise DatasetError(
            f"weights are given next to the source {str(source)!r}",
            hint="They are for data in memory; name the column with weight_column=….",
        )
    if isinstance(source, str) and source.startswith(HUB):
        from headstart.extractors.datasets.memory.huggingface import keep_from_hub

        return keep_from_hub(source, options, contents)
    if _is_fetched(source, kind, options):
        return keep_fetched(source, kind, contents, options, known)
    found = _unpacked(Path(source).expanduser(), kind, contents)
    if found is not None:
        tell(f"{source} is not looked at any more: add it again when it has changed")
    return found


def _is_fetched(source: Any, kind: str | None, options: Options) -> bool:
    """Whether a source is fetched: what is said to be of a kind that reads what lies here alone, or
    is found to be."""
    if not is_address(source) or (kind is not None and reads_addresses(kind)):
        return False
    from headstart.extractors.datasets.remote.recognition import is_fetched

    is_said = kind is not None and is_called_folder(source) and not is_on_the_web(source)
    given = checked_settings(options.get("store_options") or ())
    return is_said or is_fetched(source, given)


def _unpacked(path: Path, kind: str | None, contents: Contents) -> Kept | None:
    """What is unpacked before it is read: large compressed arrays, packed tars; None of others."""
    from headstart.extractors.datasets.memory.packed_tar import keep_unpacked_tar
    from headstart.extractors.datasets.memory.unpacked import keep_unpacked

    found = keep_unpacked(path, contents) if kind in (None, "arrays") else None
    return found or (keep_unpacked_tar(path, contents) if kind in (None, "webdataset") else None)


def keep_fetched(
    source: str,
    kind: str | None,
    contents: Contents,
    options: Options,
    known: Callable[[str], Iterable[Fetched]] = _nothing,
) -> Kept:
    """What lies at an address; that of before, where the server says that it is the same.

    Args:
        source: an address.
        kind: of it; None where what was fetched says it.
        contents: of the workspace.
        options: as they were given.
        known: what was fetched from an address before.

    Raises:
        SourceGone, DatasetError, StorageError: see `fetch`.
    """
    from headstart.extractors.datasets.memory.kept import Kept

    address, given = named(source), tuple(checked_settings(options.get("store_options") or ()))
    if given and is_on_the_web(address):
        raise DatasetError(f"{address} lies in no store, received --store-option {given[0]}")
    found = _fetched(address, contents, given, list(known(address)), options.get("root"))
    assert found.path is not None
    path, stored = found.path, {FETCHED: found.to_json()}
    with in_words(str(path), address):
        if (unpacked := _unpacked(path, kind, contents)) is not None:
            path = unpacked.path
    found_kind = kind or find_kind(str(path))
    if found_kind is None:
        raise DatasetError(f"{address} holds no dataset of a known kind", hint="Give its --kind.")
    return Kept(found_kind, path, {}, address, stored, ("store_options",))


def _fetched(
    address: str,
    contents: Contents,
    given: tuple[str, ...],
    known: Sequence[Fetched],
    root: str | None,
) -> Fetched:
    from headstart.extractors.datasets.remote.fetched import fetch
    from headstart.extractors.datasets.remote.mirror import mirror
    from headstart.extractors.datasets.remote.several import is_several

    before = next((one for one in known if one.is_same_now(given)), None)
    if before is not None:
        return before
    if not is_several(address):
        return fetch(address, contents, given)
    same = [one.path for one in known if one.store_options == given and one.is_here]
    return mirror(address, contents, given, same[0] if same else None, root)


def origin_of_files(origin: str) -> str:
    """What a folder of files that were fetched is called, in which they lie at an address."""
    from headstart.extractors.datasets.remote.several import folder_of

    return str(folder_of(parse(origin))).rstrip("/") if is_address(origin) else origin


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
    above = f"{origin_of_files(origin)}/"
    try:
        with said_as(f"{place}/", above), said_as(place, origin):
            yield
    except DatasetError as error:
        said = error.message.replace(f"{place}/", above).replace(place, origin)
        raise type(error)(said, hint=error.hint) from error
