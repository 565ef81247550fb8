"""`ws.cover`: a few samples that stand for all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.heads.exploration.cover import cover as cover_rows
from headstart.heads.labelled import labels_of
from headstart.jobs.exploration.looked_at import LookedAt, check_count
from headstart.storage.manifest import Sample
from headstart.values.showable import Showable


@dataclass(frozen=True)
class Cover(Showable):
    """Samples to which all others are near.

    Attributes:
        samples: in the order in which they were taken: each is the one furthest from those before.
        looked_at: of how many.
        labelled: so many have a label already and were taken as known.
        radius: how far the furthest other is from the nearest of them, 1 - cosine.
    """

    samples: list[Sample]
    looked_at: int
    labelled: int
    radius: float

    def _facts(self) -> dict[str, object]:
        return {
            "samples": [
                {"id": one.id, "split": one.split, "label": one.label} for one in self.samples
            ],
            "looked_at": self.looked_at,
            "labelled": self.labelled,
            "radius": self.radius,
        }

    def _line(self) -> str:
        return f"{len(self.samples):,} of {self.looked_at:,}, radius {self.radius:.3f}"


def cover(among: LookedAt, count: int = 20, *, beside_labelled: bool = False) -> Cover:
    """See `Workspace.cover`."""
    check_count(count, "count")
    known = np.empty(0, np.int64)
    if beside_labelled:
        labels = labels_of(among.samples)
        known = np.flatnonzero([label is not None for label in labels])
    rows, radius = cover_rows(among.rows, count, known)
    samples = [among.sample(row) for row in rows.tolist()]
    return Cover(samples, len(among.rows), len(known), radius)
