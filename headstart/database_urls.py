"""URLs of shared databases: where they come from, and their passwords, which are never shown."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.errors import WorkspaceError

VARIABLE = "HEADSTART_DATABASE_URL"
PASSWORD = re.compile(r"(://[^\s:/@]*:)([^\s/]+)(@)|([?&]password=)([^\s&'\"]+)", re.IGNORECASE)
OTHERS_READ = 0o007
"""Mode bits of those who are neither the owner nor of the group."""


def has_password(text: str) -> bool:
    """Whether a text holds a URL with a password."""
    return PASSWORD.search(text) is not None


def without_passwords(text: str) -> str:
    """The text with the passwords of the URLs in it put out of sight."""
    return PASSWORD.sub(r"\1\4***\3", text)


def check_types(settings: Mapping[str, Any], file: Path) -> None:
    """See that what a file says of a database is of its type.

    Raises:
        WorkspaceError: it is not.
    """
    types = {"database_url": str, "database_url_file": str, "database_url_from_environment": bool}
    for name, wanted in types.items():
        if not isinstance(settings.get(name, wanted()), wanted):
            what = "text" if wanted is str else "true or false"
            raise WorkspaceError(
                f"{name} in {file} is {settings[name]!r}, not {what}", hint="Fix the file."
            )


def url_in_environment(root: Path) -> str:
    """$HEADSTART_DATABASE_URL.

    Raises:
        WorkspaceError: it is not set.
    """
    url = os.environ.get(VARIABLE)
    if not url:
        raise WorkspaceError(
            f"the workspace {root} has its database's URL in ${VARIABLE}, which is not set",
            hint="Set it to the URL that the workspace was made with.",
        )
    return url


LONGEST = 1 << 16
"""Bytes of a file with a URL that are read."""


def url_in_file(file: Path) -> str:
    """The URL that is a file's first line.

    Raises:
        WorkspaceError: it cannot be read, is empty, or holds a password that everybody may read.
    """
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # a FIFO waits, and a device may never end
            raise WorkspaceError(f"{file} is not a file", hint="Give one with the URL in it.")
        with file.open("rb") as opened:
            lines = opened.read(LONGEST).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise WorkspaceError(
            f"cannot read the database's URL in {file}: {reason}",
            hint="Give a file with the URL as its first line.",
        ) from error
    url = lines[0].strip() if lines else ""
    if not url:
        raise WorkspaceError(
            f"{file} holds no database URL", hint="It must be on the file's first line."
        )
    if os.name != "nt" and has_password(url) and mode & OTHERS_READ:
        raise WorkspaceError(
            f"{file} holds a password, and everybody on this machine may read it",
            hint=f"chmod 600 {file}",
        )
    return url
