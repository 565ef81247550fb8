"""`restore`: a workspace from a backup, wherever it is to lie now."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.config import CONFIG_FILE, Config, create_config, load_config
from headstart.context import Context
from headstart.errors import (
    AlreadyExists,
    DatasetError,
    ForeignDatabase,
    HeadstartError,
    InvalidValue,
    StorageDenied,
    StorageError,
)
from headstart.jobs.backups.contents import Backup
from headstart.jobs.backups.places import Place, disk_told, place_of, size_of
from headstart.jobs.datasets.move import relocate
from headstart.notices import warn
from headstart.paths import inside, mirrored_below
from headstart.progress import Progress, silent
from headstart.registry.audit import identity, snapshot
from headstart.storage.contents import Contents
from headstart.values.defaults import user_roots
from headstart.values.refusals import kind_of
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Restored(Showable):
    """A workspace that was made of a backup.

    Attributes:
        workspace: its folder.
        files: how many were copied, after their sha256 was found right.
        bytes: of all of them.
        has_features: whether the rows of features came with it.
        moved: datasets whose data lie at another place than before, and where.
        not_found: datasets whose data are not where they were, nor where `roots` said.
        missing: files that the registry names and the backup does not have.
    """

    workspace: Path
    files: int
    bytes: int
    has_features: bool
    moved: Mapping[str, str]
    not_found: tuple[str, ...]
    missing: tuple[str, ...] = ()

    def _line(self) -> str:
        return f"{str(self.workspace)!r}, {self.files:,} files, {self.bytes:,} bytes"


@dataclass(frozen=True)
class Checked(Showable):
    """A backup whose files were read.

    Attributes:
        folder: where it is, or its address.
        files: how many it has; the sha256 of each is the one that was written down.
        bytes: of all of them.
        created_at: when it was taken, ISO 8601.
        root: of the workspace that was backed up.
        has_features: whether the rows of features are in it.
        missing: files that the registry names and the workspace did not have.
    """

    folder: str
    files: int
    bytes: int
    created_at: str
    root: str
    has_features: bool
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a restored workspace is to be.

    Attributes:
        root: its folder, which is not there or empty.
        database_url: of a shared database, which is empty; SQLite in the folder without it.
        database_url_file: a file with that URL instead.
        roots: of folders of data by which name they go now: `("/mnt/a", "/data")`; besides
            `[roots]` of the user's configuration.
        from_environment: that URL is in $HEADSTART_DATABASE_URL whenever it is opened.
        namespace: of the project in that database.
    """

    root: Path
    database_url: str | None = None
    database_url_file: Path | None = None
    roots: Sequence[tuple[str, str]] = ()
    from_environment: bool = False
    namespace: str | None = None


def check(folder: str | Path, progress: Progress = silent) -> Checked:
    """Read every file of a backup; nothing is written.

    Raises:
        NotFound: the folder holds no backup.
        BackupDamaged: a file is missing, or is not what was written.
    """
    place = place_of(folder)
    found = Backup.read(place)
    for done, (name, held) in enumerate(found.files.items(), start=1):
        place.check(name, held)
        progress(done, len(found.files))
    size, missing = size_of(found.files.values()), tuple(found.missing)
    told = (found.created_at, found.root, found.has_features, missing)
    return Checked(str(place), len(found.files), size, *told)


def restore(folder: str | Path, wanted: Wanted, progress: Progress = silent) -> Restored:
    """Make a workspace of a backup; it is there once all of it is.

    Each file is compared with its sha256 as it is copied. The workspace gets a UUID of its own: the
    one that was backed up may still be at work. Data that are not in the workspace are looked for
    where they were, or where `roots` says: each file there is read, and samples are known again by
    their content, so that features, splits and heads stay.

    Args:
        folder: with the backup, or its address: `s3://`, `gs://`, `az://`, `file:///`.
        wanted: what is to be made of it.
        progress: called with (files done, files).

    Raises:
        NotFound: the folder holds no backup.
        AlreadyExists: there is something at `wanted.root`.
        BackupDamaged: a file is missing, or is not what was written.
        ForeignDatabase: the database is not empty, or its SQLite file is there.

    Warns:
        HeadstartWarning: data of datasets are not found, or have changed; files are missing that
            the workspace did not have when it was backed up.
    """
    place, root = place_of(folder), wanted.root.expanduser().absolute()
    found = Backup.read(place)
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise AlreadyExists(
            f"{root} is there already", hint="Name a folder that is new or empty with --workspace."
        )
    with disk_told(root), _staged(root) as stage:
        config = create_config(
            stage,
            wanted.database_url,
            database_url_file=wanted.database_url_file,
            from_environment=wanted.from_environment,
            namespace=wanted.namespace,
        )
        with _own_file(config, stage), _in_place(stage, root) as put:
            _copy_files(found, place, stage, progress)
            _keep_defaults(found, stage)
            load_config(stage)
            with _filled(found, place, config, root):
                put()
    roots = [*({**user_roots(), **dict(wanted.roots)}).items()]
    moved, lost = _find_data(load_config(root), found, roots)
    size = size_of(found.files.values())
    missing = tuple(found.missing)
    if missing:
        warn(
            f"{root} does not have {len(missing):,} files that its registry names, as the "
            f"workspace did not when it was backed up: such as {missing[0]}; see "
            "`headstart doctor`"
        )
    return Restored(root, len(found.files), size, found.has_features, moved, tuple(lost), missing)


