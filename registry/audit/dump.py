"""A copy of a server's database by the server's own program."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import text

from headstart.config import Config
from headstart.errors import RegistryError
from headstart.registry.connection.engine import url_of
from headstart.registry.database import Database

PROGRAM = "pg_dump"
DRIVER = "postgresql"
OLDER = "server version mismatch"
VERSIONS = "alembic_version"
"""The table that every project has."""


def copy_server(config: Config, file: Path) -> Path | None:
    """Let pg_dump write the database into a file, which `pg_restore` reads: all of it as it is at
    one moment (https://www.postgresql.org/docs/current/app-pgdump.html), but for what is
    of other projects.

    Args:
        config: of the workspace.
        file: new; nobody else may read it.

    Returns:
        The file; None where there is no pg_dump, or one that is older than the server, which
        refuses; or it is no PostgreSQL.

    Raises:
        RegistryError: pg_dump fails.
    """
    program, url = shutil.which(PROGRAM), url_of(config)
    if program is None or url.get_backend_name() != DRIVER:
        return None
    bare = url.set(drivername=DRIVER, password=None).render_as_string(hide_password=False)
    # What stands on a command line is seen by others of the machine; the environment is not.
    password = {} if url.password is None else {"PGPASSWORD": str(url.password)}
    command = [program, "--format=custom", f"--file={file}", f"--dbname={bare}", *_own_part(config)]
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    done = subprocess.run(
        command,
        env={**os.environ, **password, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    if OLDER in done.stderr:
        file.unlink()
        return None
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()), f"it ends with {done.returncode}")
        raise RegistryError(f"{PROGRAM} cannot copy the database: {said}")
    return file


def _own_part(config: Config) -> list[str]:
    """What pg_dump is told of namespaces: this project's alone, or all but those of others, whose
    tables this user may not even be let read."""
    if config.namespace is not None:
        return [f"--schema={config.namespace}"]
    query = text(
        "SELECT namespace.nspname FROM pg_class JOIN pg_namespace AS namespace"
        " ON namespace.oid = pg_class.relnamespace"
        f" WHERE relname = '{VERSIONS}' AND pg_class.oid <> CAST('{VERSIONS}' AS regclass)"
    )
    database = Database(config)
    try:
        with database.reading() as connection:
            others = connection.execute(query).scalars().all()
    finally:
        database.close()
    return [f'--exclude-schema="{name}"' for name in others]
