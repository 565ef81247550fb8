"""What the verbs of datasets give: what the registry knows of one, and its samples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from headstart.registry.entities import Dataset
from headstart.storage.manifest import SPLITS, Manifest


@dataclass(frozen=True)
class Registered:
    """A registered dataset with the samples that were read or written for it.

    Attributes:
        dataset: as it stands in the registry.
        manifest: its samples; whoever wants to show them need not read them again.
    """

    dataset: Dataset
    manifest: Manifest

    @cached_property
    def counts(self) -> dict[str, tuple[int, ...]]:
        """Samples of each class in `SPLITS`."""
        found = Counter((str(one.label), one.split) for one in self.manifest.samples)
        return {
            name: tuple(found[name, split] for split in SPLITS) for name in self.dataset.classes
        }

    @cached_property
    def totals(self) -> tuple[int, ...]:
        """Samples of all classes in `SPLITS`."""
        return tuple(
            sum(counts[place] for counts in self.counts.values()) for place in range(len(SPLITS))
        )

    def to_json(self) -> dict[str, Any]:
        dataset = self.dataset
        return {
            "name": dataset.name,
            "kind": dataset.kind,
            "source": dataset.source,
            "digest": dataset.digest,
            "samples": dataset.samples,
            "unique": dataset.unique,
            "classes": dataset.classes,
            "splits": dict(zip(SPLITS, self.totals, strict=True)),
        }
