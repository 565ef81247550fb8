"""Labels worth a look, as a job; see `Workspace.audit`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from headstart.cached import features_of
from headstart.context import Context
from headstart.jobs.datasets.audit import audit
from headstart.jobs.labels.kept_audit import told_of_audit
from headstart.jobs.tasks.planned import trying_of
from headstart.jobs.tasks.task import Outcome
from headstart.progress import Progress


@dataclass(frozen=True)
class AuditTask:
    """Of a dataset, by some features; the document is for `audit_of`.

    Attributes:
        features: `BACKBONE@CUT`.
        dataset: its name.
        precision: in what they were computed.
        pictures: whether samples are also compared by how they look.
        trying: as `told_of_trying` gives it.
    """

    kind: ClassVar[str] = "audit"
    features: str
    dataset: str
    precision: str = "float32"
    pictures: bool = False
    trying: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"audit by {self.features}"

    def check(self, context: Context) -> None:
        features_of(context, self.features, self.dataset, self.precision)

    def run(self, context: Context, progress: Progress) -> Outcome:
        found = audit(
            context,
            self.features,
            self.dataset,
            precision=self.precision,
            trying=trying_of(self.trying),
            pictures=self.pictures,
            progress=progress,
        )
        return Outcome({}, told_of_audit(found))
