"""Where a workspace lies and which database it uses."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from headstart.errors import AlreadyExists, WorkspaceError, WorkspaceNotFound

CONFIG_FILE = "headstart.toml"
DATABASE_FILE = "headstart.db"
WORKSPACE_VERSION = 1


@dataclass(frozen=True)
class Config:
    """A workspace's root folder and its database.

    Attributes:
        root: absolute path of the workspace.
        database_url: SQLAlchemy URL of a shared database; None for the workspace's own SQLite.
    """

    root: Path
    database_url: str | None = None

    @property
    def sqlite_file(self) -> Path | None:
        """The SQLite file, or None where the registry is another database."""
        if self.database_url is None:
            return self.root / DATABASE_FILE
        if self.database_url.startswith("sqlite:///"):
            return Path(self.database_url.removeprefix("sqlite:///"))
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
        address = f"file:{quote(str(file))}"
        if not file.exists() or (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
            return address
        log = file.with_name(f"{file.name}-wal")
        if log.exists() and log.stat().st_size:
            raise WorkspaceError(
                f"{file} cannot be written, and its last changes are still in {log.name}",
                hint="Open the workspace once where it can be written, or copy it there.",
            )
        return f"{address}?mode=ro&immutable=1"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the registry."""
        address = self.sqlite_uri
        if address is None:
            return str(self.database_url)
        return f"sqlite:///{address}{'&' if '?' in address else '?'}uri=true"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

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


def default_root() -> Path:
    """`$HEADSTART_HOME`, or the platform's folder for user data."""
    home = os.environ.get("HEADSTART_HOME")
    if home:
        return Path(home)
    from platformdirs import user_data_path

    return user_data_path("headstart", appauthor=False)


def create_config(root: Path, database_url: str | None = None) -> Config:
    """Write `headstart.toml` in `root`; a second call with the same database is harmless.

    Raises:
        AlreadyExists: the workspace is there and uses another database.
    """
    root = root.expanduser().absolute()
    if (root / CONFIG_FILE).exists():
        config = load_config(root)
        if database_url is not None and database_url != config.database_url:
            raise AlreadyExists(
                f"{root} is a workspace already and uses another database",
                hint="Name another folder with --workspace, or leave --database-url out.",
            )
        return config
    config = Config(root, database_url)
    try:
        for folder in (root, config.artifacts, config.manifests, config.features):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot make a workspace in {root}: {error.strerror or error}",
            hint="Name a folder you may write to with --workspace.",
        ) from error
    lines = [f"version = {WORKSPACE_VERSION}"]
    if database_url is not None:
        lines.append(f"database_url = {json.dumps(database_url)}")
    file = root / CONFIG_FILE
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.chmod(0o600)  # the URL may hold a password
    partial.replace(file)
    return config


def load_config(root: Path) -> Config:
    """Read a workspace's `headstart.toml`.

    Raises:
        WorkspaceNotFound: there is no workspace in `root`.
        WorkspaceError: the file is not valid, or was written by newer code.
    """
    root = root.expanduser().absolute()
    file = root / CONFIG_FILE
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorkspaceNotFound(
            f"no workspace in {root}",
            hint="Make one with `headstart init`, or name another with --workspace DIR "
            "or $HEADSTART_HOME.",
        ) from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkspaceError(
            f"cannot read {file}: {error}", hint="Mend the file; nothing was changed."
        ) from error
    version = settings.get("version")
    if version != WORKSPACE_VERSION:
        raise WorkspaceError(
            f"{file} has workspace version {version!r}; this code reads {WORKSPACE_VERSION}",
            hint="Upgrade headstart.",
        )
    return Config(root, settings.get("database_url"))
