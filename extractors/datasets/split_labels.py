"""Units of samples with several labels: each split has its share of each label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from headstart.extractors.datasets.labels import parts_in, several_in
from headstart.extractors.datasets.split_pool import Counts, Pool
from headstart.storage.columns.stratification import OPEN, dealt
from headstart.storage.samples import BETWEEN

COMBINED = 10
"""Units of a combination of labels from which each split is to have its share of it, too."""
MOST = 1_000
"""Labels of which each split is to have its share: the most frequent ones, so that a table of
50,000 samples times labels takes 200 MB at most."""


def has_several(pool: Pool) -> bool:
    """Whether samples of a pool have several labels."""
    labels = {label for counts in pool.units.values() for label in counts}
    return bool(several_in(labels | {label for label, _ in pool.settled}))


def stratify_labels(pool: Pool, shares: Mapping[str, float], seed: int) -> None:
    """Put each unit that has no split where its labels lack most samples, the rarest label first;
    units of a split that is to have no share stay out of it."""
    names = list(shares)
    has_share = {unit: pool.splits.get(unit, names[0]) in shares for unit in pool.units}
    units = [unit for unit in pool.units if has_share[unit]]
    known = [names.index(pool.splits[unit]) if unit in pool.splits else OPEN for unit in units]
    settled = [(label, split, n) for (label, split), n in pool.settled.items() if split in shares]
    known += [names.index(split) for _, split, _ in settled]
    others = [{label: n} for label, _, n in settled]
    own = list(shares.values())
    parts = _dealt(pool, units, own, seed, others, np.array(known, np.int64))
    pool.splits |= {unit: names[part] for unit, part in zip(units, parts, strict=True)}


def folds_of_labels(pool: Pool, folds: int, seed: int) -> dict[str, int]:
    """The fold, from 0 up, of each unit that has no split."""
    units = [unit for unit in pool.units if unit not in pool.splits]
    return dict(zip(units, _dealt(pool, units, [1 / folds] * folds, seed), strict=True))


def _dealt(
    pool: Pool,
    units: list[str],
    shares: list[float],
    seed: int,
    others: Sequence[Counts] = (),
    known: np.ndarray | None = None,
) -> list[int]:
    """The part of each unit; `others` are samples that stay where they are, `known` the parts of
    all of them."""
    place = {unit: number for number, unit in enumerate(units)}
    new = [place[unit] for unit, _ in pool.new(seed)]
    counts = [*(pool.units[unit] for unit in units), *others]
    sizes = np.array([sum(one.values()) for one in counts], np.int32)
    often = _units_by_label([*counts[: len(units)], *pool.settled_labels()])
    having = _samples_by_label(counts, often)
    found = dealt(having, sizes, shares, np.array(new, np.int64), known)
    return found[: len(units)].tolist()


def _units_by_label(units: Sequence[Counts]) -> Counter[str]:
    """How many units have each label, and each combination."""
    found = Counter[str]()
    for counts in units:
        found.update(_every_label(counts).keys())
    return found


def _samples_by_label(units: Sequence[Counts], units_by_label: Mapping[str, int]) -> np.ndarray:
    """Samples with each label in each unit, (units, labels) int32; of labels of two units or more,
    as one alone has no share, and of combinations that are on many, which are as good as labels."""
    of_unit = [_every_label(counts) for counts in units]
    samples = Counter[str]()
    for labels in of_unit:
        samples.update(labels)
    often = sorted(samples, key=lambda label: (-samples[label], label))
    known = [label for label in often if units_by_label[label] >= _fewest(label)]
    number = {label: place for place, label in enumerate(known[:MOST])}
    having = np.zeros((len(units), len(number)), np.int32)
    for row, labels in enumerate(of_unit):
        for label, count in labels.items():
            if label in number:
                having[row, number[label]] = count
    return having


def _fewest(label: str) -> int:
    """Of how many units a label, or a combination, is to be."""
    return COMBINED if BETWEEN in label else 2


def _every_label(counts: Counts) -> Counter[str]:
    """Samples with each label, and with each combination."""
    return _labels(counts) | _combined(counts)


def _combined(counts: Counts) -> Counter[str]:
    """Samples with each combination of labels, in whichever order they stand."""
    found = Counter[str]()
    for label, count in counts.items():
        parts = parts_in(label)
        if len(parts) > 1:
            found[BETWEEN.join(sorted(parts))] += count
    return found


def _labels(counts: Counts) -> Counter[str]:
    """Samples with each of several labels."""
    found = Counter[str]()
    for label, count in counts.items():
        found.update(dict.fromkeys(parts_in(label), count))
    return found
