"""Samples are dealt out to the splits; those that were dealt before stay where they are.

What belongs together, a group or copies of one content, is a unit and stands in one split. Units
are dealt one by one, each to where its classes lack most, in an order that follows from their
content and a seed alone.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from headstart.extractors.datasets.rows import EITHER
from headstart.extractors.datasets.source import Entry
from headstart.extractors.datasets.split_rule import KFOLD, NONE, Rule
from headstart.storage.manifest import SPLITS, Label, Sample, split_of
from headstart.storage.samples import place_of

Counts = dict[Label | None, int]
"""Samples of each label."""
NOT_TESTED = ("train", "validation")


@dataclass
class Kept:
    """The splits that samples have, or once had: of their units, and of their ids."""

    units: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    departed: Mapping[str, str] = field(default_factory=dict)

    def find(self, entry: Entry, unit: str) -> str | None:
        """That of an entry; a file with new content is the sample that it was."""
        found = self.units.get(unit)
        if found is None and entry.group is None:
            found = self.ids.get(entry.id)
        return found or self.departed.get(short(unit))


def kept_of(samples: Sequence[Sample], departed: Mapping[str, str]) -> Kept:
    """The splits of a dataset as it was, and of samples that left it."""
    units = {unit_of(one.digest, one.group): one.split for one in samples}
    return Kept(units, {one.id: one.split for one in samples if one.group is None}, departed)


def departed_of(
    before: Sequence[Sample], after: Sequence[Sample], known: Mapping[str, str]
) -> dict[str, str]:
    """The splits of units that left a dataset, for when they come back; with those known so far."""
    left = {unit_of(one.digest, one.group): one.split for one in before}
    for one in after:
        left.pop(unit_of(one.digest, one.group), None)
    return {**known, **{short(unit): split for unit, split in left.items()}}


def unit_of(digest: str, group: str | None) -> str:
    """What stands in one split as a whole: a group, or copies of one content."""
    return digest if group is None else f"group {group}"


def short(unit: str) -> str:
    """A unit as it is remembered once it is gone."""
    return hashlib.sha256(unit.encode()).hexdigest()[:16]


def dealt(
    entries: Sequence[Entry], digests: Sequence[str], rule: Rule, kept: Kept | None = None
) -> list[str]:
    """The split of each entry: as its source says, as it was, or by the rule.

    Args:
        entries: with splits where the source says them.
        digests: of their contents.
        rule: how the others are dealt out.
        kept: what is known of them.
    """
    kept = kept or Kept()
    units = [unit_of(digest, one.group) for one, digest in zip(entries, digests, strict=True)]
    said = {
        unit: one.split for one, unit in zip(entries, units, strict=True) if one.split in SPLITS
    }
    if not rule.remembers:
        return [
            one.split
            if one.split in SPLITS
            else _open_to(one.split, said.get(unit) or kept.find(one, unit))
            or _by_content(unit, rule, one.split)
            for one, unit in zip(entries, units, strict=True)
        ]
    pools: dict[str | None, Pool] = {}
    for one, unit in zip(entries, units, strict=True):
        if one.split not in SPLITS:
            pool = pools.setdefault(one.split, Pool())
            pool.put(unit, one.label, said.get(unit) or kept.find(one, unit), one.split == EITHER)
    for either, pool in pools.items():
        if rule.way == KFOLD and either is None:
            _fold(pool, rule, is_first=not kept.units)
        else:
            _stratify(pool, _shares(rule, either), rule.seed)
    return [
        one.split if one.split in SPLITS else pools[one.split].splits[unit]
        for one, unit in zip(entries, units, strict=True)
    ]


class Pool:
    """Units to be dealt out to the same splits.

    Attributes:
        units: how many samples of each label each has.
        splits: of the units that have one.
    """

    def __init__(self) -> None:
        self.units: dict[str, Counts] = {}
        self.splits: dict[str, str] = {}

    def put(self, unit: str, label: Label | None, split: str | None, is_untested: bool) -> None:
        """Another sample; a split that it had counts, unless it may not be tested on."""
        counts = self.units.get(unit)
        if counts is None:
            self.units[unit] = {label: 1}
        else:
            counts[label] = counts.get(label, 0) + 1
        if split is not None and (split in NOT_TESTED or not is_untested):
            self.splits[unit] = split

    def new(self, seed: int) -> list[tuple[str, Counts]]:
        """Those without a split, large ones first, else by content and seed."""
        found = [(unit, counts) for unit, counts in self.units.items() if unit not in self.splits]
        return sorted(
            found, key=lambda pair: (-sum(pair[1].values()), place_of(f"{seed}\0{pair[0]}"))
        )


def _open_to(said: str | None, known: str | None) -> str | None:
    """The split that a sample's unit has, unless its source says that it is not tested on."""
    return None if said == EITHER and known not in NOT_TESTED else known


