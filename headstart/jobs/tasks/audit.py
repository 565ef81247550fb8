"""Labels worth a look, as a job; see `Workspace.audit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headstart.context import Context
from headstart.jobs.datasets.audit import audit
from headstart.jobs.labels.kept_audit import told_of_audit
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress


@dataclass(frozen=True)
class AuditTask:
    """Of a dataset, by some features; the document is for `audit_of`."""

    kind: ClassVar[str] = "audit"
    features: str
    dataset: str

    @property
    def subject(self) -> str:
        return f"audit by {self.features}"

    def check(self, context: Context) -> None:
        context.resolve(self.features)

    def run(self, context: Context, progress: Progress) -> Outcome:
        found = audit(context, self.features, self.dataset, progress=progress)
        return Outcome({}, told_of_audit(found))
