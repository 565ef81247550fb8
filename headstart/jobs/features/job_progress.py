"""How far a job is, by the ledger: rows in the cache, claims under leases, failures on record."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from headstart.context import Context
from headstart.errors import HeadstartError
from headstart.extractors.preprocessing.augmentation import in_view, samples_in_view
from headstart.extractors.run.plan import ExtractionPlan
from headstart.jobs.features.local_executor import planned_manifest
from headstart.registry.jobs import (
    CANCELLED,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    Holder,
    Job,
    find_holders,
    key_of_task,
)
from headstart.storage.columns.samples import SampleColumns
from headstart.storage.locks import LifeSigns
from headstart.values.showable import Showable

LISTED = 20
"""Failures that are named; of more, how many there are."""


@dataclass(frozen=True)
class Worker(Showable):
    """One process that computes samples of a job's features, for this job or for another.

    Attributes:
        host: name of its machine.
        process: its number there.
        claimed: samples that it has and has not committed.
        committed: samples that it has committed since it took up its lease.
        seconds: since then.
        heard: seconds since it was heard of.
    """

    host: str
    process: int | None
    claimed: int
    committed: int
    seconds: float
    heard: float

    @classmethod
    def of(cls, holder: Holder) -> Worker:
        """As the ledger has it."""
        return cls(**{one.name: getattr(holder, one.name) for one in fields(cls)})

    @property
    def name(self) -> str:
        """Its machine, and which process there."""
        return self.host if self.process is None else f"{self.host}:{self.process}"

    @property
    def rate(self) -> float:
        """Samples a second that it has committed, the time to load its engine included."""
        return self.committed / self.seconds if self.seconds > 0 else 0.0

    def _facts(self) -> dict[str, Any]:
        return {**vars(self), "rate": self.rate}


@dataclass(frozen=True)
class JobProgress(Showable):
    """What the ledger says of a job; `committed + failed + missing` are `samples`. Of a task, which
    is no extraction, those are steps, and `committed` the ones that are done.

    Attributes:
        job: as it was written down.
        state: `done` where no sample is missing; else `failed` or `cancelled` where that was said,
            `running` while somebody computes samples of it, and `queued` while nobody does.
        samples: different contents in the dataset.
        committed: those that have their rows at all cuts.
        failed: those without, and on record as unreadable or given up.
        missing: the others; `claimed` of them are being computed.
        claimed: see `missing`.
        workers: who computes them.
        lost_workers: who did, and died or was not heard of for longer than a lease, and nobody has
            taken over yet what they had claimed.
        failures: id and reason of the first that failed.
    """

    job: Job
    state: str
    samples: int
    committed: int
    failed: int
    missing: int
    claimed: int
    workers: tuple[Worker, ...] = ()
    lost_workers: tuple[Worker, ...] = ()
    failures: tuple[dict[str, str], ...] = ()

    @property
    def rate(self) -> float:
        """Samples a second that its workers have committed; 0 without any."""
        return sum((worker.rate for worker in self.workers), 0.0)

    @property
    def seconds_left(self) -> float | None:
        """By that rate; None while nobody can tell."""
        return self.missing / self.rate if self.missing and self.rate else None

    @property
    def done_text(self) -> str:
        """How far it is, in words; of a task that nobody has begun nothing is counted yet."""
        if self.job.is_task and not self.samples:
            return "no step yet"
        failed = f", {self.failed:,} failed" if self.failed else ""
        steps = " steps" if self.job.is_task else ""
        return f"{self.committed:,} of {self.samples:,}{steps}{failed}"

    @property
    def is_lost(self) -> bool:
        """Whether nobody works at a job of which somebody has died."""
        return self.state == QUEUED and bool(self.lost_workers) and not self.workers

    @property
    def counts(self) -> dict[str, int]:
        """Of the samples, as a job keeps them."""
        names = ("samples", "committed", "failed", "missing")
        return {name: getattr(self, name) for name in names}

    def _facts(self) -> dict[str, Any]:
        return {
            **self.job.to_json(),
            "state": self.state,
            "total": self.samples,
            "committed": self.committed,
            "failed": self.failed,
            "missing": self.missing,
            "claimed": self.claimed,
            "counts": self.counts,
            "rate": self.rate,
            "seconds_left": self.seconds_left,
            "workers": self.workers,
            "lost_workers": self.lost_workers,
            "failures": self.failures,
        }

    def _line(self) -> str:
        named = f"{self.job.id}, {self.job.subject!r} on {self.job.dataset!r}, {self.state}"
        if self.job.is_task:
            return f"{named}, {self.done_text}"
        done = f"{self.committed:,} of {self.samples:,} committed, {self.failed:,} failed"
        return f"{named}, {done}"


def progress_of(context: Context, job: Job, *, reads_rows: bool = False) -> JobProgress:
    """Look at the ledger.

    Args:
        context: the workspace.
        job: of it, written down or not.
        reads_rows: whether shards that lie afar are read as a whole, and put aside where they are
            not what was committed; else their digests are believed, and nothing is put aside.

    Raises:
        HeadstartError: the plan is of another version, or its backbone or manifest is not there.
    """
    plan = ExtractionPlan.from_json(job.plan)
    wanted = planned_samples(context, plan)
    cache = context.cache(reads_rows=reads_rows, puts_aside=reads_rows)
    there = np.ones(len(wanted), bool)
    with cache.hold(*plan.feature_keys.values()):  # else what is compacted meanwhile seems missing
        for key in plan.feature_keys.values():
            there &= cache.open_index(key).find_blocks(b.digests for b in wanted.blocks()).present
    reasons = context.feature_sets.find_failures(preprocessing_of(context, plan))
    has_failed = wanted.have(reasons) & ~there
    missing = int(len(wanted) - there.sum() - has_failed.sum())
    workers, lost = _workers(context, [*plan.feature_keys.values()])
    first = wanted.take(np.flatnonzero(has_failed)[:LISTED])
    return JobProgress(
        job=job,
        state=_state(job, missing, is_worked_at=bool(workers)),
        samples=len(wanted),
        committed=int(there.sum()),
        failed=int(has_failed.sum()),
        missing=missing,
        claimed=min(missing, sum(worker.claimed for worker in workers)),
        workers=workers,
        lost_workers=lost,
        failures=tuple({"id": one.id, "reason": reasons[one.digest]} for one in first),
    )


def planned_samples(context: Context, plan: ExtractionPlan) -> SampleColumns:
    """The samples of a plan, each content once."""
    columns = samples_in_view(planned_manifest(context, plan), plan.augmentation).columns
    return columns.take(columns.first_rows)


def preprocessing_of(context: Context, plan: ExtractionPlan) -> str:
    """The fingerprint under which failures of a plan's samples are on record."""
    return in_view(
        context.backbones.get(plan.backbone), plan.augmentation
    ).preprocessing_fingerprint


