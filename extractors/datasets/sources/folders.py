"""A folder of class folders: pictures, sounds or texts, on a disk or in a store."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from headstart.errors import DatasetError, SourceEmpty
from headstart.extractors.datasets.named_files import is_folder
from headstart.extractors.datasets.options import GROUP_PATTERN, ROOT, STORE_OPTIONS
from headstart.extractors.datasets.places import Places, is_address, is_called_folder
from headstart.extractors.datasets.rows import Skipping, find_split, near_split
from headstart.extractors.datasets.source import LIKELY, NO, Entry, Location, Option, Options
from headstart.extractors.datasets.sources.folder_layout import (
    CLASS_FOLDERS,
    SPLIT_FOLDERS,
    ClassFolder,
    Layout,
    layout_of,
)
from headstart.extractors.datasets.sources.trees import File, Place, Tree, tree_of
from headstart.extractors.datasets.split_rule import FOLDERS, ignores_own
from headstart.notices import tell

IMAGE_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
AUDIO_SUFFIXES = {".flac", ".mp3", ".ogg", ".wav"}
TEXT_SUFFIXES = {".txt"}
VIDEO_SUFFIXES = {".avi", ".mkv", ".mp4", ".webm"}


class FolderSource:
    """A folder; see `DatasetSource`. A sample's location is its file's path or address."""

    kind: ClassVar[str] = "folder"
    what: ClassVar[str] = "a folder of class folders or of files"
    options: ClassVar[tuple[Option, ...]] = (GROUP_PATTERN, ROOT, STORE_OPTIONS)
    splits_may_move: ClassVar[bool] = False
    own_splits: ClassVar[tuple[str, ...]] = (FOLDERS,)
    takes_addresses: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.found: dict[str, Any] = {}
        self._places = Places(source, options)
        self._options = options
        self._others: list[str] = []
        self.skipped: list[str] = []

    @staticmethod
    def recognise(source: str) -> float:
        if is_address(source):
            return LIKELY if is_called_folder(source) else NO
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
        tree = tree_of(self.source, self._options, self._places.objects)
        layout = layout_of(tree, self._options)
        suffixes = _suffixes_in(tree)
        self._others, self.skipped = [_named(tree, place) for place in layout.loose], []
        for folder in layout.classes:
            yield from self._samples(tree, folder, suffixes)
        self.found = {"layout": SPLIT_FOLDERS if layout.splits else CLASS_FOLDERS}
        if layout.splits and not ignores_own(self._options):
            self.found["split"] = FOLDERS
        if "layout" not in self._options:
            self._say(layout)

    def digest(self, location: Location) -> str:
        return self._places.digest(str(location))

    def locations(self) -> Iterator[Location]:
        """Of all files that can be samples, at any depth."""
        known = IMAGE_SUFFIXES | AUDIO_SUFFIXES | TEXT_SUFFIXES | VIDEO_SUFFIXES
        is_empty = True
        tree = tree_of(self.source, self._options, self._places.objects)
        for file in tree.below(tree.root, known):
            is_empty = False
            yield file.path
        if is_empty:
            raise SourceEmpty(
                f"the folder {self.source} holds no images, sounds, texts or videos",
                hint=f"Name one with files such as {' '.join(sorted(IMAGE_SUFFIXES))}.",
            )

    def read(self, location: Location) -> Any:
        return self._places.read(str(location))

    def unused(self) -> Sequence[str]:
        """Files that are no samples, and folders that are no splits."""
        is_idle = self._options.get("store_options") and not is_address(self.source)
        return [*self._others, *(["option store_options"] if is_idle else [])]

    def _samples(self, tree: Tree, folder: ClassFolder, suffixes: set[str]) -> Iterator[Entry]:
        above, is_empty = tree.above, True
        split = None if ignores_own(self._options) else folder.split
        others: list[File] = []
        skipping, label = Skipping(self._options), folder.label
        for file in tree.below(folder.path, suffixes, others):
            is_empty = False
            path = file.path
            try:
                stat = tree.stat(file)
            except DatasetError as error:
                skipping.failed(error)
                continue
            name = path[above:] if os.sep == "/" else path[above:].replace(os.sep, "/")
            yield Entry(name, path, stat, label, split)
        self.skipped += skipping.skipped
        self._others += [f"file {other.path[above:]!r}" for other in others]
        if is_empty:
            raise _empty(folder, suffixes)

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
            f"they hold {classes:,} classes{', which are dealt out again' if is_dealt else ''}"
        )


def _named(tree: Tree, place: Place) -> str:
    what = "folder" if tree.is_folder(place) else "file"
    return f"{what} {str(place)[tree.above :].rstrip('/')!r}"


def _suffixes_in(tree: Tree) -> set[str]:
    for suffixes in (IMAGE_SUFFIXES, AUDIO_SUFFIXES, TEXT_SUFFIXES, VIDEO_SUFFIXES):
        if next(tree.below(tree.root, suffixes), None) is not None:
            return suffixes
    return IMAGE_SUFFIXES


def _empty(folder: ClassFolder, suffixes: set[str]) -> DatasetError:
    what = "images" if suffixes == IMAGE_SUFFIXES else "files of the others' kind"
    known = " ".join(sorted(suffixes))
    if folder.label is None and folder.split is None:
        return SourceEmpty(
            f"{folder.path} holds no class folders, and no images, sounds, texts or videos",
            hint=f"Expected: FOLDER/class/picture.jpg, or files without labels ({known}).",
        )
    which = "split" if folder.label is None else "class"
    return DatasetError(
        f"the {which} folder {folder.path} holds no {what}",
        hint=f"Remove it, or put some in it ({known}).",
    )
