"""Which samples are to be looked at, and by what they are chosen."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from headstart.context import Context
from headstart.errors import InvalidValue
from headstart.jobs.labels.kept_audit import audit_of
from headstart.jobs.labels.kept_next import next_of
from headstart.jobs.labels.queue import Doubt
from headstart.jobs.tasks.audit import AuditTask
from headstart.jobs.tasks.next import COUNT, NextTask
from headstart.registry.entities import Dataset
from headstart.registry.jobs import Job
from headstart.storage.manifest import Manifest
from headstart.ui.asked import whole_of
from headstart.ui.job_results import JOB, find_asked, same_as_job
from headstart.ui.site import Same

HELD_OUT, UNLABELLED = "held-out", "unlabelled"
OF_HEADS = {
    UNLABELLED: "samples without a label",
    HELD_OUT: "test samples that it is least sure of",
}


@dataclass(frozen=True)
class Choice:
    """See this module.

    Attributes:
        by: features, by which heads judge all labels; or a head.
        of: one of `OF_HEADS`; empty where features are given.
        job: the number of the one that found them; 0 for the newest without options.
    """

    by: str
    of: str = ""
    job: int = 0

    @staticmethod
    def asked(get: Callable[[str], str]) -> Choice | None:
        """What fields say, of a form or of an address; None where they say nothing.

        Raises:
            InvalidValue: a head chooses no such samples.
        """
        if features := get("features"):
            return Choice(features, job=whole_of(get(JOB) or "0", JOB))
        if not (head := get("head")):
            return None
        if (of := get("of")) not in OF_HEADS:
            said = (
                f"chooses no samples called {of[:80]!r}" if of else "is named, and no samples of it"
            )
            raise InvalidValue(
                f"a head {said}", hint=f"`of` in the address is one of {', '.join(OF_HEADS)}."
            )
        return Choice(head, of)

    @property
    def fields(self) -> dict[str, str]:
        """What `asked` takes."""
        if self.of:
            return {"head": self.by, "of": self.of}
        return {"features": self.by, **({JOB: str(self.job)} if self.job else {})}

    @property
    def words(self) -> str:
        if not self.of:
            return f"labels that heads doubt, by {self.by}"
        return f"{OF_HEADS[self.of]}, by {self.by}"

    def task(self, dataset: Dataset) -> AuditTask | NextTask:
        """What finds them, without options."""
        if not self.of:
            return AuditTask(self.by, dataset.name)
        return NextTask(self.by, dataset.name, self.of == HELD_OUT)

    def find_job(self, context: Context, dataset: Dataset) -> Job | None:
        """The job that found them, or is to; None where there is none yet.

        Raises:
            NotFound: it was named, and there is none of that number.
            InvalidValue: it is another kind of job, or for another dataset.
        """
        return find_asked(context, self.task(dataset), self.job)

    def settled(self, job: Job | None) -> Choice:
        """By what the job judged that was named, whatever else the address says."""
        return replace(self, by=str(job.plan["features"])) if self.job and job else self

    def found(self, document: Any, manifest: Manifest) -> list[Doubt]:
        """What that gave, as far as it is so of the samples now."""
        if not self.of:
            return [*(audit_of(document, manifest).suspects or ())]
        return [*next_of(document, manifest)]

    def same(self, dataset: Dataset) -> Same:
        """The same elsewhere."""
        named, by, name = shlex.quote(dataset.name), shlex.quote(self.by), dataset.name
        if self.job:
            return same_as_job(self.job)
        if not self.of:
            return Same(
                f"headstart features audit {by} {named} --output suspects.csv",
                f"ws.audit({self.by!r}, {name!r})",
            )
        head = f"ws.heads.get({self.by!r})"
        if self.of == HELD_OUT:
            command = f"headstart features next {named} --head {by} --held-out --n {COUNT}"
            return Same(command, f"{head}.least_sure({COUNT})")
        command = f"headstart features next {named} --head {by} --n {COUNT}"
        return Same(command, f"{head}.label_next({name!r}, {COUNT})")
