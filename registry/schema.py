"""The database's schema: where its migrations are, which one it is at, and bringing it up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.config import Config
from headstart.errors import DatabaseMissing, SchemaOutdated, SchemaTooNew, WorkspaceError

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig

    from headstart.registry.database import Database

HEAD = "0012"
KNOWN = (
    *("0001", "0002", "0003", "0004", "0005", "0006"),
    *("0007", "0008", "0009", "0010", "0011", "0012"),
)
"""Every revision this code can come from, oldest first; a test compares it with the scripts."""


def migrations_folder() -> Path:
    """The folder with the migrations: `headstart/migrations` installed, `alembic` in a checkout.

    It holds no `__init__.py`: that would shadow the alembic library wherever the project's root
    is on `sys.path`.
    """
    parent = Path(__file__).parent.parent
    for folder in (parent / "migrations", parent / "alembic"):
        if (folder / "env.py").exists():
            return folder
    raise WorkspaceError(f"the migrations are missing in {parent}", hint="Install headstart again.")


def alembic_config(config: Config) -> AlembicConfig:
    from alembic.config import Config as AlembicConfig

    alembic = AlembicConfig()
    alembic.set_main_option("script_location", str(migrations_folder()))
    alembic.attributes["headstart"] = config
    return alembic


def upgrade(config: Config, database: Database | None = None) -> str:
    """Bring the database to this code's schema; returns the revision.

    Args:
        config: of the workspace.
        database: its sessions; inside `Database.together` the upgrade is a part of that.

    Raises:
        SchemaTooNew: the database was made by newer code.
    """
    from alembic import command

    revision = current(config)
    check_known(revision)
    if revision != HEAD:
        alembic = alembic_config(config)
        alembic.attributes["database"] = database
        command.upgrade(alembic, "head")
    return HEAD


def check_known(revision: str | None) -> None:
    """Refuse a database of newer code.

    Raises:
        SchemaTooNew: it is.
    """
    if revision is not None:
        _refuse_newer(revision)


def current(config: Config) -> str | None:
    """The database's revision; None for an empty database."""
    from sqlalchemy import inspect

    from headstart.registry.database import Database

    if config.sqlite_file is not None and not config.sqlite_file.exists():
        return None
    database = Database(config)
    try:
        with database.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            query = "SELECT version_num FROM alembic_version"
            return connection.exec_driver_sql(query).scalar()
    finally:
        database.close()


def check_there(config: Config) -> None:
    """See that the SQLite file is there, where the registry is one.

    Raises:
        DatabaseMissing: it is not.
    """
    if config.sqlite_file is not None and not config.sqlite_file.exists():
        raise DatabaseMissing(
            f"the workspace's database {config.sqlite_file} is missing",
            hint="Restore it, or make an empty one with `headstart db upgrade`.",
        )


def check(fetch_revision: Callable[[], str | None]) -> None:
    """Refuse a database that this code cannot use.

    Args:
        fetch_revision: reads `alembic_version.version_num`, or gives None where there is none.

    Raises:
        SchemaOutdated: it needs an upgrade.
        SchemaTooNew: it was made by newer code.
    """
    revision = fetch_revision()
    if revision == HEAD:
        return
    check_known(revision)
    raise SchemaOutdated(
        f"the database is at schema {revision or 'none'}, this code needs {HEAD}",
        hint="Run `headstart db upgrade`.",
    )


def _refuse_newer(revision: str) -> None:
    if revision not in KNOWN:
        raise SchemaTooNew(
            f"the database is at schema {revision!r}, which is newer than this code ({HEAD})",
            hint="Upgrade headstart; nothing was changed.",
        )