def as_it_is(context: Context, job: Job) -> JobProgress:
    """As `progress_of`; of a job whose plan cannot be looked at here any more, what was written
    down, with the reason as its error."""
    if job.is_task:
        return _of_task(context, job)
    try:
        return progress_of(context, job)
    except HeadstartError as error:
        return as_written(job if job.error else replace(job, error=str(error)))


def _of_task(context: Context, job: Job) -> JobProgress:
    """What its worker wrote down, and whether that lives."""
    written = as_written(job)
    if job.state != QUEUED:
        return written
    workers, lost = _workers(context, [key_of_task(job.id)])
    return replace(
        written,
        state=RUNNING if workers else QUEUED,
        claimed=written.missing if workers else 0,
        workers=tuple(replace(one, committed=written.committed) for one in workers),
        lost_workers=lost,
    )


def lost_text(found: JobProgress) -> str:
    """Of a job that is lost: since when, by whom, and what to do."""
    last = min(found.lost_workers, key=lambda one: one.heard)
    names = ", ".join(one.name for one in found.lost_workers)
    todo = f"`headstart worker {found.job.id}` works at it"
    return f"no worker seen for {last.heard:,.0f} s ({names}); {todo}"


def _workers(context: Context, keys: list[str]) -> tuple[tuple[Worker, ...], tuple[Worker, ...]]:
    """Who has claimed something for any of these keys: the living, and the lost."""
    holders = find_holders(context.database, keys, LifeSigns(context.config.locks))
    living, lost = (
        tuple(Worker.of(one) for one in holders if one.is_lost == is_lost)
        for is_lost in (False, True)
    )
    return living, lost


def as_written(job: Job) -> JobProgress:
    """What was written down when a worker last ended, without a look at the ledger."""
    known = (job.counts.get(name, 0) for name in ("samples", "committed", "failed", "missing"))
    return JobProgress(job, job.state, *known, claimed=0)


def _state(job: Job, missing: int, *, is_worked_at: bool) -> str:
    if job.state in (CANCELLED, DONE) or (job.state == FAILED and missing):
        return job.state
    if not missing:
        return DONE
    return RUNNING if is_worked_at else QUEUED
