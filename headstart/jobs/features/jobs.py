"""`ws.jobs`: what jobs there are, how far they are, ending one, and opening one again."""

from __future__ import annotations

from headstart.context import Context
from headstart.errors import RegistryError
from headstart.extractors.run.plan import ExtractionPlan
from headstart.jobs.features.job_progress import (
    JobProgress,
    as_it_is,
    as_written,
    planned_samples,
    preprocessing_of,
)
from headstart.jobs.outcomes import Removed
from headstart.registry.entities import Failure
from headstart.registry.jobs import CANCELLED, DONE, FAILED, QUEUED, RUNNING
from headstart.storage.columns.samples import SampleColumns
from headstart.values.showable import Results


def find_jobs(context: Context, limit: int | None = None) -> Results[JobProgress]:
    """Jobs, the newest first, each as far as it is now; of those done, how they ended."""
    return Results(
        as_written(job) if job.state == DONE else as_it_is(context, job)
        for job in context.jobs.find_all(limit=limit)
    )


def get_job(context: Context, number: int) -> JobProgress:
    """One of them.

    Raises:
        NotFound: there is none of that number.
    """
    return as_it_is(context, context.jobs.get(number))


def cancel(context: Context, number: int) -> JobProgress:
    """End a job: its workers finish what they have in hand, commit it and leave.

    Raises:
        NotFound: there is none of that number.
        RegistryError: it is done or cancelled already.
    """
    found = get_job(context, number)
    can_be = found.state != DONE and context.jobs.change(
        number, CANCELLED, "cancel", out_of=(QUEUED, FAILED), counts=found.counts
    )
    if not can_be:
        raise RegistryError(
            f"job {number} is {found.state}", hint="Only what is not finished can be cancelled."
        )
    return get_job(context, number)


def retry(context: Context, number: int) -> JobProgress:
    """Open a job again: what of its samples is on record as failed is forgotten and tried anew.

    The samples are those that were planned; what became of the dataset since is for a new plan.

    Raises:
        NotFound: there is none of that number.
        RegistryError: it is no extraction, and a worker does it right now.
        FeatureError: its plan is of another version.
        DatasetError: its manifest is not there any more.
    """
    job = context.jobs.get(number)
    if job.is_task:
        if as_it_is(context, job).state == RUNNING:
            raise RegistryError(
                f"job {number} is running", hint=f"`headstart job cancel {number}` ends it first."
            )
        with context.database.together():
            _open_again(context, number)
        return get_job(context, number)
    plan = ExtractionPlan.from_json(job.plan)
    wanted = planned_samples(context, plan)  # which may be fetched: nobody waits for that meanwhile
    with context.database.together():
        _forget_failures(context, preprocessing_of(context, plan), wanted)
        _open_again(context, number)
    return get_job(context, number)


def _open_again(context: Context, number: int) -> None:
    context.jobs.forget_tries(number)
    context.jobs.change(number, QUEUED, "retry", out_of=(QUEUED, DONE, FAILED, CANCELLED))


def remove(context: Context, number: int) -> Removed:
    """Forget a job that is over; its rows stay. What nobody else needs of its samples' list is
    then for `features gc`.

    Raises:
        NotFound: there is none of that number.
        StillInUse: it is not over.
    """
    job = context.jobs.get(number)
    if job.is_open and (found := as_it_is(context, job)).state == DONE:
        context.jobs.change(number, DONE, "finish", out_of=(QUEUED,), counts=found.counts)
    return Removed(str(context.jobs.remove(number).id))


def _forget_failures(context: Context, preprocessing: str, wanted: SampleColumns) -> None:
    reasons = context.feature_sets.find_failures(preprocessing)
    own = [one.digest for one in wanted.where(wanted.have(reasons))]
    if own:
        context.feature_sets.forget_failures(
            Failure(digest, preprocessing, reasons[digest]) for digest in own
        )
