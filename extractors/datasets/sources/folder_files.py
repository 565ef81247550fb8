"""The files below a folder of a disk, in the order of their paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path

from headstart.errors import DatasetError
from headstart.extractors.datasets.named_files import check_within

LEFT_BEHIND = {"Thumbs.db", "desktop.ini", "Desktop.ini"}
"""Files that Windows puts into folders, and nobody means."""


def files_below(folder: Path, suffixes: set[str], within: Path | None = None) -> Iterator[Path]:
    """The files of some kinds below a folder, in the order of their paths; see `entries_below`."""
    return (Path(entry.path) for entry in entries_below(folder, suffixes, within))


def entries_below(
    folder: Path,
    suffixes: set[str],
    within: Path | None = None,
    others: list[os.DirEntry[str]] | None = None,
) -> Iterator[os.DirEntry[str]]:
    """The same as entries of their folders, which is how a hundred thousand are had in no time; see
    `runs_below`."""
    return chain.from_iterable(runs_below(folder, suffixes, within, others))


def runs_below(
    folder: Path,
    suffixes: set[str],
    within: Path | None = None,
    others: list[os.DirEntry[str]] | None = None,
) -> Iterator[list[os.DirEntry[str]]]:
    """The same, those together that no folder stands between.

    Links are followed. Hidden files and folders are left out.

    Args:
        folder: where to look.
        suffixes: of the files, in small letters.
        within: a root, as `named_files.root_of` gives it.
        others: to which the other files are added, but for what systems leave behind.

    Raises:
        DatasetError: a folder cannot be read, lies in itself, or is outside of the root.
    """
    ends = tuple(suffixes)
    above = [_identity(folder)]
    stack = [_entries(folder)]
    while stack:
        run: list[os.DirEntry[str]] = []
        for entry in stack[-1]:
            if not entry.is_file(follow_symlinks=False) and _is_entered(entry, within, above):
                stack.append(_entries(entry.path))
                break
            if entry.name.lower().endswith(ends):  # hidden ones, all suffix, are not here
                run.append(entry)
            elif others is not None and entry.name not in LEFT_BEHIND:
                others.append(entry)
        else:
            stack.pop()
            above.pop()
        if run:
            yield run


def _is_entered(entry: os.DirEntry[str], within: Path | None, above: list[tuple[int, int]]) -> bool:
    """Whether it is a folder, perhaps by a link; then it is among those above from now on."""
    if entry.is_symlink():
        check_within(Path(entry.path), within)
    if not _is_folder(entry):
        return False
    identity = _identity(entry.path)
    if identity in above:
        raise DatasetError(
            f"the folder {entry.path} lies in itself, by a link", hint="Remove the link."
        )
    above.append(identity)
    return True


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder by name: with folders in their places, that is the order of paths."""
    try:
        with os.scandir(str(folder)) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    return iter(sorted(entries, key=attrgetter("name")))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link to itself, or into a folder that may not be entered
        raise DatasetError(
            f"cannot look at {entry.path}: {error.strerror or error}",
            hint="Fix or remove it.",
        ) from error


def _identity(folder: str | Path) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino
