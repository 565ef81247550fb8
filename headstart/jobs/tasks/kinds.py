"""The kinds of tasks: each a file beside this one, and a line here."""

from __future__ import annotations

from headstart.errors import RegistryError
from headstart.jobs.tasks.audit import AuditTask
from headstart.jobs.tasks.curve import CurveTask
from headstart.jobs.tasks.map import MapTask
from headstart.jobs.tasks.next import NextTask
from headstart.jobs.tasks.rank import RankTask
from headstart.jobs.tasks.retrain import RetrainTask
from headstart.jobs.tasks.task import Task
from headstart.jobs.tasks.train import TrainTask
from headstart.registry.jobs import Job

KINDS: dict[str, type[Task]] = {
    one.kind: one
    for one in (AuditTask, CurveTask, MapTask, NextTask, RankTask, RetrainTask, TrainTask)
}


def task_of(job: Job) -> Task:
    """What a job is to do.

    Raises:
        RegistryError: it was planned by another version of headstart.
    """
    kind = KINDS.get(job.kind)
    try:
        if kind is not None:
            return kind(**job.plan)
    except TypeError:  # it has other arguments there
        pass
    raise RegistryError(
        f"job {job.id} is to {job.kind!r} with {', '.join(sorted(job.plan))}, which this version "
        "of headstart cannot do",
        hint="Start a worker of the version that planned it, or begin it again.",
    )