def _by_content(unit: str, rule: Rule, said: str | None) -> str:
    if rule.way == NONE:
        return "train"
    shares = _shares(rule, said)
    if said is None and not rule.seed and not rule.spelled:
        return split_of(unit)
    place = place_of(f"{said or 'split'}{rule.seed or ''}\0{unit}")
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return next(reversed(shares))


def _shares(rule: Rule, said: str | None) -> dict[str, float]:
    """The share of each split that is open; those of none are left out."""
    of_all: dict[str, float] = dict(zip(SPLITS, rule.shares, strict=True))
    if rule.way == KFOLD:
        of_all = {"train": 0.875, "validation": 0.125}
    is_open = [split for split in SPLITS if said != EITHER or split in NOT_TESTED]
    found = {split: of_all.get(split, 0.0) for split in is_open}
    total = sum(found.values())
    return {split: share / total for split, share in found.items() if share}


def _stratify(pool: Pool, shares: Mapping[str, float], seed: int) -> None:
    """Put each unit that has no split where its labels lack most samples."""
    lacking = _targets(pool, shares)
    for unit, split in pool.splits.items():
        for label, count in pool.units[unit].items():
            lacking[label][split] = lacking[label].get(split, 0) - count
    order = [split for split in ("test", "validation", "train") if split in shares]
    for unit, counts in pool.new(seed):
        best = max(
            order, key=lambda one: sum(n * lacking[label][one] for label, n in counts.items())
        )
        pool.splits[unit] = best
        for label, count in counts.items():
            lacking[label][best] -= count


def _targets(pool: Pool, shares: Mapping[str, float]) -> dict[Label | None, dict[str, int]]:
    """How many samples of each label each split is to have: by largest remainder, and of two units
    or more one at least to test on."""
    samples: defaultdict[Label | None, int] = defaultdict(int)
    units: defaultdict[Label | None, int] = defaultdict(int)
    for counts in pool.units.values():
        for label, count in counts.items():
            samples[label] += count
            units[label] += 1
    found = {}
    for label, count in samples.items():
        exact = {split: count * share for split, share in shares.items()}
        target = {split: int(value) for split, value in exact.items()}
        by_rest = sorted(exact, key=lambda split: round(target[split] - exact[split], 9))
        for split in by_rest[: count - sum(target.values())]:
            target[split] += 1
        if units[label] > 1 and target.get("test") == 0:
            target["test"] = 1
            target["train"] -= 1
        if target["train"] <= 0:
            most = max(target, key=lambda split: target[split])
            target[most] -= 1 - target["train"]
            target["train"] = 1
        found[label] = target
    return found


def _fold(pool: Pool, rule: Rule, *, is_first: bool) -> None:
    """Put each unit that has no split into a fold.

    At first that with fewest samples of its labels; later that of its content, so that datasets of
    the other folds agree.
    """
    filled: defaultdict[Label | None, list[int]] = defaultdict(lambda: [0] * rule.folds)
    total = [0] * rule.folds

    def used(fold: int, counts: Counts) -> tuple[int, int]:
        return sum(n * filled[label][fold] for label, n in counts.items()), total[fold]

    for unit, counts in pool.new(rule.seed):
        fold = int(place_of(f"fold{rule.seed}\0{unit}") * rule.folds)
        if is_first:
            fold = min(range(rule.folds), key=partial(used, counts=counts))
        for label, count in counts.items():
            filled[label][fold] += count
        total[fold] += sum(counts.values())
        pool.splits[unit] = "test" if fold + 1 == rule.fold else "train"
