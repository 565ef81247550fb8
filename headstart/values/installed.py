"""What is installed, seen without parsing all that packages say of themselves: `importlib.metadata`
takes a tenth of a second for it where there are a hundred packages."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import distribution, distributions
from pathlib import Path

SAYS = "Version: "
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""A name of a package."""
INFOS = (".dist-info", ".egg-info")
"""Of folders, with what a package says of itself."""


@cache
def version_of(package: str) -> str:
    """The version of an installed package, looked up once a process: what is loaded stays as it is.

    Raises:
        importlib.metadata.PackageNotFoundError: it is not installed.
    """
    found = distribution(package)
    headers, _, _ = (found.read_text("METADATA") or "").partition("\n\n")
    for line in headers.splitlines():
        if line.startswith(SAYS):
            return line.removeprefix(SAYS).strip()
    return found.version


def may_have_entry_points(path: Iterable[str], groups: str) -> bool:
    """Whether a package on a path may have entry points in groups of which the names have so much
    in common: also where it cannot be told from files in folders."""
    finders = [one for one in sys.meta_path if hasattr(one, "find_distributions")]
    if any(one is not PathFinder for one in finders):
        return True
    begin = f"[{groups}".encode()  # of a line
    try:
        return any(begin in content for one in path for content in _entry_points(one))
    except OSError:
        return True


def _entry_points(place: str) -> Iterator[bytes]:
    """The files with entry points of the packages in a place of `sys.path`.

    Raises:
        OSError: it is no folder, or something there cannot be read.
    """
    if place.lower().rstrip("/\\").endswith(".egg"):
        raise NotADirectoryError(place)
    try:
        with os.scandir(place or ".") as found:
            infos = [one.path for one in found if one.name.lower().endswith(INFOS)]
    except FileNotFoundError:
        return
    for info in infos:
        try:
            yield Path(info, "entry_points.txt").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue


@cache
def locked() -> tuple[str, ...]:
    """`NAME==VERSION` of each package that is installed, in order
    (https://pip.pypa.io/en/stable/reference/requirements-file-format/); those whose metadata name
    neither plainly are left out."""
    found = dict[str, str]()
    for one in distributions():
        name, version = one.name or "", one.version or ""
        if PLAIN.fullmatch(name) and re.fullmatch(r"[\w.!+-]+", version):
            found.setdefault(name.lower().replace("_", "-"), version)  # the first is imported
    return tuple(f"{name}=={version}" for name, version in sorted(found.items()))
