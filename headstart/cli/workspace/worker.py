"""`worker`: a process that does what jobs there are, until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import (
    Call,
    Result,
    command,
    note,
    progress_bar,
    text,
    with_options,
)
from headstart.cli.parameters import JOB, NUMBER

if TYPE_CHECKING:
    from headstart.jobs.features.worker import Work

TERMINATED = 128 + signal.SIGTERM
"""The exit status of who was asked to end, as shells have it."""


def register(cli: click.Group) -> None:
    command(cli, "worker")(
        with_options(
            _worker,
            click.argument("number", metavar="[JOB]", type=JOB, required=False),
            click.option("--wait", is_flag=True, help="Wait for further jobs."),
            click.option(
                "--cores",
                type=NUMBER,
                help="Threads that compute. Default: all cores. With several workers on one "
                "machine give each its share.",
            ),
        )
    )


def _worker(call: Call, number: int | None, wait: bool, cores: int | None) -> Result:
    """Compute what jobs need, together with other workers, until nothing is left.

    Works on JOB, or on all queued jobs, the oldest first. On SIGTERM it finishes and commits
    what it has in hand, gives back the rest and exits with status 143. Nothing is lost if it is
    killed. A sample at which three workers died, hung or failed is given up.
    """
    if cores is not None:
        from headstart.extractors.runtime import use_cores

        use_cores(cores)
    from headstart.jobs.features.worker import JobWorker

    def tell(work: Work) -> None:
        for warning in work.warnings:
            note(f"warning: {warning}")
        if wait:  # who stays may never come to print its results
            note(_line(work))

    with progress_bar("working", "samples") as progress:
        worker = JobWorker(call.open().context, progress, tell)
        with _until_terminated(worker.stop):
            works = worker.run(number, wait=wait)
    if worker.is_stopped:
        note("terminated: what was computed is committed, the rest given back.")
        told = [] if wait else works
        return Result(works, lambda out: _show(out, told), status=TERMINATED)
    failed = "; ".join(_line(work) for work in works if work.error)

    def show(out: Any) -> None:
        _show(out, [work for work in works if not work.error])
        if not works:
            out.print("Nothing is left to do.")

    return Result(works, show, failed)


def _show(out: Any, works: Iterable[Work]) -> None:
    for work in works:
        out.print(text(_line(work)), soft_wrap=True)


@contextlib.contextmanager
def _until_terminated(stop: Callable[[], None]) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _line(work: Work) -> str:
    line = f"job {work.job} is {work.state}"
    if work.error:
        return f"{line}: {work.error}"
    computed = "" if work.computed is None else f", {work.computed:,} samples computed here"
    return f"{line}{computed}, in {work.seconds:.1f} s"
