"""Units that are dealt out to the same splits."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

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

    def settled_labels(self) -> list[Counts]:
        """Of each unit of them, what its samples have; how many these are is not known."""
        found: defaultdict[bytes, Counts] = defaultdict(dict)
        for label, content in self._contents:
            found[content][label] = 1
        return list(found.values())

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
