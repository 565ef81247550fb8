"""`ws.drift`: whether the samples of one dataset are like those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import FeatureError
from headstart.heads.dense_stack import outputs_of, stack_of
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.intervals import CONFIDENCE, share_text
from headstart.heads.evaluation.scores import share_interval_of
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear
from headstart.heads.origins import fit_near_zero
from headstart.heads.tasks import Classification
from headstart.jobs.exploration.looked_at import LookedAt
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.columns.units import unit_of
from headstart.values.showable import Results, Showable

FEWEST = 20
"""Samples of each dataset, below which nothing can be told."""
FEW_OF_CLASS = 10
"""Samples of a class to be told apart in each dataset, below which it is left out."""
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class ClassDrift(Showable):
    """How far the samples of one class can be told apart.

    Attributes:
        label: the class.
        here: its share of the labelled samples of the first dataset.
        there: of the second.
        accuracy: share of its samples whose dataset is told right; one half where they are alike.
        interval: of that; None of a single group. In 95 % of all comparisons those of all classes
            hold the truth (Bonferroni), so that many classes are no many chances to look changed.
        tested_on: how many samples.
    """

    label: str
    here: float
    there: float
    accuracy: float
    interval: tuple[float, float] | None
    tested_on: int

    @property
    def is_drift(self) -> bool:
        """Whether its samples are others by now: the interval lies above one half."""
        return self.interval is not None and self.interval[0] > 0.5

    def _facts(self) -> dict[str, Any]:
        return {**vars(self), "is_drift": self.is_drift}


@dataclass(frozen=True)
class Drift(Showable):
    """How far the samples of two datasets can be told apart.

    Attributes:
        backbone: by whose features, `NAME:VERSION@CUT`, joined by ` + `.
        dataset: the first.
        other: the second.
        accuracy: share of samples whose dataset a head tells right that was trained on others; one
            half where they are alike.
        interval: of that, 95 %; None of a single group.
        tested_on: how many samples, as many of each dataset.
        shared: contents that are in both.
        classes: of those that both have enough samples of, those that are told apart best first.
        too_few: classes that both have, but of which too few samples were tested to be compared.
    """

    backbone: str
    dataset: str
    other: str
    accuracy: float
    interval: tuple[float, float] | None
    tested_on: int
    shared: int
    classes: Results[ClassDrift]
    too_few: list[str]

    @property
    def is_drift(self) -> bool:
        """Whether they differ: the interval lies above one half."""
        return self.interval is not None and self.interval[0] > 0.5

    def to_text(self) -> str:
        """What was found, in a line."""
        ends = " to ".join(map(share_text, self.interval)) if self.interval else "no interval"
        verdict = "they differ" if self.is_drift else "no difference is seen"
        return (
            f"of {self.tested_on:,} samples a head tells {share_text(self.accuracy)} (95 %: "
            f"{ends}) right, whether they are of {self.dataset} or of {self.other}: {verdict}"
        )

    def _facts(self) -> dict[str, Any]:
        return {**vars(self), "is_drift": self.is_drift}

    def _line(self) -> str:
        return self.to_text()


def drift(here: LookedAt, there: LookedAt, seed: int = 0) -> Drift:
    """See `Workspace.drift`."""
    _check(here, there)
    rng = np.random.default_rng(seed)
    both = _Both.of(here, there)
    is_training = _halved(both, rng)
    training = _equal(both.source, np.flatnonzero(is_training), rng)
    testing = _equal(both.source, np.flatnonzero(~is_training), rng)
    if not (len(training) and len(testing)):
        raise FeatureError(
            f"{here.origin.dataset.name!r} or {there.origin.dataset.name!r} is a single group, of "
            "which no half can be kept apart",
            hint="Give datasets of several groups.",
        )
    right = _told(both, training, testing, seed) == both.source[testing]
    clusters = Clusters.of(both.units[testing])
    classes, too_few = _classes(both, testing, right, rng)
    return Drift(
        here.origin.blocks.reference,
        here.origin.dataset.name,
        there.origin.dataset.name,
        float(right.mean()),
        share_interval_of(right, clusters),
        len(testing),
        len({*both.digests[both.source == 0]} & {*both.digests[both.source == 1]}),
        Results(classes),
        too_few,
    )


def _check(here: LookedAt, there: LookedAt) -> None:
    names = [one.origin.dataset.name for one in (here, there)]
    for one in (here, there):
        _check_number(one)
    if here.origin.dataset.digest == there.origin.dataset.digest:
        raise FeatureError(
            f"{names[0]!r} and {names[1]!r} have the same samples", hint="Name another dataset."
        )


def _check_number(one: LookedAt) -> None:
    count, name = len(one.samples), one.origin.dataset.name
    if count >= FEWEST:
        return
    if one.choice:
        raise FeatureError(
            f"limit is {count}, too few of the {len(one.view):,} samples of {name!r} to compare",
            hint=f"Give {FEWEST} or more.",
        )
    are = "sample of {} is" if count == 1 else "samples of {} are"
    raise FeatureError(
        f"{count} {are.format(repr(name))} too few to compare",
        hint=f"Give datasets of {FEWEST} or more.",
    )


@dataclass(frozen=True)
class _Both:
    """The samples of two datasets, one behind the other.

    Attributes:
        features: (n, width).
        source: 0 of the first dataset, 1 of the second, (n,).
        digests: of the contents, (n,).
        units: number of the group or content of each, (n,).
        labels: as text, (n,); None where there is none.
    """

    features: np.ndarray
    source: np.ndarray
    digests: np.ndarray
    units: np.ndarray
    labels: np.ndarray

    @staticmethod
    def of(*parts: LookedAt) -> _Both:
        features = np.concatenate([np.asarray(one.rows[:], np.float32) for one in parts])
        samples = [sample for one in parts for sample in SampleColumns.of(one.samples)]
        units = [unit_of(one.digest, one.group) for one in samples]
        labels = [None if one.label is None else str(one.label) for one in samples]
        return _Both(
            features,
            np.repeat([0, 1], [len(one.samples) for one in parts]),
            np.array([one.digest for one in samples]),
            np.unique(np.array(units, object), return_inverse=True)[1],
            np.array(labels, object),
        )


def _halved(both: _Both, rng: np.random.Generator) -> np.ndarray:
    """Which samples a head is trained on, half of each dataset, bool: groups and copies of one
    content stand on one side."""
    order = rng.permutation(int(both.units.max()) + 1)
    counts = np.zeros((len(order), 2))
    np.add.at(counts, (both.units, both.source), 1)
    kind = counts.argmax(axis=1)  # by the dataset that most of a group are of
    is_training = np.zeros(len(order), bool)
    for source in (0, 1):
        own = order[kind[order] == source]
        if not len(own):  # all it has is in the other one as well
            continue
        sizes = counts[own].sum(axis=1).cumsum()
        is_training[own[sizes <= sizes[-1] / 2]] = True
    return is_training[both.units]


def _equal(source: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many rows of each dataset, in order."""
    parts = [rows[source[rows] == number] for number in (0, 1)]
    count = min(map(len, parts))
    return np.sort(np.concatenate([rng.permutation(part)[:count] for part in parts]))


