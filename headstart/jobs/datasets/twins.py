"""Samples that are nearly the same: copies, and pairs alike by features or by how they look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import SampleChanged, SampleUnreadable
from headstart.extractors.preprocessing.preview import difference_hash, glance
from headstart.heads.evaluation.near_duplicates import find_alike, find_near_duplicates
from headstart.heads.origins import origin_of
from headstart.heads.rows import Rows, less
from headstart.notices import warn
from headstart.progress import Progress
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.manifest import Sample
from headstart.values.showable import Showable

SAME, FEATURES, PICTURE = "same content", "features", "picture"
"""What says of two samples that they are nearly the same."""


@dataclass(frozen=True)
class Twins(Showable):
    """Two samples that are nearly the same.

    Attributes:
        first: the one.
        second: the other.
        distance: 1 - cosine of their features.
        evidence: what says so: `same content`, `features`, `picture`, or `features, picture`.
    """

    first: Sample
    second: Sample
    distance: float
    evidence: str = FEATURES

    @property
    def is_same_content(self) -> bool:
        return self.first.digest == self.second.digest

    @property
    def is_leak(self) -> bool:
        """Whether one of them is tested on, and the other is not."""
        return (self.first.split == "test") != (self.second.split == "test")

    def _facts(self) -> dict[str, Any]:
        pair = (self.first, self.second)
        return {
            "ids": [sample.id for sample in pair],
            "splits": [sample.split for sample in pair],
            "labels": [sample.label for sample in pair],
            "distance": self.distance,
            "evidence": self.evidence,
            "same_content": self.is_same_content,
            "leak": self.is_leak,
        }

    def _line(self) -> str:
        pair = f"{self.first.id!r}, {self.second.id!r}"
        return f"{pair}, {self.distance:.3f} apart, by {self.evidence}"


def groups_of(twins: Sequence[Twins]) -> dict[str, str]:
    """Of each sample that has a near duplicate, by id, a name that it shares with all that are
    connected to it: the id of the first of them. As a group column they stay in one split."""
    before: dict[str, str] = {}

    def first_of(name: str) -> str:
        while (further := before.setdefault(name, name)) != name:
            before[name] = before[further]  # half of the way next time
            name = further
        return name

    for pair in twins:
        names = [first_of(one.id) for one in (pair.first, pair.second)]
        before[max(names)] = min(names)
    return {name: first_of(name) for name in list(before)}


def find_twins(features: Rows, samples: SampleColumns, looks: dict[int, int]) -> list[Twins]:
    """Copies, and pairs that are near by their features or look alike, those across the border of
    the test split first."""
    if (origin := origin_of(features)) is not None:
        features = less(features, origin)
    apart = {(one.first, one.second): one.distance for one in find_near_duplicates(features)}
    numbers = list(looks)
    hashes = np.array([looks[number] for number in numbers], np.uint64)
    alike = {(numbers[one], numbers[other]) for one, other in find_alike(hashes)}
    pairs = sorted({*apart, *alike})
    known = samples_by_number(samples, (row for pair in pairs for row in pair))
    found = [
        Twins(
            known[first],
            known[second],
            apart[first, second] if (first, second) in apart else _apart(features, first, second),
            ", ".join(
                evidence
                for evidence, those in ((FEATURES, apart), (PICTURE, alike))
                if (first, second) in those
            ),
        )
        for first, second in pairs
        if known[first].digest != known[second].digest
    ]
    found.sort(key=lambda pair: pair.distance)
    return sorted(_copies(samples) + found, key=lambda pair: not pair.is_leak)


def samples_by_number(samples: SampleColumns, rows: Iterable[int]) -> dict[int, Sample]:
    """Samples by their numbers."""
    wanted = np.unique(np.fromiter(rows, np.int64))
    return dict(zip(wanted.tolist(), samples.take(wanted), strict=True))


def _apart(features: Rows, first: int, second: int) -> float:
    one, other = features[np.array([first, second])].astype(np.float64)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return 1 - float(one @ other) / lengths if lengths else 1.0


def looks_of(
    read: Callable[[Sample], Any], samples: SampleColumns, progress: Progress
) -> dict[int, int]:
    """The hashes of how samples look, by number; of what is no picture, or unreadable, none."""
    found: dict[int, int] = {}
    for number, sample in enumerate(samples):
        with suppress(SampleChanged, SampleUnreadable):
            seen = glance(read(sample))
            if isinstance(seen, np.ndarray):
                found[number] = difference_hash(seen)
        progress(number + 1, len(samples))
    if not found:
        warn(
            "no sample could be looked at as a picture: near duplicates are those of features alone"
        )
    return found


def _copies(samples: SampleColumns) -> list[Twins]:
    """Samples of the same content, each with the first of them."""
    firsts = samples.first_rows
    others = np.setdiff1d(np.arange(len(samples)), firsts)
    wanted = {one.tobytes() for one in samples.take(others).digests}
    first: dict[str, Sample] = {}
    return [
        Twins(earlier, sample, 0.0, SAME)
        for sample in samples.where(samples.have({one.hex() for one in wanted}))
        if (earlier := first.setdefault(sample.digest, sample)) is not sample
    ]
