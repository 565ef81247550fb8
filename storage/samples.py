"""Samples of a dataset: what each is called, where it lies, which split it stands in."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from headstart.storage.windowed.places import readable

SPLITS = ("train", "validation", "test")
SPLIT_SHARES = (0.7, 0.1, 0.2)
"""Of the samples for which the source names no split."""

LEAST_SAMPLE_WEIGHT, MOST_SAMPLE_WEIGHT = 1e-9, 1e9
"""For how many samples one may count. Far beyond, float32 holds no sums of them beside others."""

Label = str | int
BETWEEN = "|"
"""Stands between the labels, or the numbers, of a sample that has several."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a dataset.

    Attributes:
        id: stable and unique in the dataset: the path in a folder, the row's id, the row's number.
        digest: sha256 of the raw content, in hex.
        label: class name or number; None in an unlabelled dataset.
        split: `train`, `validation` or `test`.
        location: where the content is: a path, or a row of the arrays.
        stat: size, mtime in ns and inode when the digest was computed; empty for array rows.
        group: what it belongs to: samples of one group stand in one split. None if on its own.
        weight: for how many samples it counts where heads are trained; None for 1.
    """

    id: str
    digest: str
    label: Label | None
    split: str
    location: str | int
    stat: tuple[int, ...] = ()
    group: str | None = None
    weight: float | None = None

    @property
    def place(self) -> str:
        """Where its content is, for messages."""
        return readable(self.location)


def split_of(digest: str) -> str:
    """The split of a sample by its content, or its group: 70 % train, 10 % validation, 20 % test.

    It depends on nothing else, so adding samples moves none, and copies of one picture never
    stand on both sides.
    """
    place = place_of(f"split\0{digest}")
    train, validation, _ = SPLIT_SHARES
    if place < train:
        return "train"
    return "validation" if place < train + validation else "test"


def place_of(text: str) -> float:
    """A number from 0 to below 1 that follows from a text, and is even over many."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


def is_weight(value: object) -> bool:
    """Whether a sample can count so much: a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > 0


def is_fraction(label: Label) -> bool:
    """Whether a label is a number with digits behind the point, or several numbers of which one
    is: such labels are texts."""
    try:
        values = [float(part) for part in label.split(BETWEEN)] if isinstance(label, str) else []
    except ValueError:
        return False
    return all(map(math.isfinite, values)) and not all(value.is_integer() for value in values)