def _told(both: _Both, training: np.ndarray, testing: np.ndarray, seed: int) -> np.ndarray:
    """The dataset that a linear head tells of each sample, which was trained on others."""
    part = Part(both.features[training], both.source[training], groups=both.units[training])
    task, kind = Classification(), Linear(STRENGTHS)
    nobody = part.only(np.zeros(len(part), bool))
    fitted = fit_near_zero(
        lambda train, validation: task.fit(kind, train, validation, 2, seed), part, nobody
    )
    asked = Part(both.features[testing], both.source[testing])
    return task.guess(outputs_of(stack_of(fitted.layers, [0, 1]), asked))


def _classes(
    both: _Both, testing: np.ndarray, right: np.ndarray, rng: np.random.Generator
) -> tuple[list[ClassDrift], list[str]]:
    """Those that are compared, and the others that both datasets have."""
    labels, source = both.labels[testing], both.source[testing]
    here, there = (_shares(both.labels[both.source == number]) for number in (0, 1))
    rows_by = {
        label: _equal(source, np.flatnonzero(labels == label), rng)
        for label in sorted(here.keys() & there.keys())
    }
    compared = {label: rows for label, rows in rows_by.items() if len(rows) >= 2 * FEW_OF_CLASS}
    confidence = 1 - (1 - CONFIDENCE) / max(len(compared), 1)
    found = []
    for label, rows in compared.items():
        clusters = Clusters.of(both.units[testing][rows])
        interval = share_interval_of(right[rows], clusters, confidence)
        told = float(right[rows].mean())
        found.append(ClassDrift(label, here[label], there[label], told, interval, len(rows)))
    too_few = [label for label in rows_by if label not in compared]
    return sorted(found, key=lambda one: -one.accuracy), too_few


def _shares(labels: Sequence[str | None] | np.ndarray) -> dict[str, float]:
    known, counts = np.unique([one for one in labels if one is not None], return_counts=True)
    return dict(zip(known.tolist(), (counts / max(counts.sum(), 1)).tolist(), strict=True))
