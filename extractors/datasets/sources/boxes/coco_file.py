"""COCO's annotations, object by object: what is not used (polygons, most of all) is not kept.

A list of empty lists takes twenty times as much in memory as in a file. So no more than a bearable
piece of the text is built at once, and what is kept is weighed as it comes.

The format: https://cocodataset.org/#format-data, "Object Detection".
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from headstart.errors import DatasetError, StorageError, first_line
from headstart.extractors.crops import PIXELS, Box
from headstart.extractors.datasets.rows import Skipping
from headstart.extractors.datasets.sources.boxes.pictures import OR_SKIP, Marked
from headstart.extractors.datasets.sources.numpy_files import refuse_large
from headstart.storage.files import open_regular

USED = {
    "images": {"id", "file_name", "width", "height"},
    "annotations": {"id", "image_id", "category_id", "bbox", "iscrowd"},
    "categories": {"id", "name"},
}
IN_MEMORY = 6
"""Bytes in memory a byte of the file, about: its text, and what is kept of it."""
FARTHEST = 1e9
"""Pixels."""
ITEM, NAME, CELL = 1000, 200, 100
"""Bytes in memory, about, of an object that is kept and what is made of it; of a name that is not
used; of a number, or a list around what is in it."""
STEP = 1 << 25
"""Bytes that are kept until memory is looked at again."""
LONGEST = 1 << 23
"""Characters of a value that is built; those of a list that is not used are built one by one."""


class Image(NamedTuple):
    """A picture as the annotations name it."""

    name: str
    where: str
    size: tuple[int, int] | None


class CocoFile:
    """The annotations in a file.

    Attributes:
        images: by id, in order.
        boxes: of each image that has some, in order.
        unused: members and fields that nothing is taken from, in words.

    Args:
        path: of the file.
        skipping: what is done about an annotation that is none.

    Raises:
        DatasetError: it is none, or too large; or an annotation is none, and is not skipped.
    """

    def __init__(self, path: Path, skipping: Skipping) -> None:
        self._path = path
        self.images: dict[Any, Image] = {}
        self.boxes: dict[Any, list[Marked]] = {}
        self._fields: dict[str, Counter[str]] = {name: Counter() for name in USED}
        self._kept, self._looked_at = 0, 0
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in USED}
        others = []
        for member, item in objects_in(_text_of(path), path):
            if member not in USED:
                others.append(f"member {member!r} of {path.name}")
                self._weigh(NAME)
            else:
                found[member].append(self._used_of(member, item))
        self.unused = [*others, *self._unused_fields()]
        if not found["images"]:
            raise DatasetError(
                f"{path} has no images: it is not a dataset of COCO",
                hint="Expected: an object with images, annotations, categories.",
            )
        names = self._names(found["categories"])
        for item in found["images"]:
            self._put_image(item)
        for item in found["annotations"]:
            skipping.of(lambda item=item: self._put_box(item, names))

    def _used_of(self, member: str, item: dict[str, Any]) -> dict[str, Any]:
        """What is kept of an object."""
        counts = self._fields[member]
        names = len(counts)
        counts.update(name for name, one in item.items() if one not in ([], None))
        used = {name: item[name] for name in USED[member] if name in item}
        self._weigh(ITEM + NAME * (len(counts) - names) + sum(map(_weight, used.values())))
        return used

    def _weigh(self, size: int) -> None:
        """Count what is kept.

        Raises:
            DatasetError: it takes too much memory.
        """
        self._kept += size
        if self._kept >= self._looked_at + STEP:
            self._looked_at = self._kept
            refuse_large(self._kept, f"what is kept of the annotations in {self._path}")

    def _unused_fields(self) -> Iterator[str]:
        for member, counts in self._fields.items():
            left = [name for name in counts if name not in USED[member]]
            if left:
                yield f"of {member}: {', '.join(sorted(left))}"

    def _names(self, categories: list[dict[str, Any]]) -> dict[Any, str]:
        names: dict[Any, str] = {}
        for item in categories:
            name, key = item.get("name"), _key(item.get("id"))
            if not isinstance(name, str) or not name.strip() or key is None:
                raise DatasetError(
                    f"{self._path}: the category {item.get('id')!r} has no name",
                    hint="Give each category an id and a name.",
                )
            if names.setdefault(key, name.strip()) != name.strip():
                raise DatasetError(f"{self._path}: two categories have the id {key!r}")
        return names

    def _put_image(self, item: dict[str, Any]) -> None:
        key, name = _key(item.get("id")), item.get("file_name")
        where = f"{self._path}, image {item.get('id')!r}"
        if key is None or not isinstance(name, str) or not name.strip() or "\0" in name:
            raise DatasetError(f"{where} has no id or no file_name: {name!r}")
        if key in self.images:
            raise DatasetError(f"{where} occurs twice")
        sides = (item.get("width"), item.get("height"))
        is_sized = all(isinstance(one, int) and one > 0 for one in sides)
        self.images[key] = Image(name, where, sides if is_sized else None)  # type: ignore[arg-type]

    def _put_box(self, item: dict[str, Any], names: dict[Any, str]) -> None:
        where = f"{self._path}, annotation {item.get('id')!r}"
        key, category = _key(item.get("image_id")), _key(item.get("category_id"))
        if key not in self.images:
            raise DatasetError(
                f"{where} is of image {item.get('image_id')!r}, which is not in images",
                hint=OR_SKIP,
            )
        if category not in names:
            raise DatasetError(
                f"{where} is of category {item.get('category_id')!r}, which has no name",
                hint=OR_SKIP,
            )
        boxes = self.boxes.setdefault(key, [])
        number = _key(item.get("id"))
        boxes.append(
            Marked(
                f"{len(boxes)}" if number is None else f"{number}",
                names[category],
                _box(item.get("bbox"), where),
                where,
                bool(item.get("iscrowd")),
            )
        )


def _weight(value: Any) -> int:
    """Bytes in memory, about; of texts as if they had no letters, which count with the file."""
    if isinstance(value, dict):
        return CELL * 2 + sum(map(_weight, value.values())) + CELL * len(value)
    return CELL + sum(map(_weight, value)) if isinstance(value, list) else CELL


def _key(value: Any) -> Any:
    """An id: a number or a text; None if it is neither."""
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _box(given: Any, where: str) -> Box:
    is_four = isinstance(given, list) and len(given) == 4
    if not is_four or not all(_is_number(one) for one in given):
        raise DatasetError(
            f"{where}: the bbox is {str(given)[:80]!r}, not four numbers", hint=OR_SKIP
        )
    left, top, width, height = (float(one) for one in given)
    return Box(PIXELS, (left, top, left + width, top + height))


def _is_number(value: Any) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and abs(value) <= FARTHEST and math.isfinite(value)


def _text_of(path: Path) -> str:
    try:
        with open_regular(path) as file:
            refuse_large(IN_MEMORY * path.stat().st_size, f"the annotations in {path}")
            return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 ({first_line(error)})") from error
    except StorageError as error:
        raise DatasetError(error.message, hint=error.hint) from error
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror or error}") from error


def objects_in(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The members of a JSON object, those that are lists of `USED` item by item; of others an
    empty object.

    Raises:
        DatasetError: it is no JSON object, or one of those lists holds something else.
    """
    at = _Cursor(text)
    try:
        at.take("{")
        while not at.is_at("}"):
            member = at.name()
            at.take(":")
            if member in USED:
                for item in at.items():
                    if not isinstance(item, dict):
                        raise DatasetError(f"{path}: {member} holds what is no object")
                    yield member, item
            else:
                at.skip()
                yield member, {}
            at.end_item("}")
        at.take("}")
    except RecursionError:
        raise DatasetError(f"{path} is nested too deeply to be read") from None
    except DatasetError:
        raise
    except ValueError as error:
        why = getattr(error, "msg", None) or first_line(error)
        raise DatasetError(
            f"{path} is no annotations of COCO ({why})",
            hint="Expected: a JSON object with images, annotations, categories.",
        ) from error


