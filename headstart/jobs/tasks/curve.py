"""A head's learning curve as a job; see `Head.learning_curve`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.context import Context
from headstart.jobs.heads.learning_curve import learning_curve
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.trained_head import TrainedHead


@dataclass(frozen=True)
class CurveTask:
    """The document is what `head plot` draws, a point a number of samples."""

    kind: ClassVar[str] = "curve"
    head: str
    dataset: str

    @property
    def subject(self) -> str:
        return f"learning curve of {self.head}"

    def check(self, context: Context) -> None:
        context.heads.get(self.head)

    def run(self, context: Context, progress: Progress) -> Outcome:
        head = TrainedHead(context, context.heads.get(self.head))
        return Outcome({}, learning_curve(head, progress).to_json())
