"""Samples are dealt out to the splits; those that were dealt before stay where they are.

What belongs together, by a group or as copies of one content, is a unit and stands in one split;
groups that share a content are one. Units are dealt one by one, each to where its classes lack
most, in an order that follows from their content and a seed alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np

from headstart.extractors.datasets.listing import OPEN, SAYINGS, Listing
from headstart.extractors.datasets.rows import EITHER
from headstart.extractors.datasets.split_deal import deal, shares_of
from headstart.extractors.datasets.split_pool import NOT_TESTED, UNKNOWN, Pool
from headstart.extractors.datasets.split_rule import NONE, Rule
from headstart.storage.columns.block import Block
from headstart.storage.columns.finder import ABSENT, DigestFinder, IdFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.columns.units import joined_units, units_in
from headstart.storage.manifest import SPLITS, split_of
from headstart.storage.samples import place_of


class UnitSplits:
    """The splits of units: of groups, and of copies of one content.

    Args:
        columns: samples in splits.
    """

    def __init__(self, columns: SampleColumns) -> None:
        self._groups: dict[str, int] = {}
        if columns.has_groups:
            pairs = zip(columns.groups, columns.split_codes.tolist(), strict=True)
            self._groups = {group: code for group, code in pairs if group is not None}
            columns = columns.where(_is_alone(columns))
        self.alone = columns
        self._codes = columns.split_codes
        self._digests = DigestFinder(columns)

    def find(self, block: Block) -> np.ndarray:
        """The place in `SPLITS` of each sample's unit, int8; `UNKNOWN` where there is none."""
        found = _codes_at(self._codes, self._digests.find(block.digests))
        if block.column("group") is not None:
            for number, group in enumerate(block.groups):
                if group is not None:
                    found[number] = self._groups.get(group, UNKNOWN)
        return found


class Kept:
    """The splits that samples have, or once had: of their units, and of their ids.

    Args:
        columns: the dataset as it was.
        departed: the splits of units that left it.
    """

    def __init__(self, columns: SampleColumns, departed: Mapping[str, str]) -> None:
        self._units = UnitSplits(columns)
        self._departed = departed
        self._codes = self._units.alone.split_codes
        self.is_empty = not len(columns)

    @cached_property
    def _ids(self) -> IdFinder:
        """Made where a sample is new or has changed."""
        return IdFinder(self._units.alone)

    def find(self, block: Block) -> np.ndarray:
        """As `UnitSplits.find`."""
        return self._units.find(block)

    def find_former(self, block: Block) -> np.ndarray:
        """Of samples whose unit is not there: a file with new content is the sample that it was,
        and what comes back what it was when it left."""
        found = np.full(len(block), UNKNOWN, np.int8)
        is_alone = np.array([group is None for group in block.groups], bool)
        rows = np.flatnonzero(is_alone)
        if len(rows):
            ids = block.ids
            places = self._ids.find([ids[row] for row in rows.tolist()])
            found[rows] = _codes_at(self._codes, places)
        if self._departed:
            units = list(units_in(block))
            for row in np.flatnonzero(found == UNKNOWN).tolist():
                if split := self._departed.get(short(units[row])):
                    found[row] = SPLITS.index(split)
        return found


def departed_of(
    before: SampleColumns, after: SampleColumns, known: Mapping[str, str]
) -> dict[str, str]:
    """The splits of units that left a dataset, for when they come back; with those known so far."""
    stay = UnitSplits(after)
    left: dict[str, str] = {}
    for block in before.blocks():
        is_gone, splits = stay.find(block) == UNKNOWN, block.splits
        if is_gone.any():
            units = list(units_in(block))
            left |= {units[row]: splits[row] for row in np.flatnonzero(is_gone).tolist()}
    return {**known, **{short(unit): split for unit, split in left.items()}}


def short(unit: str) -> str:
    """A unit as it is remembered once it is gone."""
    return hashlib.sha256(unit.encode()).hexdigest()[:16]


def dealt(listing: Listing, rule: Rule, kept: Kept | None = None) -> np.ndarray:
    """The split of each sample: as its source says, as it was, or by the rule.

    Args:
        listing: with splits where the source says them.
        rule: how the others are dealt out.
        kept: what is known of them.

    Returns:
        Places in `SPLITS`, int8, shape (n,).
    """
    codes, is_own = listing.said.copy(), listing.is_own
    rows = np.flatnonzero(~is_own)
    if not len(rows):
        return codes
    own = None
    if is_own.any():
        said = listing.with_splits(np.where(is_own, codes, 0).astype(np.int8))
        own = UnitSplits(said.where(is_own))
    known = _Known(listing.columns, own, kept)
    if rule.remembers and known.is_plain and (listing.said == OPEN).all():
        return _beside_known(listing.columns, rule, known)
    pools: dict[str | None, Pool] = {}
    start = 0
    for block in listing.columns.take(rows).blocks():
        part = rows[start : start + len(block)]
        start += len(block)
        if not rule.remembers:  # then who has a split keeps it, unless the source says more
            codes[part] = found = known.codes(block)
            left = np.flatnonzero((found == UNKNOWN) | (listing.said[part] != OPEN))
            if not len(left):
                continue
            block, part = block.take(left), part[left]
        says = [SAYINGS[code] for code in listing.said[part].tolist()]
        units, splits = known.units(block), known.splits(block)
        if rule.remembers:
            _pool(pools, block, units, splits, says)
        else:
            codes[part] = _by_rule(units, splits, says, rule)
    if rule.remembers:
        deal(pools, rule, is_first=kept is None or kept.is_empty)
        start = 0
        for block in listing.columns.take(rows).blocks():
            part = rows[start : start + len(block)]
            start += len(block)
            says = [SAYINGS[code] for code in listing.said[part].tolist()]
            pairs = zip(says, known.units(block), strict=True)
            codes[part] = [SPLITS.index(pools[said].splits[unit]) for said, unit in pairs]
    return codes


