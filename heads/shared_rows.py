"""Rows to which several fits are made side by side, each to some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from headstart.heads.kind import Part

BLOCK_BYTES = 4 << 20
"""Of rows that are worked on at once. From 1 to 8 MiB products are as fast, and rows on the disk
are read about twice as fast as in blocks of 2."""


def spans_of(part: Part) -> list[tuple[int, int]]:
    """First and last row of blocks that stay in a core's cache."""
    size = max(1, BLOCK_BYTES // (4 * part.features.shape[1]))
    return [(start, min(start + size, len(part))) for start in range(0, len(part), size)]


class Span(NamedTuple):
    """A block of rows of a part; `first` is the number of its first row among those of all."""

    part: Part
    start: int
    stop: int
    first: int

    @property
    def features(self) -> np.ndarray:
        """(n, width), float32: read, or copied, now."""
        return self.part.features[self.start : self.stop]

    @property
    def targets(self) -> np.ndarray:
        return self.part.targets[self.start : self.stop]


@dataclass(frozen=True)
class SharedRows:
    """Rows that are read once for all fits.

    Attributes:
        parts: the rows, one part behind the other.
        members: which rows each fit is to, bool, (rows, fits); one fit to all rows without it.
    """

    parts: Sequence[Part]
    members: np.ndarray | None = None

    @property
    def fits(self) -> int:
        return 1 if self.members is None else self.members.shape[1]

    @property
    def width(self) -> int:
        return self.parts[0].features.shape[1]

    def only(self, fits: slice) -> SharedRows:
        """For some of the fits."""
        return self if self.members is None else SharedRows(self.parts, self.members[:, fits])

    def spans(self) -> list[Span]:
        """Blocks of rows in order."""
        firsts = np.cumsum([0, *map(len, self.parts)]).tolist()
        return [
            Span(part, start, stop, first + start)
            for part, first in zip(self.parts, firsts, strict=False)
            for start, stop in spans_of(part)
        ]

    def weights(self, span: Span, fits: Sequence[int] | slice = slice(None)) -> np.ndarray | None:
        """What each row of a block counts for in some fits, (n, fits) float32; None where all
        count alike."""
        _, start, stop, first = span
        own = None if span.part.weights is None else span.part.weights[start:stop, None]
        if self.members is None:
            return own
        inside = self.members[first : first + stop - start, fits].astype(np.float32)
        return inside if own is None else inside * own

    def counts(self, classes: int) -> np.ndarray:
        """What the rows of each class count in each fit together, (classes, fits) float64."""
        found = np.zeros((classes, self.fits))
        for span in self.spans():
            weights = self.weights(span)
            if weights is None:
                found += np.bincount(span.targets, minlength=classes)[:, None]
            else:
                for fit, own in enumerate(weights.T):
                    found[:, fit] += np.bincount(span.targets, own, classes)
        return found

    def firsts(self) -> np.ndarray:
        """Features of the first row that counts in each fit, (fits, width) float32."""
        found, left = np.zeros((self.fits, self.width), np.float32), set(range(self.fits))
        for span in self.spans():
            weights = self.weights(span)
            for fit in sorted(left):
                own = 0 if weights is None else int(np.argmax(weights[:, fit] > 0))
                if weights is None or weights[own, fit] > 0:
                    row = span.start + own
                    found[fit] = span.part.features[row : row + 1][0]
                    left.remove(fit)
            if not left:
                break
        return found

    def masses(self) -> np.ndarray:
        """What all rows count in each fit together, (fits,) float64."""
        if self.members is None:
            return np.array([sum(part.mass for part in self.parts)])
        weights = [self.weights(span) for span in self.spans()]
        return np.sum([own.sum(axis=0, dtype=np.float64) for own in weights if own is not None], 0)

    def drawn(self, fit: int, count: int, seed: int) -> np.ndarray:
        """Features of so many rows of a fit, or of all if it has fewer, chosen by seed among those
        of the largest part, (n, width)."""
        sizes = [len(part) for part in self.parts]
        place = int(np.argmax(sizes))
        start, own = sum(sizes[:place]), np.arange(sizes[place])
        if self.members is not None:
            own = own[self.members[start : start + sizes[place], fit]]
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(own), min(len(own), count), replace=False)
        return self.parts[place].features[own[np.sort(chosen)]]
