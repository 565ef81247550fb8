"""Which cached features suit a dataset, as a job; see `Workspace.rank`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.context import Context
from headstart.jobs.datasets.rank import rank
from headstart.jobs.heads.cross_validation import Features
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress


@dataclass(frozen=True)
class RankTask:
    """Of all features that are cached of a dataset; the document is what `rank --json` prints."""

    kind: ClassVar[str] = "rank"
    dataset: str

    @property
    def subject(self) -> str:
        return "rank all cached features"

    def check(self, context: Context) -> None:
        pass  # the dataset is looked up by who begins it

    def run(self, context: Context, progress: Progress) -> Outcome:
        found = rank(context, Features.of(self.dataset, (), "float32"), progress=progress)
        return Outcome({}, found.to_json())
