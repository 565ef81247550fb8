"""`backup`: a copy of a workspace while others work in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from headstart.context import Context
from headstart.errors import (
    AlreadyExists,
    BackupDamaged,
    DatasetError,
    ManifestDamaged,
    NotFound,
    first_line,
)
from headstart.extractors.runtime import versions
from headstart.jobs.backups.contents import FILE, Backup
from headstart.jobs.backups.places import Content, Held, Place, disk_told, place_of, size_of
from headstart.notices import warn
from headstart.paths import below, mirrored_below, one_below
from headstart.progress import Progress, silent
from headstart.registry import schema
from headstart.registry.audit import snapshot
from headstart.registry.jobs import UNFINISHED
from headstart.storage.artifacts import HELD_AS as ARTIFACTS
from headstart.storage.contents import HELD_AS as MANIFESTS
from headstart.storage.contents import Contents
from headstart.storage.files import sha256_of_file
from headstart.storage.manifest import get_parts
from headstart.values.showable import Showable

BEGUN = "begun"
"""The file that says whose first backup is being written; it goes when that is done."""


@dataclass(frozen=True)
class BackedUp(Showable):
    """A backup that was taken.

    Attributes:
        folder: where it is, or its address.
        files: how many it has.
        bytes: of all of them.
        copied: bytes that were not there from a backup before.
        has_features: whether the rows of features are in it.
        schema: of the registry.
        missing: files that the registry names and the workspace does not have.
        seconds: that it took.
    """

    folder: str
    files: int
    bytes: int
    copied: int
    has_features: bool
    schema: str
    missing: tuple[str, ...]
    seconds: float

    def _line(self) -> str:
        return f"{self.folder!r}, {self.files:,} files, {self.bytes:,} bytes"


def backup(
    context: Context,
    folder: str | Path,
    *,
    features: bool = False,
    progress: Progress = silent,
) -> BackedUp:
    """Copy the registry as it is at one moment, and every file that it names; others work on.

    A folder that holds a backup of this workspace is brought up to date: files are called by their
    content, so that what is there is not copied again, and what nobody names any more goes. It is
    the backup of before until the last file is there. What it holds is read and compared with its
    sha256: what is rotten is copied anew; in an object store, where that would be read all, by its
    size. While the workspace lacks files nothing goes: the backup
    may hold the last copy.

    Args:
        context: of the workspace.
        folder: new, empty, or with a backup of this workspace; or such an address: `s3://`,
            `gs://`, `az://`, `file:///`.
        features: copy the shards, too; without them features are computed again where they are
            needed.
        progress: called with (files done, files).

    Raises:
        AlreadyExists: the folder has something else in it.
        StorageError: the disk does not take it.

    Warns:
        HeadstartWarning: files are missing or damaged, and so in the backup.
    """
    started = time.monotonic()
    place = place_of(folder)
    with ExitStack() as opened:
        with disk_told(place):
            before = _before(context, place)
            scratch = opened.enter_context(place.scratch())
            if before is None:
                place.write(BEGUN, str(context.config.id).encode())
        draft = one_below(scratch, "registry.db")
        opened.enter_context(context.holds.hold(ARTIFACTS, MANIFESTS, *_keys(context, features)))
        snapshot.take(context.config, draft)
        state = replace(context.config, database_url=f"sqlite:///{draft}", namespace=None)
        if not features:
            snapshot.forget_shards(state)
        known = Context(state, context.shard_store)
        try:
            wanted = dict(_named(known, place, before, scratch, features=features))
            files, new, missing = _copy(known, place, before, wanted, progress)
        finally:
            known.database.close()
        if missing and before is not None:
            files = {**_kept(place, before, files), **files}
        registry = f"registry-{sha256_of_file(draft)}.db"
        held = place.put(draft, registry, None, None)
    made = Backup(
        context.config.id,
        str(context.config.root),
        schema.HEAD,
        registry,
        features,
        datetime.now(UTC).isoformat(timespec="seconds"),
        {"headstart": versions()["headstart"]},
        context.config.defaults,
        {**files, registry: held},
        tuple(missing),
    )
    made.write(place)
    _tidy(place, before, made)
    return BackedUp(
        str(place),
        len(made.files),
        size_of(made.files.values()),
        new + held.size,
        features,
        made.schema,
        tuple(missing),
        round(time.monotonic() - started, 3),
    )


def _before(context: Context, place: Place) -> Backup | None:
    """The backup that is there.

    Raises:
        AlreadyExists: there is something, and no backup of this workspace.
    """
    here = place.names()
    if not here:
        return None
    if FILE not in here and BEGUN in here and place.read(BEGUN) == str(context.config.id).encode():
        return None  # the first one was interrupted
    hint = "Name one that is empty, new, or a backup of this workspace."
    try:
        found = Backup.read(place)
    except NotFound:
        raise AlreadyExists(f"{place} is there, and is not a backup", hint=hint) from None
    if found.workspace != context.config.id:
        raise AlreadyExists(
            f"{place} is a backup of another workspace, that of {found.root}", hint=hint
        )
    return found


def _keys(context: Context, features: bool) -> list[str]:
    return [one.key for one in context.feature_sets.find_sets()] if features else []


Named = tuple[Path, str | None]
"""Where a file lies in the workspace, and its sha256 where that is known."""


def _kept(place: Place, before: Backup, files: Mapping[str, Held]) -> dict[str, Held]:
    """What the backup of before has besides, and is whole; but for its registry."""
    others = before.files.keys() - files.keys() - {before.registry}
    found = {name: before.files[name] for name in others}
    return {name: held for name, held in found.items() if place.has(name, held)}


def _copy(
    known: Context,
    place: Place,
    before: Backup | None,
    wanted: Mapping[str, Named],
    progress: Progress,
) -> tuple[dict[str, Held], int, list[str]]:
    """Copy what a state of the registry names; gives all files, new bytes, and what is missing."""
    files: dict[str, Held] = {}
    new, missing = 0, list[str]()
    for done, (name, (source, expected)) in enumerate(sorted(wanted.items()), start=1):
        held = before.files.get(name) if before is not None else None
        if held is not None and place.has(name, held):
            files[name] = held
        else:
            try:
                files[name] = held = place.put(source, name, expected, _content(known, name))
                new += held.size
            except (FileNotFoundError, ValueError) as error:  # lost, or damaged, in the workspace
                missing.append(name)
                warn(f"{source} is not in the backup: {_why(error)}; see `headstart doctor`")
        progress(done, len(wanted))
    return files, new, missing


def _content(known: Context, name: str) -> Content:
    """What gives the bytes of a shard that lies in a bucket; None of what lies here."""
    folder, _, file = name.partition("/")
    if known.bucket is None or folder != known.config.features.name:
        return None
    return lambda: known.shard_store.read(file)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    return getattr(error, "message", None) or first_line(error)


def _named(
    known: Context, place: Place, before: Backup | None, scratch: Path, *, features: bool
) -> Iterator[tuple[str, Named]]:
    """Files that the registry names; those in folders that lost files as the backup knows them."""
    root = known.config.root
    needed = known.needed_artifacts()
    stored = [one.path for one in known.artifacts.stored()]
    found = [path for path in stored if path.stem in needed]
    for path in found:
        here = known.artifacts.here(path.stem, path.suffix)
        yield path.relative_to(root).as_posix(), (here, path.stem)
    for digest in needed - {path.stem for path in found}:
        path = known.artifacts.path_of(digest, "")
        yield path.relative_to(root).as_posix(), (path, digest)
    for path in _manifests(known, place, before, scratch):
        yield path.relative_to(root).as_posix(), (path, path.stem)
    contents = Contents(known.config.contents)
    for dataset in known.datasets.find_all():
        name = contents.find_name(dataset.source)
        if name is not None:
            path = below(contents.folder, name)
            inner = f"{path.relative_to(root).as_posix()}/"
            for one in () if before is None else before.files:
                if one.startswith(inner):
                    yield one, (mirrored_below(root, one), None)
            yield from _of_contents(path, root)
    if features:
        for one in known.feature_sets.find_sets():
            for shard in known.feature_sets.find_shards(one.id):
                path = below(known.config.features, shard.file)
                yield path.relative_to(root).as_posix(), (path, shard.sha256)


def _manifests(
    known: Context, place: Place, before: Backup | None, scratch: Path
) -> Iterator[Path]:
    """Manifests and their parts, each called by its sha256; what lies elsewhere is fetched, and of
    a manifest that is damaged here the parts that the backup's own names."""
    folder = known.manifests.whole.root.relative_to(known.config.root)
    names = {one.manifest for one in known.datasets.find_all()}
    names |= {job.plan["manifest"] for job in known.jobs.find_all(UNFINISHED) if not job.is_task}
    for name in sorted(names):
        yield below(known.manifests.whole.root, name)
        try:
            parts = known.manifests.part_names(name)
        except ManifestDamaged:  # which is found, and said, when it is copied
            held = None if before is None else before.files.get(f"{folder.as_posix()}/{name}")
            with suppress(DatasetError, BackupDamaged):
                if held is not None:
                    copy = one_below(scratch, name)
                    place.fetch(f"{folder.as_posix()}/{name}", copy, held)
                    for part in sorted(get_parts(copy)):
                        yield below(known.manifests.parts.root, part)
            continue
        known.manifests.part_names(name, fetched=True)
        for part in sorted(parts):
            yield below(known.manifests.parts.root, part)


def _of_contents(path: Path, root: Path) -> Iterator[tuple[str, tuple[Path, str | None]]]:
    """A file of data that were given in memory, or the files that were fetched together."""
    for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not one.is_dir():
            yield one.relative_to(root).as_posix(), (one, None)


def _tidy(place: Place, before: Backup | None, made: Backup) -> None:
    """Remove what the backup of before had and this one has not; or all that was left of a first
    one that was interrupted."""
    old = {*place.names()} - {FILE} if before is None else {*before.files, BEGUN}
    place.remove(sorted(old - made.files.keys()))
