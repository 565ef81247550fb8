"""`--detach` of a command that one worker does as a whole: a job is made, and nothing computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import Result, text

if TYPE_CHECKING:
    from headstart.registry.jobs import Job

detach_option = click.option(
    "--detach",
    is_flag=True,
    help="Do not compute here: make a job for `headstart worker` or the page. The features have to "
    "be in the cache.",
)


def refuse_with_detach(**given: Any) -> None:
    """See that nothing was asked for that only this process could do.

    Raises:
        click.UsageError: something was; by its option, what is not nothing.
    """
    for name, value in given.items():
        if value:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is for what is done here: leave it out, or --detach."
            )


def begun(job: Job) -> Result:
    """A job that waits, and who may do it."""

    def show(out: Any) -> None:
        line = f"job {job.id} is {job.state}: {job.subject} on {job.dataset}."
        out.print(text(f"{line} Do it: headstart worker {job.id}"), soft_wrap=True)
        out.print(f"What it gave, then: headstart job result {job.id}", soft_wrap=True)

    return Result(job, show)
