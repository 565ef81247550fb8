"""Rows of several feature sets as one: those of a sample stand side by side, each set's on its own
scale. Nothing is copied: a row is put together when it is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from headstart.errors import FeatureError
from headstart.storage.columns.finder import ABSENT, DigestFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.index import Places
from headstart.storage.keys import fingerprint
from headstart.storage.row_reader import Copier

FORMAT = "headstart.joined/1"
LOOKED_AT = 64 << 20
"""Bytes of rows that tell a scale, about."""
FEWEST = 64


class Reader(Protocol):
    """What is asked of a reader of rows; see `RowReader`."""

    shape: tuple[int, ...]
    encoding: Any

    def chunk_of(self, places: Places) -> np.ndarray: ...
    def expect(self, places: Places) -> None: ...
    def copier(self) -> Copier | None: ...
    def take(self, places: Places) -> np.ndarray: ...


@dataclass(frozen=True)
class Side:
    """The rows of one set.

    Attributes:
        reader: of them.
        places: where the row of each sample is.
        factor: by which its numbers are multiplied, float32.
    """

    reader: Reader
    places: Places
    factor: np.float32

    @property
    def width(self) -> int:
        return int(np.prod(self.reader.shape, dtype=np.int64))


class JoinedReader:
    """As a `RowReader`, whose row `i` holds row `i` of each side, flat, one behind the other.

    Args:
        sides: of the same samples, in the same order.
    """

    def __init__(self, sides: Sequence[Side]) -> None:
        self._sides = tuple(sides)
        self._ends = np.cumsum([one.width for one in sides]).tolist()
        self.encoding = sides[0].reader.encoding
        self.shape, self.dtype = (self._ends[-1],), np.dtype(np.float32)
        self.row_bytes = 4 * self._ends[-1]

    @property
    def places(self) -> Places:
        """Where all samples are."""
        count = len(self._sides[0].places.row)
        return Places(np.zeros(count, np.int64), np.arange(count))

    def chunk_of(self, places: Places) -> np.ndarray:
        """The chunk that holds each sample's row of the first side."""
        first = self._sides[0]
        return first.reader.chunk_of(first.places.at(places.row))

    def expect(self, places: Places) -> None:
        """Say that a pass is going to read the rows of samples: see `RowReader.expect`."""
        for one in self._sides:
            one.reader.expect(one.places.at(places.row))

    def copier(self) -> Copier | None:
        """For a mixed pass: where the rows of each side may be copied; see `RowReader.copier`."""
        copiers = [one.reader.copier() for one in self._sides]
        own = [(side, one) for side, one in zip(self._sides, copiers, strict=True) if one]
        if len(own) < len(copiers):
            return None
        return Copier(
            lambda places: all(one.has(side.places.at(places.row)) for side, one in own),
            lambda places: self._joined(
                [one.copied(side.places.at(places.row)) for side, one in own]
            ),
        )

    def _joined(self, sides: Sequence[np.ndarray | None]) -> np.ndarray | None:
        there = [one for one in sides if one is not None]
        if len(there) < len(sides):
            return None
        out = np.empty((len(there[0]), *self.shape), self.dtype)
        self._fill(there, out)
        return out

    def take(self, places: Places) -> np.ndarray:
        """The rows of n samples, (n, width)."""
        out = np.empty((len(places.row), *self.shape), self.dtype)
        self.read(places, out)
        return out

    def read(self, places: Places, out: np.ndarray) -> None:
        """Fill `out`, (n, width), with the rows of n samples."""
        self._fill((one.reader.take(one.places.at(places.row)) for one in self._sides), out)

    def _fill(self, sides: Iterable[np.ndarray], out: np.ndarray) -> None:
        """The rows of all sides, each on its scale, one behind the other in `out`, (n, width)."""
        start = 0
        for one, end, rows in zip(self._sides, self._ends, sides, strict=True):
            flat = rows.reshape(len(out), end - start)
            np.multiply(flat.astype(np.float32, copy=False), one.factor, out=out[:, start:end])
            start = end


def rows_in(other: Any, samples: SampleColumns) -> np.ndarray:
    """Which row of a view each of some samples has there, by its digest; `ABSENT` of one that the
    view left out as it could not be read.

    Raises:
        FeatureError: one is not known there at all.
    """
    rows = DigestFinder(other.samples).find(samples.digests)
    missing = np.flatnonzero(rows == ABSENT)
    if len(missing):
        known = DigestFinder(other.left_out).find(samples.take(missing).digests) != ABSENT
        missing = missing[~known]
    if len(missing):
        of = "the other features" if other.origin is None else str(other.origin)
        raise FeatureError(
            f"sample {samples[int(missing[0])].id!r} has no row in {of} ({len(other):,} samples, "
            f"to be joined with {len(samples):,})",
            hint="Extract both for the dataset as it is now.",
        )
    return rows


def factor_of(scale: float) -> np.float32:
    """What numbers are multiplied by, so that they are on a scale of one: by all who do it."""
    return np.float32(1 / scale)


def joined_key(keys: Sequence[str], scales: Sequence[float]) -> str:
    """What tells features that were joined from others: no feature set has this key.

    Raises:
        FeatureError: there is no scale for one, or one is no number above 0.
    """
    if len(scales) != len(keys) or not all(0 < one < math.inf for one in scales):
        raise FeatureError(
            f"the scales are {', '.join(map(str, scales))}, of {len(keys)} features to be joined",
            hint="Give a number above 0 for each, or none at all: then they are measured.",
        )
    return fingerprint(FORMAT, [list(pair) for pair in zip(keys, scales, strict=True)])


def scale_of(rows: Any) -> float:
    """The root mean square of the standard deviations of features (n, …), of some rows that are
    spread evenly; 1 where none varies, or none is a number.

    Args:
        rows: a view, or an array.
    """
    size = 4 * max(1, int(np.prod(rows.shape[1:], dtype=np.int64)))
    count = min(len(rows), max(FEWEST, LOOKED_AT // size))
    chosen = np.unique(np.linspace(0, max(len(rows) - 1, 0), count).astype(np.int64))
    some = np.asarray(rows[chosen], np.float64).reshape(len(chosen), -1)
    scale = np.float32(np.sqrt(some.var(axis=0).mean())) if some.size else np.float32(1)
    return float(scale) if np.isfinite(scale) and scale > 0 else 1.0
