"""`ws.outliers`: the samples of a dataset that are unlike all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.errors import FeatureError, InvalidFeatureSetting
from headstart.heads.evaluation.near_duplicates import compares_all
from headstart.heads.exploration.outliers import AROUND, distance_to_others
from headstart.jobs.exploration.looked_at import LookedAt, check_count
from headstart.notices import tell
from headstart.storage.manifest import Sample
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class Outlier(Showable):
    """A sample that is unlike the others.

    Attributes:
        sample: which.
        distance: 1 - cosine to its tenth nearest other.
        share: of all samples, those whose tenth nearest is as far at least.
    """

    sample: Sample
    distance: float
    share: float

    def _facts(self) -> dict[str, Any]:
        sample = self.sample
        named = {"id": sample.id, "split": sample.split, "label": sample.label}
        return {**named, "distance": self.distance, "share": self.share}

    def _line(self) -> str:
        return f"{self.sample.id!r}, {self.distance:.3f} from its {AROUND}th nearest"


def outliers(among: LookedAt, count: int = 20) -> Results[Outlier]:
    """See `Workspace.outliers`."""
    check_count(count, "count")
    if len(among.rows) < 2:
        raise _single(among)
    if not compares_all(len(among.rows)):
        tell(
            f"neighbours of {len(among.rows):,} samples are looked for around each, not among all: "
            "distances of a few may be too large"
        )
    away = distance_to_others(among.rows)
    order = np.argsort(-away, kind="stable")[:count]
    ranked = np.sort(away)
    return Results(
        Outlier(
            among.sample(row),
            float(away[row]),
            float(len(away) - np.searchsorted(ranked, away[row])) / len(away),
        )
        for row in order.tolist()
    )


def _single(among: LookedAt) -> FeatureError:
    """The error of a sample that has no other to be compared with."""
    name, all_of_them = among.origin.dataset.name, len(among.view)
    if all_of_them < 2:
        return FeatureError(
            f"dataset {name!r} has a single sample", hint="There is nothing to compare."
        )
    return InvalidFeatureSetting(
        f"with limit 1 a single one of the {all_of_them:,} samples of {name!r} is looked at",
        hint="Give a limit of 2 or more, or none.",
    )
