"""Training a head as a job; see `Heads.train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.cached import features_of
from headstart.context import Context
from headstart.jobs.heads.train import fit
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.registry.names import check_name
from headstart.registry.references import label_of


@dataclass(frozen=True)
class TrainTask:
    """In the usual way, on some features of a dataset; gives the `head`."""

    kind: ClassVar[str] = "train"
    name: str
    features: str
    dataset: str

    @property
    def subject(self) -> str:
        return f"train {self.name} on {label_of(self.features)}"

    @classmethod
    def of(cls, context: Context, name: str, features: str, dataset: str) -> TrainTask:
        """With the version of the backbone that the features mean now, whatever is added while the
        job waits."""
        backbone, _ = context.resolve(features)
        _, at, cuts = features.partition("@")
        return cls(name, f"{backbone.reference}{at}{cuts}", dataset)

    def check(self, context: Context) -> None:
        check_name(self.name, "head")
        context.resolve(self.features)

    def run(self, context: Context, progress: Progress) -> Outcome:
        view = features_of(context, self.features, self.dataset, "float32")
        progress(0, 1)
        fitted = fit(context, self.name, view)
        progress(1, 1)
        record = fitted.register().record
        return Outcome({"head": f"{record.name}:{record.version}"})