@contextmanager
def _staged(root: Path) -> Iterator[Path]:
    """A folder on the disk of a workspace to be, in which it is made; it goes at the end.

    In a folder that is there, and may be where a disk is mounted, it is inside.
    """
    above = root if root.exists() else root.parent
    above.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=".restored-", dir=above))
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextmanager
def _in_place(stage: Path, root: Path) -> Iterator[Callable[[], None]]:
    """What puts a workspace in its place, where it stays unless this context fails; in a folder
    that is there all of it or nothing, and its `headstart.toml` last."""
    put = list[tuple[Path, Path]]()

    def move() -> None:
        if stage.parent != root:
            stage.chmod(0o755 & ~_umask())
            pairs = [(stage, root)]
        else:
            inner = sorted(stage.iterdir(), key=lambda one: one.name == CONFIG_FILE)
            pairs = [(one, root / one.name) for one in inner]
        for source, target in pairs:
            source.replace(target)
            put.append((source, target))

    try:
        yield move
    except BaseException:
        for source, target in reversed(put):
            target.replace(source)
        raise


@contextmanager
def _own_file(config: Config, stage: Path) -> Iterator[None]:
    """An SQLite file beside the workspace is made here, or it is somebody's registry; one that was
    made goes again if the restore fails.

    Raises:
        ForeignDatabase: it is there.
        StorageError: it cannot be made.
    """
    file = config.sqlite_file
    if file is None or file.is_relative_to(stage):
        yield
        return
    try:
        file.open("xb").close()
    except FileExistsError:
        raise ForeignDatabase(
            f"{file} is there already, and may be the registry of another workspace",
            hint="Name a file that is not there; nothing was changed.",
        ) from None
    except OSError as error:
        raise kind_of(error, StorageError, StorageDenied)(
            f"cannot make {file}: {error.strerror or error}",
            hint="Name a file in a folder that is there and may be written to.",
        ) from error
    try:
        yield
    except BaseException:
        for left in (file, *(file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))):
            left.unlink(missing_ok=True)
        raise


def _umask() -> int:
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def _copy_files(found: Backup, place: Place, stage: Path, progress: Progress) -> None:
    for done, (name, held) in enumerate(found.files.items(), start=1):
        if name != found.registry:
            place.fetch(name, mirrored_below(stage, name), held)
        progress(done, len(found.files))


@contextmanager
def _filled(found: Backup, place: Place, config: Config, root: Path) -> Iterator[None]:
    """The registry in the workspace's database, at this code's schema; in that of a server once
    this context ends, and not before: see `snapshot.loaded`."""
    if config.sqlite_file is not None:
        place.fetch(found.registry, config.sqlite_file, found.files[found.registry])
        snapshot.prepare(config)
        identity.claim(config)
        snapshot.note_restored(config, root, found.workspace)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
        file = Path(folder) / "registry.db"
        place.fetch(found.registry, file, found.files[found.registry])
        work = Config(Path(folder), f"sqlite:///{file}", config.id)
        snapshot.prepare(work)
        with snapshot.loaded(work, config, root, found.workspace):
            yield


def _keep_defaults(found: Backup, stage: Path) -> None:
    if found.defaults:
        lines = [f"{name} = {_toml(value)}" for name, value in found.defaults.items()]
        with (stage / CONFIG_FILE).open("a", encoding="utf-8") as file:
            file.write("\n[defaults]\n" + "\n".join(lines) + "\n")


def _toml(value: Any) -> str:
    """A value as TOML has it (https://toml.io/en/v1.0.0): numbers also as `inf` and `nan`."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(key)} = {_toml(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _find_data(
    config: Config, found: Backup, roots: Sequence[tuple[str, str]]
) -> tuple[dict[str, str], list[str]]:
    """Let each dataset know where its data are now; gives what was moved, and what is not found."""
    context = Context(config)
    contents = Contents(config.contents)
    moved, lost = dict[str, str](), list[str]()
    try:
        for dataset in context.datasets.find_all():
            kept = contents.find_name(dataset.source)
            place = str(inside(contents.folder, kept)) if kept else _mapped(dataset.source, roots)
            try:
                if place != dataset.source:
                    relocate(context, dataset.name, place)
                    moved[dataset.name] = place
                elif "://" not in place and not Path(place).exists():
                    raise DatasetError(f"there is nothing at {place}")
            except (HeadstartError, OSError) as error:
                lost.append(dataset.name)
                warn(
                    f"the data of dataset {dataset.name!r} are not found: {error}. Its features "
                    f"stay; `headstart dataset move {dataset.name} PATH` says where they are"
                )
    finally:
        context.database.close()
    return moved, lost


def _mapped(source: str, roots: Sequence[tuple[str, str]]) -> str:
    """The place of data where the longest root that it is below is called otherwise."""
    for old, new in sorted(roots, key=lambda pair: -len(pair[0])):
        if source == old or source.startswith(f"{old.rstrip('/')}/"):
            return new.rstrip("/") + source[len(old.rstrip("/")) :]
    return source


def root_in_words(text: str) -> tuple[str, str]:
    """`OLD=NEW` as a pair.

    Raises:
        InvalidValue: it is none.
    """
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise InvalidValue(
            f"--root takes OLD=NEW, received {text!r}", hint="Such as --root /mnt/photos=/data."
        )
    return old, new
