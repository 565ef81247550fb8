"""`headstart worker`: a process without a state of its own that works at what jobs there are.

Everything that it must not lose is in the ledger and in the cache: it may be killed at any time,
and another one, anywhere, goes on. A job is done when no sample of its manifest lacks a row or a
reason, whoever computed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np

from headstart.context import Context
from headstart.errors import (
    BackboneError,
    Cancelled,
    DatabaseGone,
    HeadstartError,
    NonFiniteFeatures,
    RegistryError,
    SampleChanged,
    SampleUnreadable,
    Stalled,
    first_line,
)
from headstart.extractors.datasets import reader_of
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.jobs.features.detach import deciding_versions
from headstart.jobs.features.executor import Executor
from headstart.jobs.features.job_progress import JobProgress, as_it_is, planned_samples
from headstart.jobs.features.local_executor import LocalExecutor
from headstart.progress import Progress, silent
from headstart.registry.jobs import DONE, FAILED, QUEUED, RUNNING, Job
from headstart.values.calls import host_name
from headstart.values.showable import Results, Showable

LOOK_SECONDS = 5.0
"""So often a worker looks whether its job was cancelled, by a connection of its own."""
LOOKED_AT = 8
"""Samples that are tried where one is gone: enough to tell one file from all."""
WAIT_SECONDS, NAP_SECONDS = 2.0, 0.2
"""So often one that waits looks for jobs, and whether it was stopped."""


@dataclass(frozen=True)
class Work(Showable):
    """What a worker did at one job.

    Attributes:
        job: its number.
        state: of the job, when the worker left it.
        computed: samples that it computed; None where it did not get to the end of it.
        seconds: that it was at it.
        error: why it left before the end.
        warnings: what is doubtful about the cuts, and about what reached the trunk.
    """

    job: int
    state: str
    computed: int | None
    seconds: float
    error: str | None = None
    warnings: tuple[str, ...] = ()


class JobWorker:
    """Works at jobs, one after the other, in this process.

    Args:
        context: of the workspace.
        progress: called with (samples done, samples to do) of the job under way.
        tell: called with what was done at a job as soon as it is left.
        executor: makes what runs the plan of a job, by its number.
    """

    def __init__(
        self,
        context: Context,
        progress: Progress = silent,
        tell: Callable[[Work], None] = lambda _work: None,
        executor: Callable[[Context, int], Executor] = LocalExecutor,
    ) -> None:
        self._context = context
        self._progress = progress
        self._tell = tell
        self._executor = executor
        self._left: dict[int, datetime | None] = {}
        self.is_stopped = False

    def stop(self) -> None:
        """Finish the samples in hand, commit them, give back the others, and end.

        May be called at any time, by any thread or signal handler: it only says so.
        """
        self.is_stopped = True

    def run(self, number: int | None = None, *, wait: bool = False) -> Results[Work]:
        """Work until nothing is left that this process can do.

        Args:
            number: of the one job to work at; all that are open without it, the oldest first.
            wait: stay for jobs to come.

        Raises:
            NotFound: there is no job of that number.
            RegistryError: it was cancelled, or has failed; or the database went away.
            Stalled: a step takes for ever.
            Exception: what nobody foresaw; as at `Stalled`, what was claimed has had one more try.
        """
        if number is not None:
            self._refuse_closed(self._context.jobs.get(number))
        works = Results[Work]()
        while not self.is_stopped:
            job = self._next(number)
            if job is not None:
                works.append(self._work_at(job))
                self._tell(works[-1])
            elif wait:
                self._nap()
            else:
                break
        return works

    def _next(self, number: int | None) -> Job | None:
        """The oldest open job that this worker has not had to leave, or that was opened again."""
        found = (
            job
            for job in self._context.jobs.find_open()
            if number in (None, job.id)
            and (job.id not in self._left or self._left[job.id] != job.updated_at)
            and not self._is_done_elsewhere(job)
        )
        return next(found, None)

    def _is_done_elsewhere(self, job: Job) -> bool:
        """Whether another worker does a task, which is one's alone."""
        return job.is_task and as_it_is(self._context, job).state == RUNNING

    def _nap(self) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not self.is_stopped and time.monotonic() < until:
            time.sleep(NAP_SECONDS)

    def _refuse_closed(self, job: Job) -> None:
        if not job.is_open and job.state != DONE:
            raise RegistryError(
                f"job {job.id} is {job.state}" + (f": {job.error}" if job.error else ""),
                hint=f"`headstart job retry {job.id}` opens it again.",
            )

    def _work_at(self, job: Job) -> Work:
        if job.is_task:
            return self._work_at_task(job)
        started = time.monotonic()
        report: Report | None = None
        error: Exception | None = None
        try:
            report = self._run(job)
        except Cancelled:  # by `stop`, or by who cancelled the job
            pass
        except DatabaseGone:  # there is nothing to write it into
            raise
        except Exception as met:
            error = met
        found, said = self._settle(job, error, report)
        if error is not None and _ends_the_process(error):
            raise error
        if said is not None and found.job.is_open:
            self._left[job.id] = job.updated_at
        seconds = round(time.monotonic() - started, 3)
        if report is None:
            return Work(job.id, found.state, None, seconds, said)
        return Work(job.id, found.state, report.computed, seconds, said, tuple(report.warnings))

    def _work_at_task(self, job: Job) -> Work:
        from headstart.jobs.tasks.worker import TaskWorker  # and with it every kind of head

        started = time.monotonic()
        said = TaskWorker(self._context, job, self._progress, lambda: self.is_stopped).run()
        now = as_it_is(self._context, self._context.jobs.get(job.id))
        if now.state == QUEUED and not self.is_stopped:  # nobody may do it: see `TaskWorker`
            self._left[job.id] = job.updated_at
        return Work(job.id, now.state, None, round(time.monotonic() - started, 3), said)

    def _run(self, job: Job) -> Report:
        _refuse_other_versions(job)
        executor = self._executor(self._context, job.id)
        looked = time.monotonic()

        def look(done: int, total: int) -> None:
            nonlocal looked
            self._progress(done, total)
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                if self._context.jobs.get(job.id).updated_at != job.updated_at:
                    executor.cancel()  # closed; or opened again: what was met before is forgotten
            if self.is_stopped:
                executor.cancel()

        return executor.run(ExtractionPlan.from_json(job.plan), look)

    def _settle(
        self, job: Job, error: Exception | None, report: Report | None
    ) -> tuple[JobProgress, str | None]:
        """Write down what the ledger says of a job that this worker leaves; gives that, and what
        was wrong. Of one that was opened again since, what was wrong before is not written."""
        jobs = self._context.jobs
        now = jobs.get(job.id)
        found = as_it_is(self._context, now)
        said = None
        write = partial(jobs.change, job.id, counts=found.counts, as_of=now.updated_at)
        if found.state == DONE:
            write(DONE, "finish", out_of=(QUEUED, FAILED))
        elif now.updated_at == job.updated_at:
            if error is not None and self._is_for_all(job, error):
                said = _said(error)
                write(FAILED, "fail", out_of=(QUEUED,), error=said)
            elif error is not None or (report is not None and found.missing):
                said = _unseen(found, report) if error is None else _said(error)
                jobs.note(job.id, f"a worker on {host_name()} left: {said}", found.counts)
        return as_it_is(self._context, jobs.get(job.id)), said

    def _is_for_all(self, job: Job, error: Exception) -> bool:
        """Whether each worker would meet an error: it lies in a sample, and not in this machine. A
        file that is gone is gone for all if others of its dataset are seen from here."""
        if _is_of_the_data(error):
            return True
        if not isinstance(error, SampleChanged) or not _is_of_a_gone_file(error):
            return False
        return _sees_files(self._context, ExtractionPlan.from_json(job.plan))


