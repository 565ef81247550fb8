"""Pictures with boxes: a sample a picture with all its labels, or a sample a box."""

from __future__ import annotations

import hashlib
import math
import re
import stat
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from headstart.errors import DatasetError, SampleChanged, SourceMissing, StorageError
from headstart.extractors.crops import Box, box_in, head_of
from headstart.extractors.datasets.named_files import (
    HINT,
    check_within,
    digest_of_file,
    open_within,
    own_root_of,
    read_named,
)
from headstart.extractors.datasets.options import GROUP_PATTERN, ROOT
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.source import Entry, Location, Option, Options
from headstart.storage.files import BLOCK, stat_of
from headstart.storage.samples import BETWEEN

PICTURE, CROP = "picture", "crop"
BOXES = Option(
    "boxes",
    f"`{PICTURE}`: a sample a picture, with the labels of its boxes; `{CROP}`: a sample a box.",
    metavar=f"{PICTURE}|{CROP}",
)
MARGIN = Option(
    "margin", "Around each box, as a share of its width and height: 0.1.", metavar="SHARE"
)
BOX_OPTIONS = (BOXES, MARGIN, GROUP_PATTERN, ROOT)
WIDEST = 10.0
WITHIN = 1.0
"""Pixels that boxes reach out of pictures by being rounded."""
PLACE = re.compile(r"(?s)(.+)#([a-z]+ [-0-9. ]{1,200})")
OR_SKIP = "Fix it, or leave such samples out with --on-error skip."


