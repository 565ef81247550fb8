"""Which cached features suit a dataset, as a job; see `Workspace.rank`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from headstart.cached import features_of_blocks
from headstart.context import Context
from headstart.jobs.datasets.rank import rank, with_each
from headstart.jobs.heads.cross_validation import Features, choose
from headstart.jobs.tasks.planned import trying_of
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.registry.references import label_of


@dataclass(frozen=True)
class RankTask:
    """The document is what `rank --json` prints.

    Attributes:
        dataset: its name.
        backbones: those that are ranked; all features that are cached of it without them.
        precision: in what they were computed.
        trying: as `told_of_trying` gives it.
    """

    kind: ClassVar[str] = "rank"
    dataset: str
    backbones: Sequence[str] = ()
    precision: str = "float32"
    trying: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"rank {', '.join(map(label_of, self.backbones)) or 'all cached features'}"

    def check(self, context: Context) -> None:
        """What is cached is looked for when it is done, what was named also now."""
        if not self.backbones:
            return  # the dataset is looked up by who begins it
        dataset = context.datasets.get(self.dataset)
        for blocks in with_each(choose(context, self._features)):
            features_of_blocks(context, blocks, dataset)

    @property
    def _features(self) -> Features:
        return Features.of(self.dataset, tuple(self.backbones), self.precision)

    def run(self, context: Context, progress: Progress) -> Outcome:
        trying = trying_of(self.trying)
        found = rank(context, self._features, trying=trying, progress=progress)
        return Outcome({}, found.to_json())
