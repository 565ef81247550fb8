"""Parts of a large manifest: some thousand samples each, in a file called by its sha256.

Where a part ends depends on the id of its last sample alone. A sample that is added or changed
therefore changes the part that it stands in and no other, wherever that is. A part is a file of
Arrow, whose columns are looked at where they lie; those of before are JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import ManifestDamaged, StorageError
from headstart.paths import inside
from headstart.storage.columns.arrow_file import from_arrow, from_checked, map_file, to_arrow
from headstart.storage.columns.block import Block, Lists
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.files import state_of, written_aside
from headstart.storage.keys import pack_digests
from headstart.storage.samples import SPLITS

FORMAT = {b"format": b"headstart.manifest-part", b"version": b"2"}
"""What a part says of itself; those of JSON have version 1."""
MEAN = 1024
LONGEST = 8 * MEAN
"""Samples in a part: on average, and at most, whatever their ids are."""
MOST = 512
"""Parts of a manifest, about: of more samples they are twice as long, and so on."""
KEPT_BYTES = 16 << 20
"""Of the parts that were read, so much stays mapped."""
SUFFIX, OF_BEFORE = ".arrows", ".json"
MOST_CHECKED = 1 << 14
"""Parts that are known to be right: of some manifests of many samples."""
_CHECKED: dict[tuple[str, int], tuple[int, ...]] = {}
"""Of the parts that this process found right, by file and number of samples, the file's state."""
HINT = "Add the dataset again; cached features are not touched."


@dataclass(frozen=True)
class Part:
    """Some samples of a manifest, by the sha256 of the file that they lie in."""

    sha256: str
    samples: int
    suffix: str = SUFFIX

    @property
    def file(self) -> str:
        return f"{self.sha256}{self.suffix}"


class Parts(Sequence[Block]):
    """The blocks in the parts of a manifest; each is read when it is asked for.

    Of those asked for last, `KEPT_BYTES` stay mapped, so that going through all of a manifest
    takes no more memory the longer it is. A part is checked as a whole when this process first
    reads it, and again when somebody has written to its file since.

    Args:
        folder: see `parts_folder`.
        source: of the manifest.
        parts: in order.
        read: `read_part`.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        parts: Sequence[Part],
        read: Callable[[Path, str, Part, bool], Block],
    ) -> None:
        self._folder = folder
        self._source = source
        self._parts = parts
        self._read = read
        self._known: dict[int, Block] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        number = range(len(self))[place]
        with self._lock:
            found = self._known.get(number)
            if found is None:
                found = self._known[number] = self._opened(number)
                self._forget()
            return found

    def _opened(self, number: int) -> Block:
        part = self._parts[number]
        path = inside(self._folder, part.file)
        state, place = state_of(path), (str(path), part.samples)
        is_checked = bool(state) and _CHECKED.get(place) == state
        found = self._read(self._folder, self._source, part, is_checked)
        if part.suffix == SUFFIX:
            if len(_CHECKED) >= MOST_CHECKED:
                _CHECKED.clear()
            _CHECKED[place] = state
        self._bytes += _mapped_bytes(part, found)
        return found

    def _forget(self) -> None:
        """Unmap those that were read first; one of JSON takes too long to be read again."""
        for number in list(self._known)[:-1] if self._bytes > KEPT_BYTES else ():
            size = _mapped_bytes(self._parts[number], self._known[number])
            if size:
                del self._known[number]
                self._bytes -= size
            if self._bytes <= KEPT_BYTES:
                break


def _mapped_bytes(part: Part, block: Block) -> int:
    return block.batch.nbytes if part.suffix == SUFFIX else 0


def parts_folder(manifests: Path) -> Path:
    """Where parts lie: beside the manifests, as older versions collect what lies among them."""
    return manifests.with_name(f"{manifests.name}-parts")


def mean_of(samples: int) -> int:
    """How many samples a part has on average: a power of two, so that long parts are made of
    whole short ones."""
    return max(MEAN, 1 << (max(1, samples // MOST) - 1).bit_length())


def end_of(columns: SampleColumns, start: int, mean: int = MEAN) -> int:
    """Where the part that begins at a sample ends: the number behind its last one."""
    stop = min(len(columns), start + longest_of(mean))
    step = max(1, mean // 4)
    for first in range(start, stop, step):
        ids = columns.window(first, min(stop, first + step)).ids
        for number, id_ in enumerate(ids, start=first + 1):
            if ends_part(id_, mean):
                return number
    return stop


def ends_part(id_: str, mean: int) -> bool:
    """Whether a part ends with a sample of that id."""
    return zlib.crc32(id_.encode()) % mean == 0


def longest_of(mean: int) -> int:
    """How many samples a part has at most."""
    return LONGEST // MEAN * mean


def write_part(folder: Path, block: Block) -> Part:
    """Write a part; it is on the disk, whole, when this returns.

    Args:
        folder: see `parts_folder`.
        block: its samples.

    Raises:
        StorageError: the disk does not take it.
    """
    content = memoryview(to_arrow(block, FORMAT))
    part = Part(hashlib.sha256(content).hexdigest(), len(block))
    with written_aside(inside(folder, part.file)) as file:
        file.write(content)
    return part


def read_part(folder: Path, source: str, part: Part, is_checked: bool = False) -> Block:
    """Read what `write_part` wrote, or earlier versions did.

    Args:
        folder: see `parts_folder`.
        source: of the manifest.
        part: which one.
        is_checked: it was read before, and nobody has written to it since.

    Raises:
        DatasetError: the file is missing or is not what was written.
    """
    path = inside(folder, part.file)
    try:
        content = map_file(path)
        if is_checked:
            return from_checked(content, source)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise ValueError("its sha256 is another")
        if part.suffix == OF_BEFORE:
            return _of_before(bytes(content), source, part.samples)
        return from_arrow(content, source, FORMAT, part.samples)
    except FileNotFoundError:
        raise ManifestDamaged(f"the part {path} of a manifest is missing", hint=HINT) from None
    except (
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        RecursionError,
        StorageError,
    ) as error:
        raise ManifestDamaged(f"the part {path} of a manifest is damaged", hint=HINT) from error


def _of_before(content: bytes, source: str, samples: int) -> Block:
    """A part of JSON: a list for each attribute; labels and splits are numbered, and where all
    lie in the source under their ids, no place is said."""
    columns: dict[str, Any] = json.loads(content)
    ids, stats = columns["ids"], columns["stats"]
    labels = [sys.intern(one) if isinstance(one, str) else one for one in columns["labels"]]
    if len(ids) != samples:
        raise ValueError(f"it holds {len(ids):,} samples, not {samples:,}")
    lists = Lists(
        ids,
        pack_digests(columns["digests"]),
        [labels[number] for number in columns["label"]],
        [SPLITS[number] for number in columns["split"]],
        columns["locations"] or [f"{source}/{id_}" for id_ in ids],
        list(zip(*stats, strict=True)) if stats else [()] * len(ids),
        columns["groups"] or [None] * len(ids),
    )
    return Block.of(lists, source)
