"""A folder of class folders: pictures, sounds or texts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from headstart.errors import DatasetError
from headstart.extractors.datasets.named_files import (
    check_within,
    digest_of_file,
    is_folder,
    read_named,
    root_of,
)
from headstart.extractors.datasets.options import GROUP_PATTERN, ROOT
from headstart.extractors.datasets.rows import Skipping, find_split, near_split, stat_of
from headstart.extractors.datasets.source import LIKELY, NO, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.folder_layout import (
    CLASS_FOLDERS,
    SPLIT_FOLDERS,
    ClassFolder,
    Layout,
    layout_of,
)
from headstart.extractors.datasets.split_rule import FOLDERS, ignores_own
from headstart.notices import tell

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
AUDIO_SUFFIXES = {".flac", ".mp3", ".ogg", ".wav"}
TEXT_SUFFIXES = {".txt"}
VIDEO_SUFFIXES = {".avi", ".mkv", ".mp4", ".webm"}
LEFT_BEHIND = {"Thumbs.db", "desktop.ini", "Desktop.ini"}
"""Files that Windows puts into folders, and nobody means."""


class FolderSource:
    """A folder; see `DatasetSource`. A sample's location is the path of its file."""

    kind: ClassVar[str] = "folder"
    what: ClassVar[str] = "a folder of class folders or of files"
    options: ClassVar[tuple[Option, ...]] = (GROUP_PATTERN, ROOT)
    splits_may_move: ClassVar[bool] = False
    own_splits: ClassVar[tuple[str, ...]] = (FOLDERS,)

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.found: dict[str, Any] = {}
        self._root = Path(source)
        self._within = root_of(options)
        self._options = options
        self._others: list[str] = []
        self.skipped: list[str] = []

    @staticmethod
    def recognise(source: str) -> float:
        return LIKELY if is_folder(Path(source)) else NO

    def stamp(self) -> tuple[int, ...]:
        return ()

    def scan(self) -> Iterator[Entry]:
        """Files of class folders, sorted by path; the class is the folder's name.

        A folder with pictures is one of pictures, whatever else lies in it; then sounds; then
        texts.

        Raises:
            DatasetError: it is no folder of class folders, one of them is empty, it cannot be told
                whether they are splits, or a file lies outside of the root.
        """
        layout = layout_of(self._root, self._within, self._options)
        suffixes = _suffixes_in(self._root)
        self._others, self.skipped = [self._named(path) for path in layout.loose], []
        for folder in layout.classes:
            yield from self._samples(folder, suffixes)
        self.found = {"layout": SPLIT_FOLDERS if layout.splits else CLASS_FOLDERS}
        if layout.splits and not ignores_own(self._options):
            self.found["split"] = FOLDERS
        if "layout" not in self._options:
            self._say(layout)

    def digest(self, location: Location) -> str:
        return digest_of_file(Path(str(location)), self._within)

    def locations(self) -> Iterator[Location]:
        """Of all files that can be samples, at any depth."""
        known = IMAGE_SUFFIXES | AUDIO_SUFFIXES | TEXT_SUFFIXES | VIDEO_SUFFIXES
        is_empty = True
        for entry in entries_below(self._root, known, self._within):
            is_empty = False
            yield entry.path
        if is_empty:
            raise DatasetError(f"the folder {self.source} holds no images, sounds, texts or videos")

    def read(self, location: Location) -> Any:
        return read_named(Path(str(location)), self._within)

    def unused(self) -> Sequence[str]:
        """Files that are no samples, and folders that are no splits."""
        return self._others

    def _samples(self, folder: ClassFolder, suffixes: set[str]) -> Iterator[Entry]:
        above, is_empty = len(str(self._root)) + 1, True
        split = None if ignores_own(self._options) else folder.split
        others: list[os.DirEntry[str]] = []
        skipping = Skipping(self._options)
        for entry in entries_below(folder.path, suffixes, self._within, others):
            is_empty = False
            id_ = entry.path[above:].replace(os.sep, "/")
            stat = skipping.of(partial(_stat, entry))
            if stat is not None:
                yield Entry(id_, entry.path, stat, folder.label, split)
        self.skipped += skipping.skipped
        self._others += [self._named(Path(entry.path)) for entry in others]
        if is_empty:
            raise _empty(folder, suffixes)

    def _named(self, path: Path) -> str:
        what = "folder" if path.is_dir() else "file"
        return f"{what} {str(path.relative_to(self._root))!r}"

    def _say_near(self, layout: Layout) -> None:
        """Name classes that are called nearly like splits: they may be meant as such."""
        labels = [one.label for one in layout.classes if one.label and not find_split(one.label)]
        near = {label: split for label in labels if (split := near_split(label))}
        if near:
            renamed = ", ".join(f"{label} {split}" for label, split in near.items())
            taken = "is taken for a class" if len(near) == 1 else "are taken for classes"
            tell(
                f"{self.source}: {', '.join(near)} {taken}; where splits are meant, call {renamed}"
            )

    def _say(self, layout: Layout) -> None:
        if not layout.splits:
            self._say_near(layout)
            return
        classes = len({one.label for one in layout.classes} - {None})
        is_dealt = ignores_own(self._options)
        tell(
            f"{self.source}: {', '.join(layout.splits)} are splits, not classes, by their names; "
            f"they hold {classes:,} classes{', which are dealt out anew' if is_dealt else ''}"
        )


