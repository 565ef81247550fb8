"""Units that are dealt out to the same splits."""

from __future__ import annotations

from headstart.storage.manifest import Label
from headstart.storage.samples import place_of

Counts = dict[Label | None, int]
"""Samples of each label."""
NOT_TESTED = ("train", "validation")


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