CUT = 16
"""Characters before the end of a piece, where it cuts off a word."""


class _Cursor:
    """A place in a JSON text, which is built piece by piece."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._piece, self._start = "", 0
        self._decoder = json.JSONDecoder()

    def items(self) -> Iterator[Any]:
        """The items of a list."""
        self.take("[")
        while not self.is_at("]"):
            yield self.value()
            self.end_item("]")
        self.take("]")

    def skip(self) -> None:
        """Go behind the value here; of a list or an object one item at a time."""
        if self.is_at("["):
            for _ in self.items():
                pass
        elif self.is_at("{"):
            self.take("{")
            while not self.is_at("}"):
                self.name()
                self.take(":")
                self.value()
                self.end_item("}")
            self.take("}")
        else:
            self.value()

    def value(self) -> Any:
        """The value here; the place is behind it then.

        Raises:
            ValueError: there is none, or a longer one than is built.
        """
        self._skip_spaces()
        try:
            value, end = self._decoder.raw_decode(self._piece, self._at - self._start)
            is_whole = end < len(self._piece)
        except ValueError:  # it may go on behind the piece
            value, end, is_whole = None, 0, False
        if not is_whole:
            value, end = self._in_next_piece()
        self._at = self._start + end
        return value

    def _in_next_piece(self) -> tuple[Any, int]:
        """The value here, at the beginning of a piece of the text, and where it ends there."""
        self._piece, self._start = self._text[self._at : self._at + LONGEST], self._at
        is_last = self._at + LONGEST >= len(self._text)
        try:
            value, end = self._decoder.raw_decode(self._piece)
        except json.JSONDecodeError as error:
            is_cut = error.pos >= LONGEST - CUT or error.msg.startswith("Unterminated string")
            if is_last or not is_cut:
                raise
            value, end = None, LONGEST
        if end == LONGEST and not is_last:
            raise ValueError(f"a value of more than {LONGEST:,} characters")
        return value, end

    def name(self) -> str:
        """The name of a member."""
        start, found = self._at, self.value()
        if not isinstance(found, str):
            raise json.JSONDecodeError("expected a name in quotes", self._text, start)
        return found

    def is_at(self, sign: str) -> bool:
        self._skip_spaces()
        return self._text.startswith(sign, self._at)

    def take(self, sign: str) -> None:
        if not self.is_at(sign):
            raise json.JSONDecodeError(f"expected {sign!r}", self._text, self._at)
        self._at += 1

    def end_item(self, last: str) -> None:
        """Go behind a comma, or stay at the sign that ends the items."""
        if not self.is_at(last):
            self.take(",")

    def _skip_spaces(self) -> None:
        while self._text[self._at : self._at + 1] in (" ", "\n", "\r", "\t"):
            self._at += 1
