"""YOLO's labels: a text file a picture, a line a box, and a `data.yaml` that names the classes.

The format: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format"; with points
behind the box, /pose/; with a polygon instead of it, /segment/.
"""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from headstart.errors import DatasetError, StorageError
from headstart.extractors.crops import SHARES, Box
from headstart.extractors.datasets.labels import class_names
from headstart.extractors.datasets.named_files import check_within, is_folder, is_there, open_within
from headstart.extractors.datasets.rows import Skipping, find_split
from headstart.extractors.datasets.shard_names import holds
from headstart.extractors.datasets.source import LIKELY, NO, SURE, Options
from headstart.extractors.datasets.sources.boxes.pictures import (
    OR_SKIP,
    BoxSource,
    Marked,
    Picture,
)
from headstart.extractors.datasets.sources.boxes.yaml_subset import parse
from headstart.extractors.datasets.sources.folder_files import files_below
from headstart.extractors.datasets.sources.folders import IMAGE_SUFFIXES
from headstart.extractors.datasets.split_rule import is_unsettled
from headstart.notices import tell
from headstart.storage.files import open_regular

YAML = (".yaml", ".yml")
FILE = "data.yaml"
SPLITS = ("train", "val", "test")
WANTED = ("path", *SPLITS, "names", "nc", "kpt_shape")
LARGEST = 1 << 24
"""Bytes of a file of labels, of classes or of paths."""
BEYOND = 1e-3
"""Of a side: so far outside of the picture a box may reach by rounding."""
SIDES = 4
TEXTS = re.compile(r"(?s).*(\.txt)")
EXPECTED = "Expected: CLASS X Y WIDTH HEIGHT, as shares of the picture."


