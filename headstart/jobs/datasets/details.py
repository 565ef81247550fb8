"""A dataset as it is shown: samples of each class in each split, what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.extractors.datasets import are_numbers, said_of, words_of
from headstart.extractors.datasets.corrections import Corrections
from headstart.jobs.datasets.failures import Unread, failures_in
from headstart.registry.entities import Dataset
from headstart.storage.manifest import SPLITS, Manifest
from headstart.storage.samples import BETWEEN
from headstart.storage.windowed.wholes import wholes_of
from headstart.values.quantities import range_of
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
        found = Counter[tuple[str, str]]()
        for block in self.manifest.columns.blocks():
            values = [*map(str, block.label_values), WITHOUT]
            pairs = np.column_stack([block.label_codes, block.split_codes])
            for (label, split), count in zip(
                *np.unique(pairs, axis=0, return_counts=True), strict=True
            ):
                found[values[label], SPLITS[split]] += int(count)
        without = any(name == WITHOUT for name, _ in found)
        names = [*self.dataset.classes, *([WITHOUT] if without else [])]
        return {name: tuple(found[name, split] for split in SPLITS) for name in names}

    @cached_property
    def numbers(self) -> dict[str, tuple[int, float, float, float]]:
        """Where labels are numbers: how many, and the least, the median and the largest of them, of
        each split that has some; of several numbers a sample `SPLIT, number 1` and so on. Empty
        where labels are classes."""
        columns = self.manifest.columns
        known = set(columns.labels) - {None}
        labels = {label: numbers for label in known if (numbers := _numbers_in(label))}
        are_told = are_numbers(columns.labels) or range_of(
            self.dataset.classes, self.dataset.samples
        )
        if not are_told or len(labels) < len(known):
            return {}
        found: dict[str, tuple[int, float, float, float]] = {}
        for split in SPLITS:
            pairs = zip(columns.labels, columns.splits, strict=True)
            own = [labels[label] for label, of in pairs if of == split and label is not None]
            of_each = list(zip(*own, strict=True)) if len(set(map(len, own))) == 1 else []
            for number, values in enumerate(of_each, start=1):
                name = split if len(of_each) == 1 else f"{split}, number {number}"
                found[name] = len(own), min(values), float(np.median(values)), max(values)
        return found

    @cached_property
    def splits(self) -> dict[str, int]:
        """Samples in each split."""
        return self.manifest.columns.split_counts

    @cached_property
    def weights(self) -> dict[str, float] | None:
        """For how many samples each counts where heads are trained, the `least` and the `largest`;
        None where nothing is said of it."""
        columns = self.manifest.columns
        if not columns.has_weights:
            return None
        return {"least": float(columns.weights.min()), "largest": float(columns.weights.max())}

    @property
    def windows_of(self) -> int | None:
        """How many long samples its samples are windows of; None where they are none."""
        wholes = wholes_of(self.manifest)
        return None if wholes is self.manifest else len(wholes.samples)

    @property
    def split(self) -> str:
        """In which way samples were dealt to the splits."""
        return said_of(self.dataset.options)

    @property
    def origin(self) -> str:
        """Where its samples came from; of data that were in memory also where they lie now."""
        given = self.dataset.options.get("origin")
        return f"{given}, kept in {self.dataset.source}" if given else self.dataset.source

    @property
    def split_words(self) -> str:
        """The same in words, and whether the source itself says it."""
        return words_of(self.dataset.options)

    @property
    def corrections(self) -> str:
        """How many labels people changed and samples they left out, in words; empty of none."""
        return Corrections.of(self.dataset.options).to_text()

    @property
    def skipped(self) -> dict[str, Any]:
        """`count` of the rows and files that are no samples, and why the `first` are none."""
        return self.dataset.options.get("skipped", {"count": 0, "first": []})

    def _facts(self) -> dict[str, Any]:
        return {
            **self.dataset.to_json(),
            "split": self.split,
            "weights": self.weights,
            "windows_of": self.windows_of,
            "own_splits": self.dataset.options.get("own_splits"),
            "splits": self.splits,
            "corrections": self.corrections or None,
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


def _numbers_in(label: Any) -> tuple[float, ...] | None:
    """The numbers that a label is; None if it is none."""
    try:
        return tuple(float(part) for part in str(label).split(BETWEEN))
    except ValueError:
        return None
