"""Where the page shows what a job gave; and which job an address asks for."""

from __future__ import annotations

from urllib.parse import urlencode

from headstart.context import Context
from headstart.errors import InvalidValue
from headstart.jobs.tasks.begin import find_begun
from headstart.jobs.tasks.task import Task
from headstart.registry.jobs import DONE, Job
from headstart.ui.pages import address_of
from headstart.ui.site import Same

JOB = "job"
"""In an address, the number of the job whose result is asked for: with other options than the
page's it is no job that the page would find by what it shows."""


def place_of(job: Job) -> str | None:
    """The address of what a job gave; None of an extraction, or where it is not done."""
    if job.state != DONE:
        return None
    plan, result, dataset = job.plan, job.result or {}, address_of(job.dataset)
    match job.kind:
        case "rank":
            return f"/rank/{dataset}?{urlencode({JOB: job.id})}"
        case "audit":
            return f"/labels/{dataset}?{urlencode({'features': plan['features'], JOB: job.id})}"
        case "train":
            return f"/heads/{address_of(result['head'])}"
        case "retrain":
            return f"/compare?{urlencode({'a': plan['head'], 'b': result['head']})}"
        case "next":
            of = "held-out" if plan["held_out"] else "unlabelled"
            return f"/labels/{dataset}?{urlencode({'head': plan['head'], 'of': of})}"
        case "curve":
            return f"/heads/{address_of(plan['head'])}"
        case "map":
            asked = {"dataset": job.dataset, "set": plan["key"][:16], "method": plan["method"]}
            return f"/map?{urlencode({**asked, 'seed': plan['seed']})}"
        case _:
            return None


def name_of(job: Job) -> str:
    """What it gave, in words."""
    return (job.result or {}).get("head") or job.subject


def same_as_job(number: int) -> Same:
    """What a job gave, elsewhere: with the options that it was begun with."""
    return Same(f"headstart job result {number}", f"ws.jobs.result({number})")


def find_asked(context: Context, task: Task, number: int) -> Job | None:
    """The job of a number, or the newest one of a task where the number is 0.

    Args:
        context: of the workspace.
        task: as it is begun on the page.
        number: of a job of the same kind, for the same dataset, with any options.

    Raises:
        NotFound: there is no such job.
        InvalidValue: it is of another kind, or for another dataset.
    """
    if not number:
        return find_begun(context, task)
    job = context.jobs.get(number)
    if (job.kind, job.dataset) != (task.kind, task.dataset):
        raise InvalidValue(
            f"job {number} is no {task.kind} of {task.dataset}: it is {job.kind} of {job.dataset}",
            hint=f"Look at /jobs/{number}.",
        )
    return job
