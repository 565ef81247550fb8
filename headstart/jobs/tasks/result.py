"""What a task gave, as its verb would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headstart.context import Context
from headstart.errors import RegistryError
from headstart.jobs.labels.kept_audit import audit_of
from headstart.jobs.labels.kept_next import next_of
from headstart.jobs.tasks.audit import AuditTask
from headstart.jobs.tasks.next import NextTask
from headstart.jobs.tasks.task import document_of
from headstart.registry.jobs import DONE, Job
from headstart.values.showable import Results, Showable


@dataclass(frozen=True)
class JobResult(Showable):
    """What a job gave.

    Attributes:
        job: that is done.
        given: the `head` or `map` that it made, by name or key; or what its verb gives with
            `--json`, of the samples as they are now.
    """

    job: Job
    given: Any

    def _facts(self) -> dict[str, Any]:
        return {"job": self.job.id, "kind": self.job.kind, "given": self.given}

    def _line(self) -> str:
        return f"of job {self.job.id}, {self.job.subject!r} on {self.job.dataset!r}"


def result_of(context: Context, number: int) -> JobResult:
    """See `Jobs.result`."""
    job = context.jobs.get(number)
    if not job.is_task:
        raise RegistryError(
            f"job {number} is an extraction, which gives rows",
            hint=f"`headstart extract {job.subject} {job.dataset}` says what is there.",
        )
    if job.state != DONE:
        raise RegistryError(
            f"job {number} is {job.state}, and gave nothing",
            hint=f"`headstart job show {number}` says how far it is.",
        )
    if "document" not in (job.result or {}):
        return JobResult(job, job.result)
    return JobResult(job, _given(context, job, document_of(context, job)))


def _given(context: Context, job: Job, document: Any) -> Any:
    """Of samples a job keeps no more than which they are."""
    read = {AuditTask.kind: audit_of, NextTask.kind: next_of}.get(job.kind)
    if read is None:
        return document
    found = read(document, context.manifests.open(context.datasets.get(job.dataset).manifest))
    return found.to_json() if isinstance(found, Showable) else Results(found).to_json()