class YoloSource(BoxSource):
    """Labels of YOLO; see `DatasetSource` and `BoxSource`."""

    kind: ClassVar[str] = "yolo"
    what: ClassVar[str] = "YOLO's data.yaml"

    def __init__(self, source: str, options: Options) -> None:
        super().__init__(source, options)
        self._others: list[str] = []
        self._counts: Counter[str] = Counter()

    @staticmethod
    def recognise(source: str) -> float:
        path = Path(source)
        if path.suffix.lower() in YAML:
            return LIKELY if _looks_like_yolo(path) else NO
        is_one = is_folder(path) and (
            _looks_like_yolo(path / FILE)
            or (is_folder(path / "images") and holds(str(path / "labels"), TEXTS))
        )
        return SURE if is_one else NO

    @staticmethod
    def own_root(source: str) -> str:
        """The folder of the `data.yaml`: what it names elsewhere may be any file here."""
        path = Path(source)
        return os.path.realpath(path if is_folder(path) else path.parent)

    def _pictures(self, skipping: Skipping) -> Iterator[Picture]:
        told, others = self._told()
        names, points = _names_in(told, self.source), bool(told.get("kpt_shape"))
        self._counts, seen = Counter(), set[Path]()
        folders = self._folders(told)
        splits = {split for split, _ in folders if split}
        if len(splits) > 1 and is_unsettled(self._options):
            tell(f"{self.source}: {', '.join(sorted(splits))} are its splits")
        for split, path in folders:
            for file in self._files(path):
                if file in seen:
                    raise DatasetError(f"{self.source}: {file} is named twice")
                seen.add(file)
                read = partial(self._picture, file, names, points, split if splits else None)
                picture = skipping.of(read)
                if picture is not None:
                    yield picture
        members = [f"member {name!r} of {FILE}" for name in others]
        self._others = [*members, *self._labels_beside(folders, seen)]

    def _other_fields(self) -> Sequence[str]:
        counted = [f"{what} of {count:,} boxes" for what, count in self._counts.items()]
        return [*counted, *self._others]

    def _labels_beside(
        self, folders: Sequence[tuple[str | None, Path]], pictures: set[Path]
    ) -> Iterator[str]:
        """Files of labels that are of no picture."""
        used = {_labels_of(one) for one in pictures if one.name}
        for _, path in folders:
            labels = _labels_of(path / "x.png").parent
            if is_folder(path) and is_folder(labels):
                left = files_below(labels, {".txt"}, self._within)
                yield from (f"file {str(one)!r} (of no picture)" for one in left if one not in used)

    def _told(self) -> tuple[dict[str, Any], list[str]]:
        """What the `data.yaml` says; of a folder without one, what its files are."""
        path = Path(self.source)
        if not is_folder(path):
            return parse(_text(path, None, ""), WANTED, str(path))
        if is_there(path / FILE):
            return parse(_text(path / FILE, None, ""), WANTED, str(path / FILE))
        if not is_folder(path / "images"):
            raise DatasetError(
                f"{path} has neither {FILE} nor a folder images",
                hint="Name the folder that has one of them, or the .yaml itself.",
            )
        told: dict[str, Any] = {"train": "images"}
        inside = sorted(one for one in (path / "images").iterdir() if one.is_dir())
        if inside and all(find_split(one.name) for one in inside):
            told = {}
            for one in inside:
                name = {"validation": "val"}.get(split := str(find_split(one.name)), split)
                told[name] = f"images/{one.name}"
        if is_there(path / "classes.txt"):
            names = path / "classes.txt"
            told["names"] = class_names(_text(names, self._within, ""), str(names))
        return told, []

    def _folders(self, told: dict[str, Any]) -> list[tuple[str | None, Path]]:
        """The folders, or lists, of pictures, each with its split; None for one alone."""
        above = Path(self.source) if is_folder(Path(self.source)) else Path(self.source).parent
        path = told.get("path") or ""
        if not isinstance(path, str):
            raise DatasetError(f"{self.source}: path is {path!r}, not a text"[:200])
        base = above / path
        found: list[tuple[str | None, Path]] = []
        named = [name for name in SPLITS if told.get(name)]
        for name in named:
            given = told[name]
            if not isinstance(given, str | list):
                what = f"{name} is {given!r}, neither a text nor a list"
                raise DatasetError(f"{self.source}: {what}"[:200])
            for text in given if isinstance(given, list) else [given]:
                split = find_split(name) if len(named) > 1 else None
                found.append((split, self._place(text, (base, above))))
        if not found:
            raise DatasetError(
                f"{self.source} names no pictures", hint="Give it train: images/train, and val."
            )
        return found

    def _place(self, text: str, folders: Sequence[Path]) -> Path:
        """Where a folder is: below the `path` that the file says, or beside the file; some tools
        write `../train/images` for what is beside it."""
        inner = text
        while inner.startswith("../"):
            inner = inner[3:]
        for folder in folders:
            for name in (text, inner):
                path = folder / name
                if is_there(path):
                    check_within(path, self._within, self.source)
                    return path
        raise DatasetError(
            f"{self.source}: no folder {text}, in {folders[0]}",
            hint="Fix train, val, test or path in it.",
        )

    def _files(self, path: Path) -> Iterator[Path]:
        if is_folder(path):
            yield from files_below(path, IMAGE_SUFFIXES, self._within)
            return
        if path.suffix.lower() != ".txt":
            raise DatasetError(
                f"{self.source}: {path} is not a folder, and no list of paths (.txt)"
            )
        for line in _text(path, self._within, self.source).split("\n"):
            if line.strip():
                yield path.parent / line.strip()

    def _picture(
        self, file: Path, names: Sequence[str] | None, points: bool, split: str | None
    ) -> Picture:
        if not file.name:
            raise DatasetError(f"{self.source}: {file} is not a picture", hint=OR_SKIP)
        above = Path(self.source) if is_folder(Path(self.source)) else Path(self.source).parent
        is_below = file.is_relative_to(above)
        id_ = file.relative_to(above).as_posix() if is_below else file.as_posix()
        labels = _labels_of(file)
        boxes = []
        if is_there(labels):
            lines = _text(labels, self._within, self.source).splitlines()
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    where = f"{labels}, line {number}"
                    boxes.append(self._box(line.split(), number, names, points, where))
        return Picture(id_, file, str(labels), boxes, split, None)

    def _box(
        self, cells: list[str], number: int, names: Sequence[str] | None, points: bool, where: str
    ) -> Marked:
        values = [_number(cell, where) for cell in cells[1:]]
        is_polygon = not points and len(values) >= 6 and len(values) % 2 == 0
        if is_polygon:
            xs, ys = values[::2], values[1::2]
            sides = (min(xs), min(ys), max(xs), max(ys))
            self._counts["polygons (a box around is taken)"] += 1
        elif len(values) == SIDES or (points and len(values) > SIDES):
            x, y, width, height = values[:SIDES]
            sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if len(values) > SIDES:
                self._counts["points (kpt_shape)"] += 1
        else:
            raise DatasetError(f"{where}: {len(cells):,} numbers", hint=EXPECTED)
        if min(sides) < -BEYOND or max(sides) > 1 + BEYOND:
            raise DatasetError(
                f"{where}: the box reaches out of the picture: {' '.join(cells[1:5])}",
                hint=f"{EXPECTED} {OR_SKIP}",
            )
        return Marked(f"{number}", _name(cells[0], names, where), Box(SHARES, sides), where)


