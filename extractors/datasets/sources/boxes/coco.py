"""COCO's annotations: a JSON file beside a folder of pictures, or several, one a split."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

from headstart.errors import DatasetError, StorageError
from headstart.extractors.datasets.named_files import check_relative, is_folder, is_there
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.shard_names import files_of, is_pattern
from headstart.extractors.datasets.source import LIKELY, NO, SURE, Option, Options
from headstart.extractors.datasets.sources.boxes.coco_file import USED, CocoFile, Image
from headstart.extractors.datasets.sources.boxes.pictures import BOX_OPTIONS, BoxSource, Picture
from headstart.extractors.datasets.sources.folders import IMAGE_SUFFIXES
from headstart.extractors.datasets.sources.shards.files import ShardFiles
from headstart.storage.files import open_regular

IMAGES = Option(
    "images",
    "Folder of the pictures that the annotations name; by default those next to them.",
    takes="folder",
    metavar="DIR",
)
NAMED = re.compile(r"(?s).*(\.json)")
ROBOFLOW = "_annotations.coco.json"
"""What some tools call the annotations in the folder of their pictures."""
HEAD = 1 << 16
LOOKED_AT = 10
"""Pictures by which their folder is found."""
PREFIX = "instances_"
"""Of the files with boxes among COCO's own; others hold captions, or points of persons."""


class AnnotationFiles(ShardFiles):
    """The files of annotations of a source."""

    @cached_property
    def all(self) -> list[Path]:
        """Those with boxes, in the order of their names.

        Raises:
            DatasetError: there are none.
        """
        if not is_folder(Path(self.source)):
            return files_of(self.source, NAMED)
        files = _files_in(Path(self.source))
        if not files:
            raise DatasetError(
                f"{self.source} holds no annotations of COCO",
                hint="Expected: annotations/*.json, or name the file itself.",
            )
        return files

    @property
    def others(self) -> list[str]:
        """Those beside them that hold none, in words."""
        if not is_folder(Path(self.source)):
            return []
        found = _annotations_in(Path(self.source))
        return [f"file {one.name!r}" for one in found if one not in self.all]


class CocoSource(BoxSource):
    """Annotations of COCO; see `DatasetSource` and `BoxSource`."""

    kind: ClassVar[str] = "coco"
    what: ClassVar[str] = "COCO's annotations"
    options: ClassVar[tuple[Option, ...]] = (*BOX_OPTIONS, IMAGES)

    _missing = "Name the pictures' folder with --images; --on-error skip leaves those out."

    def __init__(self, source: str, options: Options) -> None:
        super().__init__(source, options)
        self._others: list[str] = []

    @staticmethod
    def recognise(source: str) -> float:
        path = Path(source)
        if NAMED.fullmatch(source.lower()) and not is_pattern(source):
            return LIKELY if _looks_like_coco(path) else NO
        if not is_folder(path):
            return NO
        files = _files_in(path)
        return SURE if files and _looks_like_coco(files[0]) else NO

    def _pictures(self, skipping: Skipping) -> Iterator[Picture]:
        self._files.say()
        splits, others = self._files.splits, dict.fromkeys(self._files.others)
        for file in self._files.all:
            found = CocoFile(file, skipping)
            others |= dict.fromkeys(found.unused)
            folder, named = self._folder_for(file, found), set[Path]()
            for key, image in found.images.items():
                path = skipping.of(partial(_joined, folder, image))
                if path is not None:
                    named.add(path)
                    id_, boxes = self._files.id_of(file, image.name), found.boxes.get(key, ())
                    yield Picture(id_, path, image.where, boxes, splits.get(file), image.size)
            others |= dict.fromkeys(_pictures_beside(named))
        self._others = list(others)

    def _other_fields(self) -> Sequence[str]:
        return self._others

    @cached_property
    def _files(self) -> AnnotationFiles:
        return AnnotationFiles(self.source, self._options, NAMED)

    def _folder_for(self, file: Path, found: CocoFile) -> Path:
        """The folder of a file's pictures: as it is said, or where the first of them is."""
        if self._options.get("images"):
            return Path(self._options["images"])
        above = file.parent
        name = file.stem.removeprefix(PREFIX)
        folders = (above, above / "images", above.parent / "images", above.parent)
        more = (above.parent / name, above.parent / "images" / name, above / name)
        some = list(found.images.values())[:LOOKED_AT]
        for image in some:
            for folder in (*more, *folders):
                if is_there(_joined(folder, image)):
                    return folder
        raise DatasetError(
            f"{file}: the pictures are not next to it, such as {some[0].name!r}",
            hint="Name their folder with --images.",
        )


def _joined(folder: Path, image: Image) -> Path:
    """The path of a picture.

    Raises:
        DatasetError: its name leads out of the folder.
    """
    check_relative(image.name, image.where)
    return folder / image.name


def _pictures_beside(named: set[Path]) -> Iterator[str]:
    """Pictures that lie beside those that are named, counted by folder."""
    for folder in sorted({one.parent for one in named}):
        if is_folder(folder):
            beside = [one for one in folder.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES]
            count = sum(one not in named for one in beside)
            if count:
                yield f"{count:,} pictures in {folder.name} that no annotations name"


def _annotations_in(folder: Path) -> list[Path]:
    return sorted((folder / "annotations").glob("*.json"))


def _files_in(folder: Path) -> list[Path]:
    """The annotations of boxes in a folder."""
    try:
        files = _annotations_in(folder)
        boxes = [one for one in files if one.name.startswith(PREFIX)]
        beside = [folder / ROBOFLOW, *sorted(folder.glob(f"*/{ROBOFLOW}"))]
        return boxes or files or [one for one in beside if is_there(one)]
    except OSError:
        return []


def _looks_like_coco(path: Path) -> bool:
    """Whether a file begins like annotations; a look at its first bytes."""
    try:
        with open_regular(path) as file:
            head = file.read(HEAD)
    except (OSError, StorageError, ValueError):
        return False
    return is_coco(head)


def is_coco(head: bytes) -> bool:
    """Whether a file begins like annotations, by its first `HEAD` bytes."""
    is_object = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    return is_object and any(f'"{name}"'.encode() in head for name in USED)
