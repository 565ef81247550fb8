"""Extractions by workers that are actors of Ray.

What is to be done is written down as a job, and the ledger alone says how far it is: no answer of
an actor is waited for. So whoever watches may go, and come back.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from headstart.clusters.ray_cluster import RayCluster, address_in, connect, cores_of_each
from headstart.context import Context
from headstart.errors import Cancelled, ClusterError, FeatureError
from headstart.extractors.run.extraction import Extraction
from headstart.extractors.run.plan import ExtractionPlan
from headstart.extractors.run.report import Report
from headstart.jobs.features.detach import job_of
from headstart.jobs.features.job_progress import JobProgress, progress_of
from headstart.jobs.features.jobs import cancel
from headstart.jobs.features.local_executor import open_plan
from headstart.jobs.on_ray.brief import Brief, Place, refuse_sqlite_between
from headstart.jobs.on_ray.watch import Watched
from headstart.notices import tell
from headstart.progress import Progress, silent
from headstart.registry.jobs import CANCELLED, DONE, FAILED, Job

LOOK_SECONDS = 1.0
SHARE = 10
"""Looks at the ledger, which go through the whole index, take a tenth of the time at most."""
LEAVE_SECONDS = 45.0
"""So long the last reports of workers are waited for; longer than workers have to leave."""


class RayExecutor:
    """See `Executor`.

    Args:
        context: of the workspace.
        executor: `ray`, or `ray://ADDRESS`.
        workers: how many actors; without it one a node.
        cores: that each reserves, and computes with; without it as many as all can have.
        gpus: that each reserves.
    """

    name = "ray"

    def __init__(
        self,
        context: Context,
        executor: str = "ray",
        workers: int | None = None,
        cores: int | None = None,
        gpus: float = 0.0,
    ) -> None:
        self._context = context
        self._address = address_in(executor)
        self._workers, self._cores, self._gpus = workers, cores, gpus
        self._cancelled = threading.Event()

    def run(self, plan: ExtractionPlan, progress: Progress = silent) -> Report:
        """See `Executor.run`.

        What goes wrong with a sample is a `FeatureError` here, with what the worker said.

        Raises:
            ClusterError: the cluster cannot be reached, or no worker can do anything.
        """
        started = time.monotonic()
        self._cancelled.clear()
        opened = open_plan(self._context, plan)
        planned = job_of(plan)
        before = progress_of(self._context, planned)
        progress(0, before.missing)
        watched = after = None
        if before.missing:
            cluster = self._connect()
            job = self._written(planned)
            watched = self._started(job, cluster)
            after = self._watch(watched, job, cluster, before, progress)
        report = Extraction(plan, opened, silent).run()
        if watched is not None and after is not None:
            _tell_of_workers(report, watched.reports, after.committed - before.committed)
        report.seconds = round(time.monotonic() - started, 3)
        return report

    def start(self, plan: ExtractionPlan) -> Job:
        """Write a job down, let workers begin with it, and do not wait for its end.

        Raises:
            ClusterError: see `run`; or the cluster would end with this process.
        """
        cluster = self._connect(outlasts=True)
        job = self._written(job_of(plan))
        self._started(job, cluster)
        return job

    def cancel(self) -> None:
        """See `Executor.cancel`: the job is cancelled, and its workers leave."""
        self._cancelled.set()

    def _connect(self, *, outlasts: bool = False) -> RayCluster:
        cluster = connect(self._address, outlasts=outlasts)
        refuse_sqlite_between(self._context.config, cluster.hosts())
        if cluster.is_own and self._cores is not None:  # no node will ever come to it
            has = max(one.cpus for one in cluster.nodes())
            if self._cores > has:
                raise ClusterError(
                    f"workers of {self._cores} cores each, and this machine has {has:g}",
                    hint="Give fewer --cores.",
                )
        return cluster

    def _written(self, planned: Job) -> Job:
        """The job, written down; the one under way, if somebody asked for the same before."""
        for job in self._context.jobs.find_open():
            if (job.plan, job.versions) == (planned.plan, planned.versions):
                tell(f"job {job.id} has the same samples and is continued")
                return job
        return self._context.jobs.add(planned)

    def _started(self, job: Job, cluster: RayCluster) -> Watched:
        nodes = cluster.nodes()
        workers = self._workers or max(1, sum(one.cpus >= 1 for one in nodes))
        cores = self._cores or cores_of_each(nodes, workers)
        place = Place.of(self._context)
        brief = Brief(place, job.id, workers, cores, self._gpus)
        return Watched(brief, cluster)

    def _watch(
        self,
        watched: Watched,
        job: Job,
        cluster: RayCluster,
        before: JobProgress,
        progress: Progress,
    ) -> JobProgress:
        """Look at the ledger until nothing is missing, and then for the workers' last words."""
        try:
            found = self._until_done(watched, job, before, progress)
            ends = time.monotonic() + LEAVE_SECONDS
            while not watched.is_over and time.monotonic() < ends:
                time.sleep(LOOK_SECONDS)
                watched.look()
            return found
        except KeyboardInterrupt:
            tell(_goes_on(job, cluster))
            raise

    def _until_done(
        self, watched: Watched, job: Job, before: JobProgress, progress: Progress
    ) -> JobProgress:
        while True:
            started = time.monotonic()
            is_over = watched.is_over  # before the ledger is looked at, which may be ahead of it
            found = progress_of(self._context, self._context.jobs.get(job.id))
            done = max(0, before.missing - found.missing)
            progress(done, before.missing)
            if found.state == DONE:
                return found
            self._refuse_ended(found, done, before.missing)
            if is_over:
                raise ClusterError(
                    f"no worker of job {job.id} is at work any more: {watched.last_words}",
                    hint=f"It stays queued, with {found.missing:,} samples missing: the same "
                    "command goes on with it.",
                )
            until = time.monotonic() + SHARE * (time.monotonic() - started)
            while not watched.is_over:  # it cannot be asked for ever
                time.sleep(LOOK_SECONDS)
                watched.look()
                if time.monotonic() >= until:
                    break

    def _refuse_ended(self, found: JobProgress, done: int, total: int) -> None:
        """Raise what there is to raise of a job that has ended before its end."""
        number = found.job.id
        if self._cancelled.is_set() and found.state not in (FAILED, CANCELLED):
            cancel(self._context, number)
            found = replace(found, state=CANCELLED)
        if found.state == CANCELLED:
            raise Cancelled(
                f"the extraction, job {number}, was cancelled with {done:,} of {total:,} samples "
                "done",
                hint="What was computed is committed; the same call continues from there.",
            )
        if found.state == FAILED:
            raise FeatureError(
                f"job {number} failed: {found.job.error}",
                hint="What was computed is committed; the same call continues from there.",
            )


def _goes_on(job: Job, cluster: RayCluster) -> str:
    """What becomes of a job that nobody watches any more."""
    end = f"`headstart job cancel {job.id}` ends it"
    if cluster.is_own:
        return (
            f"job {job.id} stays queued, and its workers end with this process: the same command "
            f"goes on with it, and so does `headstart worker {job.id}`; {end}"
        )
    return (
        f"job {job.id} goes on, on {cluster.name}: `headstart job show {job.id}` says how far it "
        f"is, the same command watches it again, {end}"
    )


def _tell_of_workers(report: Report, of_workers: tuple[Report, ...], computed: int) -> None:
    """Put what workers did into the report of an extraction that had nothing left to do."""
    report.computed, report.reused = computed, report.unique - computed - report.skipped
    most = max(of_workers, key=lambda one: one.computed, default=None)
    report.engine, report.engine_reason = "unknown", "no worker was left to say what computed"
    if most is not None:
        report.engine, report.engine_reason = most.engine, most.engine_reason
        report.check = most.check
    for warning in (warning for one in of_workers for warning in one.warnings):
        if warning not in report.warnings:
            report.warnings.append(warning)
    report.quarantined += sum(one.quarantined for one in of_workers)