class Marked(NamedTuple):
    """A box with its label.

    Attributes:
        key: what it is called in the picture.
        label: of what is in it.
        box: where it is.
        where: for messages.
        is_crowd: whether many things are in it that nobody has told apart.
    """

    key: str
    label: str
    box: Box
    where: str
    is_crowd: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture and its boxes.

    Attributes:
        id: its name in the annotations.
        path: of its file.
        where: for messages.
        boxes: in it.
        split: if the annotations say one.
        size: its width and height, as the annotations say.
    """

    id: str
    path: Path
    where: str
    boxes: Sequence[Marked]
    split: str | None = None
    size: tuple[int, int] | None = None


class BoxSource(ABC):
    """What sources of pictures with boxes share; see `DatasetSource`.

    The location of a picture is its path; that of a box has where it is behind it.
    """

    options: ClassVar[tuple[Option, ...]] = BOX_OPTIONS
    splits_may_move: ClassVar[bool] = True

    def __init__(self, source: str, options: Options) -> None:
        self.source = source
        self.skipped: list[str] = []
        self._options = options
        self._within = own_root_of(source, options)
        self._left: Counter[str] = Counter()

    @property
    def _mode(self) -> str:
        """What a sample is.

        Raises:
            DatasetError: the option says something else.
        """
        mode = self._options.get("boxes", PICTURE)
        if mode not in (PICTURE, CROP):
            raise DatasetError(f"boxes is {mode!r}", hint=f"It can be {PICTURE} or {CROP}.")
        return mode

    @property
    def _margin(self) -> float:
        """Around each box, as a share of it.

        Raises:
            DatasetError: it is no such number.
        """
        given = self._options.get("margin", 0)
        try:
            margin = float(given)
        except (TypeError, ValueError):
            margin = math.nan
        if not 0 <= margin <= WIDEST:
            raise DatasetError(f"the margin is {given!r}", hint="A number of 0 to 10, such as 0.1.")
        return margin

    def stamp(self) -> tuple[int, ...]:
        return ()  # the annotations may be the same, and a picture that they name another

    def scan(self) -> Iterator[Entry]:
        """Pictures in the order of the annotations, or their boxes.

        Raises:
            DatasetError: the annotations are damaged, or name pictures that are not there.
        """
        mode, margin, skipping = self._mode, self._margin, Skipping(self._options)
        self.skipped, self._left = skipping.skipped, Counter()
        for picture in self._pictures(skipping):
            found = skipping.of(partial(self._status, picture))
            if found is None:
                continue
            if mode == PICTURE:
                entry = skipping.of(partial(_whole, picture, found))
                if entry is not None:
                    yield entry
                continue
            if not picture.boxes:
                self._left["pictures without boxes"] += 1
            for marked in picture.boxes:
                if marked.is_crowd:
                    self._left["boxes of crowds (iscrowd)"] += 1
                    continue
                entry = skipping.of(partial(self._part, picture, marked, margin, found))
                if entry is not None:
                    yield entry

    def digest(self, location: Location) -> str:
        box, path = self._parted(location)
        if box is None:
            return digest_of_file(path, self._within)
        content = hashlib.sha256(head_of(box))
        try:
            with open_within(path, self._within) as file:
                while block := file.read(BLOCK):
                    content.update(block)
        except (OSError, StorageError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DatasetError(f"cannot read {path}: {reason}") from error
        return content.hexdigest()

    def locations(self) -> Iterator[Location]:
        """Of the pictures, or of the boxes, whatever their labels are."""
        mode, margin = self._mode, self._margin
        for picture in self._pictures(Skipping({})):
            if mode == PICTURE:
                yield str(picture.path)
            else:
                boxes = [one for one in picture.boxes if not one.is_crowd]
                yield from (_place(picture.path, one.box.grown(margin)) for one in boxes)

    def read(self, location: Location) -> Any:
        box, path = self._parted(location)
        content = read_named(path, self._within)
        return content if box is None else head_of(box) + content

    def unused(self) -> Sequence[str]:
        """Fields of the annotations that nothing is taken from, and boxes that are no samples."""
        counted = [f"{count:,} {what}" for what, count in self._left.items()]
        idle = ["option margin"] if self._margin and self._mode == PICTURE else []
        return [*counted, *self._other_fields(), *idle]

    @abstractmethod
    def _pictures(self, skipping: Skipping) -> Iterator[Picture]:
        """All pictures, in order; what is wrong with one of them is left to `skipping`."""

    @abstractmethod
    def _other_fields(self) -> Sequence[str]:
        """Fields of the annotations that nothing is taken from, in words."""

    def _status(self, picture: Picture) -> tuple[int, ...]:
        """By what a picture's change is seen.

        Raises:
            DatasetError: it is not there, or outside of the root.
        """
        try:
            status = picture.path.stat()
        except (OSError, ValueError):
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):
            raise SourceMissing(f"{picture.where}: no file {picture.path}", hint=self._missing)
        check_within(picture.path, self._within, picture.where)
        return stat_of(status)

    _missing = OR_SKIP
    """What to do where a picture is not there."""

    def _part(
        self, picture: Picture, marked: Marked, margin: float, found: tuple[int, ...]
    ) -> Entry:
        left, top, right, bottom = marked.box.sides
        if not (left < right and top < bottom):
            raise DatasetError(f"{marked.where}: the box has no area", hint=OR_SKIP)
        width, height = picture.size or (math.inf, math.inf)
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            raise DatasetError(
                f"{marked.where}: the box {marked.box.text} lies outside of its picture",
                hint=OR_SKIP,
            )
        if min(left, top) < -WITHIN or right > width + WITHIN or bottom > height + WITHIN:
            self._left["boxes that reach out of their picture, of which the rest is taken"] += 1
        return Entry(
            id=f"{picture.id}#{marked.key}",
            location=_place(picture.path, marked.box.grown(margin)),
            stat=found,
            label=marked.label,
            split=picture.split,
            group=picture.id,
        )

    def _parted(self, location: Location) -> tuple[Box | None, Path]:
        """The box, None for a picture, and the picture's path."""
        if self._mode == PICTURE:
            return None, Path(str(location))
        found = PLACE.fullmatch(str(location))
        box = None if found is None else box_in(found[2])
        if found is None or box is None:
            raise SampleChanged(f"there is no box at {location}", hint=HINT)
        return box, Path(found[1])


def _place(path: Path, box: Box) -> str:
    return f"{path}#{box.text}"


def _whole(picture: Picture, found: tuple[int, ...]) -> Entry:
    labels = list(dict.fromkeys(one.label for one in picture.boxes))
    if len(labels) > 1 and any(BETWEEN in one for one in labels):
        label = next(one for one in labels if BETWEEN in one)
        raise DatasetError(
            f"{picture.where}: the label {label!r} holds {BETWEEN!r}, which stands between labels",
            hint=OR_SKIP,
        )
    label = BETWEEN.join(labels) or None
    return Entry(picture.id, str(picture.path), found, label, picture.split)
