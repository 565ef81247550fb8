"""Training a head's next version as a job; see `Head.retrain`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.context import Context
from headstart.jobs.heads.care.retrain import retrain
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.trained_head import TrainedHead


@dataclass(frozen=True)
class RetrainTask:
    """On its dataset as it is now; gives the new `head`."""

    kind: ClassVar[str] = "retrain"
    head: str
    dataset: str

    @property
    def subject(self) -> str:
        return f"train {self.head} again"

    def check(self, context: Context) -> None:
        context.heads.get(self.head)

    def run(self, context: Context, progress: Progress) -> Outcome:
        head = TrainedHead(context, context.heads.get(self.head))
        record = retrain(head, progress=progress).record
        return Outcome({"head": f"{record.name}:{record.version}"})
