"""A task is planned and written down as a job; workers do it."""

from __future__ import annotations

from headstart.context import Context
from headstart.jobs.tasks.task import Task, plan_of
from headstart.registry.jobs import CANCELLED, STATES, Job


def begin(context: Context, task: Task) -> Job:
    """Queue a task, or give the job that is open for the very same one.

    Raises:
        HeadstartError: it cannot be done, as far as is known before it is computed.
    """
    dataset = context.datasets.get(task.dataset)
    task.check(context)
    job = Job(
        kind=task.kind,
        subject=task.subject,
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        plan=plan_of(task),
        versions={},
    )
    return context.jobs.add(job, once=True)


def find_begun(context: Context, task: Task) -> Job | None:
    """The newest job of a task that was not cancelled, whatever its dataset was then."""
    states = [one for one in STATES if one != CANCELLED]
    return context.jobs.find_like(task.kind, task.dataset, plan_of(task), states)
