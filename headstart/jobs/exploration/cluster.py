"""`ws.cluster`: the samples of a dataset in groups that lie together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import FeatureError
from headstart.heads.exploration.clusters import grouped
from headstart.heads.labelled import labels_of
from headstart.jobs.exploration.looked_at import LookedAt, check_count
from headstart.storage.manifest import Label, Sample
from headstart.values.showable import Showable

CENTRAL = 3
"""Samples that are named of each cluster: those nearest to its centre."""


@dataclass(frozen=True)
class Cluster(Showable):
    """Samples that lie together.

    Attributes:
        number: the largest cluster is 0.
        size: samples in it.
        central: ids of those nearest to its centre.
        spread: how far its samples are from the centre on average, 1 - cosine.
        label: the most frequent one of its samples; None if none has one.
        share: of its samples that have a label, how many have this one.
    """

    number: int
    size: int
    central: list[str]
    spread: float
    label: Label | None
    share: float | None


@dataclass(frozen=True)
class Clusters(Showable):
    """All clusters of a dataset, the largest first.

    Attributes:
        clusters: each.
        samples: those that were looked at.
        numbers: the cluster of each of them, (n,).
        distances: of each to the centre, 1 - cosine, (n,).
    """

    clusters: list[Cluster]
    samples: Sequence[Sample]
    numbers: np.ndarray
    distances: np.ndarray

    def rows(self) -> Iterator[dict[str, object]]:
        """`id`, `cluster` and `distance` of each sample."""
        for sample, number, away in zip(self.samples, self.numbers, self.distances, strict=True):
            yield {"id": sample.id, "cluster": int(number), "distance": f"{away:.4f}"}

    def _facts(self) -> dict[str, object]:
        return {"clusters": self.clusters, "samples": len(self.samples)}

    def _line(self) -> str:
        return f"{len(self.clusters)} of {len(self.samples):,} samples"


def cluster(among: LookedAt, count: int = 10, seed: int = 0) -> Clusters:
    """See `Workspace.cluster`."""
    check_count(count, "count")
    if count > len(among.rows):
        raise FeatureError(
            f"{count:,} clusters of {len(among.rows):,} samples", hint="Ask for fewer."
        )
    numbers, away = grouped(among.rows, count, seed)
    labels = labels_of(among.samples)
    found = [
        _cluster(among, place, np.flatnonzero(numbers == place), away, labels)
        for place in range(count)
    ]
    kept = [one for one in found if one.size]  # copies leave a centre without any
    return Clusters(kept, among.samples, numbers, away)


def _cluster(
    among: LookedAt, number: int, rows: np.ndarray, away: np.ndarray, labels: list[Label | None]
) -> Cluster:
    nearest = rows[np.argsort(away[rows], kind="stable")[:CENTRAL]]
    told = Counter(labels[row] for row in rows.tolist() if labels[row] is not None)
    label, times = told.most_common(1)[0] if told else (None, 0)
    return Cluster(
        number,
        len(rows),
        [among.sample(row).id for row in nearest.tolist()],
        float(away[rows].mean()) if len(rows) else 0.0,
        label,
        times / told.total() if told else None,
    )
