"""`ws.duplicates`: samples of a dataset that are nearly the same, and those across splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from headstart.extractors.datasets import reader_of
from headstart.heads.evaluation.near_duplicates import compares_all
from headstart.jobs.datasets.twins import Twins, find_twins, groups_of, looks_of
from headstart.jobs.exploration.looked_at import LookedAt
from headstart.notices import tell
from headstart.progress import Progress, silent
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Duplicates(Showable):
    """What was found, pairs across the border of the test split first, then the nearest.

    Attributes:
        dataset: in which was looked.
        backbone: by whose features, `NAME:VERSION@CUT`, joined by ` + `.
        samples: how many were compared.
        pairs: near duplicates.
        pictures: how many samples were compared by how they look; None where that was not asked.
        all_pairs: whether the features of all pairs were compared; else near duplicates were looked
            for around each sample, and a few may be missing.
        others: pairs that were found and not asked for, as both samples are in one split.
    """

    dataset: str
    backbone: str
    samples: int
    pairs: list[Twins]
    pictures: int | None = None
    all_pairs: bool = True
    others: list[Twins] = field(default_factory=list, repr=False)

    @property
    def groups(self) -> dict[str, str]:
        """Of each sample of a pair, by id, the name of those that belong together, and of all that
        are connected to it by any pairs: as a group column they stay in one split."""
        every = groups_of([*self.pairs, *self.others])
        meant = {every[pair.first.id] for pair in self.pairs}
        return {id_: group for id_, group in every.items() if group in meant}

    @property
    def across(self) -> list[Twins]:
        """Pairs whose samples stand in two splits."""
        return [pair for pair in self.pairs if pair.first.split != pair.second.split]

    @property
    def leaks(self) -> list[Twins]:
        """Pairs of which one sample is tested on, and the other is not."""
        return [pair for pair in self.pairs if pair.is_leak]

    def rows(self) -> list[dict[str, Any]]:
        """A row for each sample that has a group, those of one group together."""
        groups = self.groups
        every = [*self.pairs, *self.others]
        samples = {one.id: one for pair in every for one in (pair.first, pair.second)}
        meant = (one for one in samples.values() if one.id in groups)
        each = sorted(meant, key=lambda one: (groups[one.id], one.id))
        return [
            {"id": one.id, "split": one.split, "label": one.label, "group": groups[one.id]}
            for one in each
        ]

    def _facts(self) -> dict[str, Any]:
        facts = dict(vars(self))
        del facts["others"]
        return facts

    def _line(self) -> str:
        return f"{len(self.pairs):,} pairs among {self.samples:,} samples of {self.dataset!r}"


def duplicates(
    among: LookedAt, *, pictures: bool = False, across: bool = False, progress: Progress = silent
) -> Duplicates:
    """See `Workspace.duplicates`."""
    origin, count = among.origin, len(among.rows)
    if not (all_pairs := compares_all(count)):
        tell(
            f"near duplicates of {count:,} samples are looked for around each, not among all: a "
            "few may be missing"
        )
    looks = None
    if pictures:
        looks = looks_of(reader_of(origin.dataset), among.samples, progress)
    found = find_twins(among.rows, among.samples, looks or {})
    kept = [not across or pair.first.split != pair.second.split for pair in found]
    return Duplicates(
        origin.dataset.name,
        origin.blocks.reference,
        count,
        [pair for pair, is_kept in zip(found, kept, strict=True) if is_kept],
        None if looks is None else len(looks),
        all_pairs,
        [pair for pair, is_kept in zip(found, kept, strict=True) if not is_kept],
    )
