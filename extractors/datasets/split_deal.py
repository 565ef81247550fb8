"""Units dealt out to splits and folds: one by one, each to where its labels lack most."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import partial

from headstart.extractors.datasets.rows import EITHER
from headstart.extractors.datasets.split_labels import (
    folds_of_labels,
    has_several,
    stratify_labels,
)
from headstart.extractors.datasets.split_pool import NOT_TESTED, Counts, Pool
from headstart.extractors.datasets.split_rule import KFOLD, Rule
from headstart.storage.manifest import SPLITS, Label
from headstart.storage.samples import place_of


def deal(pools: dict[str | None, Pool], rule: Rule, *, is_first: bool) -> None:
    """Give each unit of some pools a split, by a rule that looks at the others; `is_first` where
    nothing was dealt before."""
    for either, pool in pools.items():
        if rule.way == KFOLD and either is None:
            _fold(pool, rule, is_first=is_first)
        elif has_several(pool):
            stratify_labels(pool, shares_of(rule, either), rule.seed)
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
    if not is_first:
        fold_of = {unit: _fold_by_content(unit, rule) for unit, _ in pool.new(rule.seed)}
    else:
        rule.check_folds(len(pool.units))
        several = has_several(pool)
        fold_of = folds_of_labels(pool, rule.folds, rule.seed) if several else _folds(pool, rule)
    for unit, fold in fold_of.items():
        pool.splits[unit] = "test" if fold + 1 == rule.fold else "train"


def _fold_by_content(unit: str, rule: Rule) -> int:
    return int(place_of(f"fold{rule.seed}\0{unit}") * rule.folds)


def _folds(pool: Pool, rule: Rule) -> dict[str, int]:
    """The fold, from 0 up, of each unit that has no split: that with fewest samples of its
    labels."""
    found = dict[str, int]()
    filled: defaultdict[Label | None, list[int]] = defaultdict(lambda: [0] * rule.folds)
    total = [0] * rule.folds

    def used(fold: int, counts: Counts) -> tuple[int, int]:
        return sum(n * filled[label][fold] for label, n in counts.items()), total[fold]

    for unit, counts in pool.new(rule.seed):
        fold = min(range(rule.folds), key=partial(used, counts=counts))
        for label, count in counts.items():
            filled[label][fold] += count
        total[fold] += sum(counts.values())
        found[unit] = fold
    return found
