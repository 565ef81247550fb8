"""A workspace of several users: its group may read and write in it."""

from __future__ import annotations

import os
from pathlib import Path

from headstart.config import CONFIG_FILE, Config
from headstart.database_urls import has_password
from headstart.errors import WorkspaceDenied, WorkspaceError
from headstart.values.refusals import kind_of

FOLDER = 0o2070
"""The group may read, write and enter; what is made inside has the same group (setgid)."""
FILE = 0o060


def share(config: Config) -> None:
    """Let the group of the workspace's folder read and write all that is in it.

    New folders take over group and mode of the one they are in (`storage.files`); new files are
    never changed, so that the writer's umask need only let the group read. `headstart.toml` stays
    its owner's if it holds a password, and so do verdicts on models (`first_loads`).

    Raises:
        WorkspaceError: something in it is not the user's own, or the system has no such groups.
    """
    if not hasattr(os, "chown"):
        raise WorkspaceError(
            "this system has no groups of users that own files",
            hint="Share the folder by the system's own means.",
        )
    config.locks.mkdir(exist_ok=True)
    config.compiled.mkdir(exist_ok=True)
    group = config.root.stat().st_gid
    try:
        for path in (config.root, *config.root.rglob("*")):
            if not (path.is_symlink() or _is_own(path, config)):  # a link may lead anywhere
                os.chown(path, -1, group, follow_symlinks=False)
                path.chmod(path.stat().st_mode | (FOLDER if path.is_dir() else FILE))
    except OSError as error:
        raise kind_of(error, WorkspaceError, WorkspaceDenied)(
            f"cannot share {config.root}: {error.strerror or error}",
            hint="Let the owner of its files, a member of the folder's group, run "
            "`headstart init --shared`.",
        ) from error


def _is_own(path: Path, config: Config) -> bool:
    """Whether it stays its owner's: a password, and what each user believes nobody else about."""
    from headstart.extractors.safety.first_load import FOLDER as FIRST_LOADS

    if FIRST_LOADS in [above.name for above in path.relative_to(config.root).parents]:
        return True
    return path == config.root / CONFIG_FILE and has_password(path.read_text(encoding="utf-8"))
