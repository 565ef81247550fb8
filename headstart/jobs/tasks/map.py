"""A map of a dataset as a job; see `Workspace.map`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.context import Context
from headstart.errors import FeatureError
from headstart.extractors.engines.engine import kind_of
from headstart.heads.exploration.coordinates import check_method
from headstart.jobs.exploration.map import map_samples
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.registry.entities import FeatureSet
from headstart.registry.references import exact


@dataclass(frozen=True)
class MapTask:
    """By one feature set; gives the key of the `map`, which is kept as those of others are."""

    kind: ClassVar[str] = "map"
    key: str
    dataset: str
    method: str
    seed: int

    @property
    def subject(self) -> str:
        return f"{self.method} map by {self.key[:12]}"

    def check(self, context: Context) -> None:
        context.feature_sets.get_set(self.key)
        check_method(self.method)

    def run(self, context: Context, progress: Progress) -> Outcome:
        features = context.feature_sets.get_set(self.key)
        progress(0, 1)
        made = map_samples(
            context,
            reference_of(features),
            self.dataset,
            self.method,
            seed=self.seed,
            precision=kind_of(features.precision),
        )
        if made.kept.identity.feature_key != features.key:
            raise FeatureError(
                f"{reference_of(features)} gives other features by now than those of "
                f"{features.key[:12]}",
                hint="Choose the newer ones.",
            )
        return Outcome({"map": made.kept.key})


def reference_of(features: FeatureSet) -> str:
    """What means these features, whatever was added by the name since."""
    return exact(f"{features.backbone}@{features.cut}")
