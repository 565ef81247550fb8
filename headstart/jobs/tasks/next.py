"""What to look at next, as a job; see `Head.label_next` and `Head.least_sure`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.context import Context
from headstart.jobs.heads.care.label_next import label_next
from headstart.jobs.heads.care.least_sure import least_sure
from headstart.jobs.labels.kept_next import told_of_next
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress
from headstart.trained_head import TrainedHead

COUNT = 100
"""More than anybody looks at before the head is trained again."""


@dataclass(frozen=True)
class NextTask:
    """Samples without a label, or the test samples that a head is least sure of; the document is
    for `next_of`."""

    kind: ClassVar[str] = "next"
    head: str
    dataset: str
    held_out: bool

    @property
    def subject(self) -> str:
        if self.held_out:
            return f"test samples that {self.head} is least sure of"
        return f"what to label next, by {self.head}"

    def check(self, context: Context) -> None:
        context.heads.get(self.head)

    def run(self, context: Context, progress: Progress) -> Outcome:
        head = TrainedHead(context, context.heads.get(self.head))
        progress(0, 1)
        if self.held_out:
            return Outcome({}, told_of_next(least_sure(head, COUNT, self.dataset)))
        return Outcome({}, told_of_next(label_next(head, self.dataset, COUNT)))
