"""From a name to a path: the one place where a name that may come from outside becomes one.

Feature keys, digests and file names reach us in bundles, shards, manifests and database rows.
Nothing else joins them to a folder; tests/test_paths.py walks the code for it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from headstart.errors import UnsafeName

DIGEST = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
SUFFIXES = frozenset({"", ".h5", ".index", ".keras", ".lock", ".npz", ".part", ".pb", ".compiled"})
"""Of files that are called by a digest."""


def inside(folder: Path, *names: str) -> Path:
    """A file or folder below `folder`; each name is one step down.

    Raises:
        UnsafeName: a name holds a separator, begins with a dot, is empty or too long.
    """
    return folder.joinpath(*(checked_name(name, f" in {folder}") for name in names))


def checked_name(name: str, where: str = "") -> str:
    """The name, if it can be that of a file or folder of ours.

    Args:
        name: one step of a path.
        where: for the message.

    Raises:
        UnsafeName: it cannot.
    """
    if not NAME.fullmatch(name):
        raise UnsafeName(
            f"{name[:80]!r} cannot be the name of a file{where}",
            hint="Names are of letters, digits, '.', '_' and '-'; nothing was written.",
        )
    return name


def by_digest(folder: Path, digest: str, suffix: str = "") -> Path:
    """The file or folder that is called by a sha256, under the first two digits of it.

    Raises:
        UnsafeName: the digest is none, or the suffix is not one of `SUFFIXES`.
    """
    return inside(folder, checked_digest(digest)[:2], digest + checked_suffix(suffix))


def checked_digest(digest: str) -> str:
    """The digest, if it is a sha256 in hex.

    Raises:
        UnsafeName: it is not.
    """
    if not DIGEST.fullmatch(digest):
        raise UnsafeName(
            f"{digest[:80]!r} is not a sha256", hint="It takes 64 digits of 0-9 and a-f."
        )
    return digest


def checked_suffix(suffix: str) -> str:
    """The suffix, if it is one of `SUFFIXES`.

    Raises:
        UnsafeName: it is not.
    """
    if suffix not in SUFFIXES:
        raise UnsafeName(f"{suffix[:80]!r} is not the suffix of a file of ours")
    return suffix


def one_below(folder: Path, name: str) -> Path:
    """A file in a folder, whatever it is called: for names that a listing of the folder gave.

    Raises:
        UnsafeName: the name leads elsewhere.
    """
    if name in ("", ".", "..") or set(name) & {"/", "\0", os.sep}:
        raise UnsafeName(f"{name[:80]!r} is not the name of a file in {folder}")
    return folder / name


def mirrored_below(folder: Path, name: str) -> Path:
    """The file of a relative name with `/`, whatever its steps are called: for names that the
    listing of a store gave.

    Raises:
        UnsafeName: it leads elsewhere.
    """
    for step in name.split("/"):
        if os.name == "nt" and ":" in step:  # a drive, or a stream of another file
            raise UnsafeName(f"{name[:200]!r} cannot be the name of a file in {folder}")
        folder = one_below(folder, step)
    return folder


def below(folder: Path, file: str) -> Path:
    """The file of a relative name with `/`, as database rows hold it.

    Raises:
        UnsafeName: one of its steps is no plain name.
    """
    return inside(folder, *file.split("/"))