def files_below(folder: Path, suffixes: set[str], within: Path | None = None) -> Iterator[Path]:
    """The files of some kinds below a folder, in the order of their paths; see `entries_below`."""
    return (Path(entry.path) for entry in entries_below(folder, suffixes, within))


def entries_below(
    folder: Path,
    suffixes: set[str],
    within: Path | None = None,
    others: list[os.DirEntry[str]] | None = None,
) -> Iterator[os.DirEntry[str]]:
    """The same as entries of their folders, which is how a hundred thousand are had in no time.

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
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            above.pop()
            continue
        if entry.is_symlink():
            check_within(Path(entry.path), within)
        if _is_folder(entry):
            identity = _identity(entry.path)
            if identity in above:
                raise DatasetError(
                    f"the folder {entry.path} lies in itself, by a link", hint="Remove the link."
                )
            above.append(identity)
            stack.append(_entries(entry.path))
        elif entry.name.lower().endswith(ends):  # hidden ones, all suffix, are not here
            yield entry
        elif others is not None and entry.name not in LEFT_BEHIND:
            others.append(entry)


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder by name: with folders in their places, that is the order of paths."""
    try:
        with os.scandir(str(folder)) as found:
            entries = [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    return iter(sorted(entries, key=lambda entry: entry.name))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link to itself, or into a folder that may not be entered
        raise DatasetError(
            f"cannot look at {entry.path}: {error.strerror or error}",
            hint="Mend or remove it.",
        ) from error


def _identity(folder: str | Path) -> tuple[int, int]:
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _stat(entry: os.DirEntry[str]) -> tuple[int, ...]:
    try:
        return stat_of(entry.stat())
    except OSError as error:
        raise DatasetError(f"cannot read {entry.path}: {error.strerror or error}") from error


def _suffixes_in(root: Path) -> set[str]:
    for suffixes in (IMAGE_SUFFIXES, AUDIO_SUFFIXES, TEXT_SUFFIXES, VIDEO_SUFFIXES):
        if next(entries_below(root, suffixes), None) is not None:
            return suffixes
    return IMAGE_SUFFIXES


def _empty(folder: ClassFolder, suffixes: set[str]) -> DatasetError:
    what = "images" if suffixes == IMAGE_SUFFIXES else "files of the others' kind"
    known = " ".join(sorted(suffixes))
    if folder.label is None and folder.split is None:
        return DatasetError(
            f"{folder.path} holds no class folders, and no images, sounds, texts or videos",
            hint=f"Expected: FOLDER/class/picture.jpg, or files without labels ({known}).",
        )
    which = "split" if folder.label is None else "class"
    return DatasetError(
        f"the {which} folder {folder.path} holds no {what}",
        hint=f"Remove it, or put some in it ({known}).",
    )
