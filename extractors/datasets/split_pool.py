"""Units that are dealt out together: one by one, each to where its classes lack most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial

import numpy as np

from headstart.extractors.datasets.rows import EITHER
from headstart.extractors.datasets.split_rule import KFOLD, Rule
from headstart.storage.columns.block import Block
from headstart.storage.keys import DIGEST_BYTES
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.samples import place_of

Counts = dict[Label | None, int]
"""Samples of each label."""
NOT_TESTED = ("train", "validation")
UNKNOWN = -1
"""In place of a place in `SPLITS`."""


class Pool:
    """Units to be dealt out to the same splits.

    Attributes:
        units: how many samples of each label each has.
        splits: of the units that have one.
        settled: samples by label and split that are not among the units, as they stay where they
            are; of which no other sample is among them either.
        settled_units: of which they are, by label.
    """

    def __init__(self) -> None:
        self.units: dict[str, Counts] = {}
        self.splits: dict[str, str] = {}
        self.settled: Counter[tuple[Label | None, str]] = Counter()
        self._contents: set[tuple[Label | None, bytes]] = set()

    @property
    def settled_units(self) -> Counter[Label | None]:
        return Counter(label for label, _ in self._contents)

    def settle(self, block: Block, codes: np.ndarray) -> None:
        """Samples without groups that stay in the splits that they have: places in `SPLITS`, those
        that are `UNKNOWN` left out."""
        rows = np.flatnonzero(codes != UNKNOWN)
        block = block.take(rows)
        labels = block.labels
        self.settled.update(zip(labels, map(SPLITS.__getitem__, codes[rows].tolist()), strict=True))
        contents = np.ascontiguousarray(block.digests).view(f"V{DIGEST_BYTES}").ravel().tolist()
        self._contents.update(zip(labels, contents, strict=True))

    def put(self, unit: str, label: Label | None, split: str | None, is_untested: bool) -> None:
        """Another sample; a split that it had counts, unless it may not be tested on."""
        counts = self.units.setdefault(unit, {})
        counts[label] = counts.get(label, 0) + 1
        if split is not None and (split in NOT_TESTED or not is_untested):
            self.splits[unit] = split

    def new(self, seed: int) -> list[tuple[str, Counts]]:
        """Those without a split, large ones first, else by content and seed."""
        found = [(unit, counts) for unit, counts in self.units.items() if unit not in self.splits]
        return sorted(
            found, key=lambda pair: (-sum(pair[1].values()), place_of(f"{seed}\0{pair[0]}"))
        )


def deal(pools: dict[str | None, Pool], rule: Rule, *, is_first: bool) -> None:
    """Give each unit of some pools a split, by a rule that looks at the others; `is_first` where
    nothing was dealt before."""
    for either, pool in pools.items():
        if rule.way == KFOLD and either is None:
            _fold(pool, rule, is_first=is_first)
        else:
            _stratify(pool, shares_of(rule, either), rule.seed)


def shares_of(rule: Rule, said: str | None) -> dict[str, float]:
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
    for (label, split), count in pool.settled.items():
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
    samples: Counter[Label | None] = Counter()
    for (label, _), count in pool.settled.items():
        samples[label] += count
    units = pool.settled_units
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
    if is_first:
        rule.check_folds(len(pool.units))
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