def _labels_of(picture: Path) -> Path:
    """The file of a picture's labels: `labels` for the last `images` in its path."""
    parts = list(picture.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")


def _names_in(told: dict[str, Any], source: str) -> list[str] | None:
    """The names of the classes by number; None where nobody says them.

    Raises:
        DatasetError: one has no name, or there are more or fewer than `nc` says.
    """
    given = told.get("names")
    if given is None:
        return None
    if isinstance(given, dict):
        if sorted(given) != sorted(str(number) for number in range(len(given))):
            raise DatasetError(f"{source}: the names are not numbered 0 to {len(given) - 1}")
        given = [given[str(number)] for number in range(len(given))]
    if not isinstance(given, list) or not all(given) or not given:
        raise DatasetError(f"{source}: the names are not a list of texts: {given!r}"[:200])
    count = told.get("nc")
    if count is not None and count != str(len(given)):
        raise DatasetError(f"{source}: nc is {count}, but there are {len(given):,} names")
    return given


def _name(cell: str, names: Sequence[str] | None, where: str) -> str:
    if not cell.isascii() or not cell.isdigit() or len(cell) > 9:
        raise DatasetError(f"{where}: the class is {cell[:40]!r}, not a number", hint=EXPECTED)
    number = int(cell)
    if names is None:
        return str(number)
    if number >= len(names):
        raise DatasetError(
            f"{where}: class {number} has no name; there are {len(names):,}", hint=OR_SKIP
        )
    return names[number]


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DatasetError(f"{where}: {cell[:40]!r} is not a number", hint=EXPECTED)
    return value


def _text(path: Path, within: Path | None, where: str) -> str:
    """The text of a small file.

    Raises:
        DatasetError: it is none, too large, or outside of the root.
    """
    try:
        with open_within(path, within, where) as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise DatasetError(f"{path} is larger than {LARGEST:,} bytes")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8") from None
    except StorageError as error:
        raise DatasetError(error.message, hint=error.hint) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def _looks_like_yolo(path: Path) -> bool:
    """Whether a file names classes and folders of splits; a look at its first bytes."""
    try:
        with open_regular(path) as file:
            return is_yolo(file.read(1 << 16))
    except (OSError, StorageError, ValueError):
        return False


def is_yolo(head: bytes) -> bool:
    """Whether a file names classes and folders of splits, by its first bytes."""
    lines = head.splitlines()
    keys = {line.partition(b":")[0] for line in lines}
    return b"names" in keys and bool(keys & {b"train", b"val"})