def _beside_known(columns: SampleColumns, rule: Rule, known: _Known) -> np.ndarray:
    """As `dealt`, where contents alone belong together: what was there stays, of which it is enough
    to know how many there are, and what is new is dealt out beside it."""
    pool, found = Pool(), list[np.ndarray]()
    for block in columns.blocks():
        found.append(known.settled(block))
        pool.settle(block, found[-1])
    codes = np.concatenate(found)
    new = columns.take(np.flatnonzero(codes == UNKNOWN))
    units = [unit for block in new.blocks() for unit in units_in(block)]
    for block in new.blocks():
        _pool({None: pool}, block, list(units_in(block)), known.splits(block), [None] * len(block))
    deal({None: pool}, rule, is_first=False)
    codes[codes == UNKNOWN] = [SPLITS.index(pool.splits[unit]) for unit in units]
    return codes


class _Known:
    """The splits that samples have: that of a sample of their unit of which the source says it, or
    that they had; else that of what they share a content with.

    Args:
        columns: all samples.
        own: those of which the source says the split.
        kept: the dataset as it was.
    """

    def __init__(self, columns: SampleColumns, own: UnitSplits | None, kept: Kept | None) -> None:
        self._looks = [*([own.find] if own else []), *([kept.find] if kept else [])]
        self._former = [kept.find_former] if kept else []
        self._same = joined_units(columns)
        self.is_plain = bool(kept and not kept.is_empty) and not (own or columns.has_groups)
        """Whether there are samples of before, and neither groups nor splits that sources say."""
        self._joined: dict[str, int] = {}
        for looks in (self._looks, self._former) if self._same else ():
            found = {}
            for block in columns.blocks():
                rows = [n for n, unit in enumerate(units_in(block)) if unit in self._same]
                some = block.take(np.array(rows, np.int64))
                for unit, code in zip(self._whole(some), _first(looks, some).tolist(), strict=True):
                    if code != UNKNOWN:
                        found.setdefault(unit, code)
            self._joined = {**found, **self._joined}

    def splits(self, block: Block) -> list[str | None]:
        """Of each sample, None where there is none."""
        names = (*SPLITS, None)
        return [names[code] for code in self.codes(block).tolist()]

    def settled(self, block: Block) -> np.ndarray:
        """The same as `codes`, but for what is new and came in place of a sample, or came back."""
        return _first(self._looks, block)

    def codes(self, block: Block) -> np.ndarray:
        """The same as places in `SPLITS`, int8; `UNKNOWN` where there is none."""
        found = self.settled(block)
        if self._joined:
            joined = [self._joined.get(unit, UNKNOWN) for unit in self._whole(block)]
            found = np.where(found == UNKNOWN, np.array(joined, np.int8), found)
        left = np.flatnonzero(found == UNKNOWN)
        if len(left) and self._former:
            found[left] = _first(self._former, block.take(left))
        return found

    def units(self, block: Block) -> list[str]:
        """Of each sample, all that is connected by contents as one; but what stands in another
        split than that one has stays by itself, where it is: no sample moves."""
        if not self._same:
            return list(units_in(block))
        triples = zip(units_in(block), self._whole(block), self.splits(block), strict=True)
        return [
            unit if split and self._joined.get(whole) not in (None, SPLITS.index(split)) else whole
            for unit, whole, split in triples
        ]

    def _whole(self, block: Block) -> list[str]:
        return [self._same.get(unit, unit) for unit in units_in(block)]


def _first(looks: Sequence[Callable[[Block], np.ndarray]], block: Block) -> np.ndarray:
    """What the first look says that knows a sample, int8."""
    found = np.full(len(block), UNKNOWN, np.int8)
    for look in looks:
        found = np.where(found == UNKNOWN, look(block), found)
    return found


def _by_rule(
    units: Sequence[str], known: Sequence[str | None], says: Sequence[str | None], rule: Rule
) -> list[int]:
    """Places in `SPLITS` by a rule that needs not know the other samples."""
    triples = zip(units, known, says, strict=True)
    return [
        SPLITS.index(_open_to(said, was) or _by_content(unit, rule, said))
        for unit, was, said in triples
    ]


def _pool(
    pools: dict[str | None, Pool],
    block: Block,
    units: Sequence[str],
    known: Sequence[str | None],
    says: Sequence[str | None],
) -> None:
    columns = zip(says, units, block.labels, known, strict=True)
    for said, unit, label, was in columns:
        pools.setdefault(said, Pool()).put(unit, label, was, said == EITHER)


def _is_alone(columns: SampleColumns) -> np.ndarray:
    """Which samples are of no group, bool."""
    return np.array([group is None for group in columns.groups], bool)


def _codes_at(codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The codes of some rows, int8; `UNKNOWN` where there is no row."""
    found = np.full(len(rows), UNKNOWN, np.int8)
    there = rows != ABSENT
    found[there] = codes[rows[there]]
    return found


def _open_to(said: str | None, known: str | None) -> str | None:
    """The split that a sample's unit has, unless its source says that it is not tested on."""
    return None if said == EITHER and known not in NOT_TESTED else known


def _by_content(unit: str, rule: Rule, said: str | None) -> str:
    if rule.way == NONE:
        return "train"
    shares = shares_of(rule, said)
    if said is None and not rule.seed and not rule.spelled:
        return split_of(unit)
    place = place_of(f"{said or 'split'}{rule.seed or ''}\0{unit}")
    for split, share in shares.items():
        if place < share:
            return split
        place -= share
    return next(reversed(shares))
