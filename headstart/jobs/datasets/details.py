"""A dataset as it is shown: samples of each class in each split, what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headstart.context import Context
from headstart.jobs.datasets.failures import Unread, find_failures
from headstart.registry.entities import Dataset
from headstart.storage.manifest import SPLITS, Manifest
from headstart.values.showable import Showable


@dataclass(frozen=True)
class DatasetDetails(Showable):
    """A registered dataset with the samples that were read or written for it.

    Attributes:
        dataset: as it stands in the registry.
        manifest: its samples; whoever wants to show them need not read them again.
        failures: those of them that could not be read.
    """

    dataset: Dataset
    manifest: Manifest
    failures: tuple[Unread, ...] = ()

    @cached_property
    def counts(self) -> dict[str, tuple[int, ...]]:
        """Samples of each class in `SPLITS`."""
        found = Counter((str(one.label), one.split) for one in self.manifest.samples)
        return {
            name: tuple(found[name, split] for split in SPLITS) for name in self.dataset.classes
        }

    @cached_property
    def splits(self) -> dict[str, int]:
        """Labelled samples in each split."""
        each = self.counts.values()
        return {split: sum(of[place] for of in each) for place, split in enumerate(SPLITS)}

    def _facts(self) -> dict[str, Any]:
        return {**self.dataset.to_json(), "splits": self.splits, "failures": self.failures}

    def __repr__(self) -> str:
        return repr(self.dataset)


def details(context: Context, dataset: Dataset) -> DatasetDetails:
    """See `Datasets.details`."""
    failures = find_failures(context, dataset.name)
    return DatasetDetails(dataset, context.manifest(dataset), tuple(failures))
