"""`ws.datasets.resplit`: the samples of a dataset are dealt to the splits anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.context import Context
from headstart.errors import DatasetChanged, SourceGone
from headstart.extractors import datasets as sources
from headstart.extractors.datasets.corrections import after_others, corrected
from headstart.jobs.datasets.add import described, heads_on, settled, warn_of_skipped
from headstart.jobs.datasets.details import DatasetDetails, details_of
from headstart.progress import Progress, silent
from headstart.registry.entities import Dataset
from headstart.storage.columns.finder import ABSENT, IdFinder
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.windowed.wholes import wholes_of
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Resplit(Showable):
    """What a dataset became.

    Attributes:
        details: of the dataset as it is now.
        moved: samples that stand in another split than before.
        voided: heads that were trained on it, whose scores are of other splits: `name:version`.
    """

    details: DatasetDetails
    moved: int
    voided: list[str]

    @property
    def dataset(self) -> Dataset:
        """As it is now."""
        return self.details.dataset

    def _facts(self) -> dict[str, Any]:
        return {**self.details.to_json(), "moved": self.moved, "voided": self.voided}


def resplit(
    context: Context,
    name: str,
    split: str | Sequence[float] | None = None,
    *,
    seed: int | None = None,
    progress: Progress = silent,
) -> Resplit:
    """See `Datasets.resplit`."""
    dataset = context.datasets.get(name)
    if sources.is_gone(dataset.source):
        raise SourceGone(
            f"the source of dataset {name!r}, {dataset.source}, is not there",
            hint=f"If it was moved: `headstart dataset move {name} PATH`. Its splits stay.",
        )
    options = _options(dataset, sources.spelled(split), sources.checked_seed(seed))
    previous, skipped = context.manifest(dataset), list[str]()
    opened = sources.open_source(dataset.kind, dataset.source, options, context.artifacts)
    manifest = sources.scan(opened, options, previous, progress, keeps=False, skipped=skipped)
    manifest = corrected(manifest, options)
    warn_of_skipped(opened.source, skipped)
    moved, heads = (
        _moved(wholes_of(previous).columns, wholes_of(manifest).columns),
        heads_on(context, name),
    )
    stored = settled(opened, options, manifest) | sources.listed(skipped)
    stored = sources.voiding(after_others(stored), heads if moved else [])
    voided = [one for one in sources.voided_in(stored) if one in heads]
    updated = context.datasets.update(described(context, name, manifest, stored), dataset)
    if updated is None:
        raise DatasetChanged(
            f"dataset {name!r} was changed by somebody else while it was dealt again",
            hint="Nothing was stored; deal it again.",
        )
    return Resplit(details_of(context, updated, manifest), moved, voided)


def _moved(before: SampleColumns, after: SampleColumns) -> int:
    """Samples that stand in another split than before."""
    known, splits, moved = IdFinder(before), before.split_codes, 0
    for block in after.blocks():
        rows = known.find(block.ids)
        there = rows != ABSENT
        moved += int((splits[rows[there]] != block.split_codes[there]).sum())
    return moved


def _options(dataset: Dataset, split: str | None, seed: int | None) -> dict[str, Any]:
    """Those of the dataset, with how it is to be split; one of before is looked at as if new."""
    options = {
        key: value
        for key, value in dataset.options.items()
        if key not in ("departed", "skipped", "own_splits")
    }
    is_before = sources.is_before(sources.as_stored(options))
    if split is not None or is_before:
        gone = ["split", "deal"]
        gone += ["split_column"] if split is not None else []
        gone += ["layout"] if is_before else []
        options = {key: value for key, value in options.items() if key not in gone}
        options |= sources.asked(sources.SOURCES[dataset.kind], split)
    return options if seed is None else {**options, "seed": seed}
