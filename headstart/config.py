"""Where a workspace lies and which database it uses."""

from __future__ import annotations

import json
import os
import stat
import tomllib
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from headstart.database_urls import check_types, has_password, url_in_environment, url_in_file
from headstart.errors import AlreadyExists, WorkspaceDenied, WorkspaceError, WorkspaceNotFound
from headstart.values.defaults import TABLE, check_keys, defaults_in
from headstart.values.made import Made, node_of
from headstart.values.namespaces import checked, checked_name
from headstart.values.refusals import kind_of

CONFIG_FILE = "headstart.toml"
DATABASE_FILE = "headstart.db"
CONTENTS = "contents"
WORKSPACE_VERSION = 1
SQLITE = "sqlite:///"
KEYS = (
    "version",
    "id",
    "database_url",
    "database_url_file",
    "database_url_from_environment",
    "namespace",
    TABLE,
    "store",
)
"""Of `headstart.toml`."""


@dataclass(frozen=True)
class Config:
    """A workspace's root folder and its database.

    Attributes:
        root: absolute path of the workspace.
        database_url: SQLAlchemy URL of a shared database; None for the workspace's own SQLite.
        id: its UUID, which its database carries as well; None of a workspace that was made before
            there were any and has not been upgraded.
        store: address of the object store in which shards, models, manifests and heads lie; None
            where they lie in the folder.
        defaults: what options of the command line are where nobody gives them.
        namespace: of the project, where the database holds several: the schema of PostgreSQL that
            has its tables; None where it has the database for itself.
    """

    root: Path
    database_url: str | None = field(default=None, repr=False)  # it may hold a password
    id: str | None = None
    store: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict, compare=False)
    namespace: str | None = None

    @property
    def sqlite_file(self) -> Path | None:
        """The SQLite file, or None where the registry is another database.

        What stands behind `sqlite:///` is the path as it is: nothing in it is escaped.
        """
        if self.database_url is None:
            return self.root / DATABASE_FILE
        if self.database_url.startswith(SQLITE):
            return Path(self.database_url.removeprefix(SQLITE))
        return None

    @property
    def sqlite_uri(self) -> str | None:
        """What to open the SQLite file by; None where the registry is another database.

        On read-only media it is opened as a file that nobody changes, as SQLite could not make
        its write-ahead log there (https://www.sqlite.org/wal.html#readonly).

        Raises:
            WorkspaceError: it is read-only and has a log that was not written back yet.
        """
        file = self.sqlite_file
        if file is None:
            return None
        address = f"file:{quote(os.fsencode(file))}"
        if not file.exists() or (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
            return address
        log = file.with_name(f"{file.name}-wal")
        if log.exists() and log.stat().st_size:
            raise WorkspaceError(
                f"{file} cannot be written, and its last changes are still in {log.name}",
                hint="Open the workspace once where it can be written, or copy it there. If it is "
                "another user's: let its owner run `headstart init --shared`.",
            )
        return f"{address}?mode=ro&immutable=1"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def contents(self) -> Path:
        """What datasets hold that were given in memory."""
        return self.root / CONTENTS

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def compiled(self) -> Path:
        """Models compiled for this machine; may be deleted at any time."""
        return self.root / "compiled"

    @property
    def locks(self) -> Path:
        return self.root / "locks"


def is_home_named() -> bool:
    """Whether `$HEADSTART_HOME` says where the workspace is."""
    return bool(os.environ.get("HEADSTART_HOME"))


def default_root() -> Path:
    """`$HEADSTART_HOME`, or the platform's folder for user data."""
    home = os.environ.get("HEADSTART_HOME")
    if home:
        return Path(home)
    from platformdirs import user_data_path

    return user_data_path("headstart", appauthor=False)


def create_config(
    root: Path,
    database_url: str | None = None,
    *,
    database_url_file: Path | None = None,
    from_environment: bool = False,
    store: Joined | None = None,
    namespace: str | None = None,
    made: Made | None = None,
) -> Config:
    """Write `headstart.toml` in `root`; a second call with the same database is harmless.

    Args:
        root: the workspace.
        database_url: of a shared database; it is written into `headstart.toml`.
        database_url_file: a file with it; only the file's name is written.
        from_environment: it is in $HEADSTART_DATABASE_URL, now and whenever it is opened.
        store: the object store that it uses, and shares with all that have its UUID.
        namespace: of the project in the shared database.
        made: is told what is made here.

    Raises:
        AlreadyExists: the workspace is there and uses another database.
        WorkspaceError: it cannot be made, or the database's URL cannot be had.
        InvalidValue: the database cannot have that namespace.
    """
    root = root.expanduser().absolute()
    if database_url_file is not None:
        database_url_file = database_url_file.expanduser().absolute()
        database_url = url_in_file(database_url_file)
    if (root / CONFIG_FILE).exists():
        return _existing(root, database_url, store, namespace)
    if from_environment:
        database_url = url_in_environment(root)
    store = store or Joined()
    if namespace is not None:
        checked(namespace, database_url, "--namespace")
    id_ = store.id or str(uuid.uuid4())
    config = Config(root, database_url, id_, store.address, namespace=namespace)
    made = Made() if made is None else made
    _make_folders(config, made)
    lines = [f"version = {WORKSPACE_VERSION}", f'id = "{config.id}"']
    if config.store is not None:
        lines.append(f"store = {json.dumps(config.store)}")
    if database_url_file is not None:
        lines.append(f"database_url_file = {json.dumps(str(database_url_file))}")
    elif from_environment:
        lines.append("database_url_from_environment = true")
    elif database_url is not None:
        lines.append(f"database_url = {json.dumps(database_url)}")
    if namespace is not None:
        lines.append(f"namespace = {json.dumps(namespace)}")
    content = "\n".join(lines) + "\n"
    if not _write_new(root / CONFIG_FILE, content, made, is_secret=has_password(content)):
        return _existing(root, database_url, store, namespace)  # somebody else was faster
    return config


def _existing(
    root: Path, database_url: str | None, store: Joined | None, namespace: str | None
) -> Config:
    config = load_config(root)
    if namespace is not None and namespace != config.namespace:
        checked_name(namespace, "--namespace")
        raise AlreadyExists(
            f"{root} is a workspace already, and its namespace is {config.namespace or 'none'}",
            hint="Name another folder with --workspace, or leave --namespace out.",
        )
    if store is not None and store.address not in (None, config.store):
        raise AlreadyExists(
            f"{root} is a workspace already, and keeps its shards in "
            f"{config.store or 'its own folder'}",
            hint="Make another one with --workspace, and copy feature sets there: `headstart "
            "features sync`.",
        )
    if database_url is not None and database_url != config.database_url:
        raise AlreadyExists(
            f"{root} is a workspace already and uses another database",
            hint="Name another folder with --workspace, or leave --database-url out.",
        )
    return config


@dataclass(frozen=True)
class Joined:
    """An object store, and whose it is already: the UUID of a workspace."""

    address: str | None = None
    id: str | None = None


def _folders(config: Config) -> tuple[Path, ...]:
    return (config.artifacts, config.manifests, config.features)


def _make_folders(config: Config, made: Made) -> None:
    above = [one for one in reversed(config.root.parents) if not one.exists()]
    try:
        for folder in (*above, config.root, *_folders(config)):
            try:
                folder.mkdir()
            except FileExistsError:
                if not folder.is_dir():
                    raise
            else:
                made.folders.append(folder)
    except OSError as error:
        raise kind_of(error, WorkspaceError, WorkspaceDenied)(
            f"cannot make a workspace in {config.root}: {error.strerror or error}",
            hint="Name a folder you may write to with --workspace.",
        ) from error


def _write_new(file: Path, content: str, made: Made, *, is_secret: bool) -> bool:
    """Write a file that appears as a whole; a secret one is nobody else's from its first byte.

    Returns:
        Whether it was written: not where there is one of that name.
    """
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    partial.unlink(missing_ok=True)  # of a process of this number that was killed
    descriptor = os.open(partial, flags, 0o600 if is_secret else 0o666)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(content)
    node = node_of(partial)
    try:
        file.hardlink_to(partial)
    except FileExistsError:
        return False
    except OSError:  # the disk has no links
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    made.file, made.node, made.content = file, node, content
    return True


def _check_regular(file: Path) -> None:
    """See that it is a file that ends: a FIFO or a device would be read for ever.

    Raises:
        OSError: it is none, or is not there.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise OSError("it is no regular file")


def load_config(root: Path) -> Config:
    """Read a workspace's `headstart.toml`.

    Raises:
        WorkspaceNotFound: there is no workspace in `root`.
        WorkspaceError: the file is not valid, or was written by newer code.
        InvalidValue: it holds a setting that is not known.
    """
    root = root.expanduser().absolute()
    file = root / CONFIG_FILE
    try:
        _check_regular(file)
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkspaceNotFound(
            f"no workspace in {root}",
            hint="Make one with `headstart init`, or name another with --workspace DIR "
            "or $HEADSTART_HOME.",
        ) from None
    except PermissionError as error:
        raise WorkspaceDenied(
            f"you may not read {file}",
            hint="Ask its owner: `headstart init --shared` lets a group in, unless the file holds "
            "a password; then use a URL without one, with ~/.pgpass or --database-url-file.",
        ) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WorkspaceError(
            f"cannot read {file}: {error}", hint="Fix the file; nothing was changed."
        ) from error
    version = settings.get("version")
    if version != WORKSPACE_VERSION:
        raise WorkspaceError(
            f"{file} has workspace version {version!r}; this code reads {WORKSPACE_VERSION}",
            hint="Upgrade headstart.",
        )
    check_keys(settings, KEYS, file)
    defaults = defaults_in(settings, file)
    store = _text_of(settings, "store", "an address", file)
    url = _url_of(settings, root)
    namespace = _text_of(settings, "namespace", "a name", file)
    if namespace is not None:
        checked(namespace, url, f"namespace in {file}")
    return Config(root, url, _text_of(settings, "id", "a UUID", file), store, defaults, namespace)


def _text_of(settings: dict[str, Any], name: str, what: str, file: Path) -> str | None:
    given = settings.get(name)
    if given is not None and not isinstance(given, str):
        raise WorkspaceError(f"{name} in {file} is {given!r}, not {what}", hint="Fix the file.")
    return given


def with_id(config: Config, id_: str) -> Config:
    """The settings with this UUID, which is written into `headstart.toml` if it has none.

    Where the file cannot be written, it stays as it is: the database carries the UUID.
    """
    if config.id is not None:
        return config
    file = config.root / CONFIG_FILE
    with suppress(OSError):
        mode, content = file.stat().st_mode, file.read_text(encoding="utf-8")
        partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(f'id = "{id_}"\n{content}')  # first: what follows a [table] belongs to it
        partial.chmod(mode & 0o7777)
        partial.replace(file)
    return replace(config, id=id_)


def _url_of(settings: dict[str, Any], root: Path) -> str | None:
    """The database's URL: as it stands, from a file, or from the environment."""
    check_types(settings, root / CONFIG_FILE)
    if settings.get("database_url_from_environment"):
        return url_in_environment(root)
    if "database_url_file" in settings:
        return url_in_file(Path(settings["database_url_file"]))
    return settings.get("database_url")
