"""A dataset as it is shown: samples of each class in each split, what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headstart.context import Context
from headstart.extractors.datasets import said_of, words_of
from headstart.jobs.datasets.failures import Unread, failures_in
from headstart.registry.entities import Dataset
from headstart.storage.manifest import SPLITS, Manifest
from headstart.values.showable import Showable

WITHOUT = "without label"


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
        columns = self.manifest.columns
        pairs = zip(columns.labels, columns.splits, strict=True)
        found = Counter[tuple[str, str]]()
        for (label, split), count in Counter(pairs).items():
            found[WITHOUT if label is None else str(label), split] += count
        without = any(name == WITHOUT for name, _ in found)
        names = [*self.dataset.classes, *([WITHOUT] if without else [])]
        return {name: tuple(found[name, split] for split in SPLITS) for name in names}

    @cached_property
    def splits(self) -> dict[str, int]:
        """Samples in each split."""
        return self.manifest.columns.split_counts

    @property
    def split(self) -> str:
        """In which way samples were dealt to the splits."""
        return said_of(self.dataset.options)

    @property
    def split_words(self) -> str:
        """The same in words, and whether the source itself says it."""
        return words_of(self.dataset.options)

    @property
    def skipped(self) -> dict[str, Any]:
        """`count` of the rows and files that are no samples, and why the `first` are none."""
        return self.dataset.options.get("skipped", {"count": 0, "first": []})

    def _facts(self) -> dict[str, Any]:
        return {
            **self.dataset.to_json(),
            "split": self.split,
            "own_splits": self.dataset.options.get("own_splits"),
            "splits": self.splits,
            "skipped": self.skipped,
            "failures": self.failures,
        }

    def __repr__(self) -> str:
        return repr(self.dataset)


def details(context: Context, dataset: Dataset) -> DatasetDetails:
    """See `Datasets.details`."""
    return details_of(context, dataset, context.manifest(dataset))


def details_of(context: Context, dataset: Dataset, manifest: Manifest) -> DatasetDetails:
    """As `details`, where its samples are at hand."""
    return DatasetDetails(dataset, manifest, tuple(failures_in(context, manifest)))