def _refuse_other_versions(job: Job) -> None:
    """Refuse a job that was planned with other versions of what features depend on.

    Raises:
        BackboneError: a package is another one here.
    """
    ours = deciding_versions()
    other = {name: of for name, of in job.versions.items() if ours.get(name, of) != of}
    if other:
        theirs = ", ".join(f"{name} {of}" for name, of in other.items())
        here = ", ".join(f"{name} {ours[name]}" for name in other)
        raise BackboneError(
            f"job {job.id} was planned with {theirs}, and this worker has {here}",
            hint="Start workers of the versions that it was planned with, or plan it again with "
            f"these: `headstart extract {job.subject} {job.dataset} --detach`.",
        )


def _ends_the_process(error: Exception) -> bool:
    """Whether it is of no use any more: a thread hangs, or who knows."""
    return isinstance(error, Stalled) or not isinstance(error, HeadstartError)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, HeadstartError) else first_line(error)


def _is_of_the_data(error: Exception) -> bool:
    """Whether each worker would meet it, as it lies in a sample and not in this machine."""
    if not isinstance(error, SampleUnreadable | SampleChanged | NonFiniteFeatures):
        return False
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return False
        cause = cause.__cause__
    return True


def _is_of_a_gone_file(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, FileNotFoundError):
            return True
        error = error.__cause__
    return False


def _sees_files(context: Context, plan: ExtractionPlan) -> bool:
    """Whether any of some samples of a plan, from all over it, can be read here."""
    read = reader_of(context.datasets.get(plan.dataset))
    wanted = planned_samples(context, plan)
    spread = np.unique(np.linspace(0, len(wanted) - 1, LOOKED_AT).astype(np.int64))
    for sample in wanted.take(spread):
        with suppress(HeadstartError):
            read(sample)
            return True
    return False


def _unseen(found: JobProgress, report: Report | None) -> str:
    """What is wrong where samples cannot be read for a reason that is not their content's."""
    known = {one["id"] for one in found.failures}
    skipped = () if report is None else report.skipped_samples
    first = next(
        (f", such as {o['id']!r}: {o['reason']}" for o in skipped if o["id"] not in known), ""
    )
    return f"{found.missing:,} samples cannot be read here{first}. Are the dataset's files here?"
