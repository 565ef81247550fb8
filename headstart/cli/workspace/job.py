"""`job`: what workers are to do, and how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headstart.cli.output import (
    Call,
    Print,
    Result,
    command,
    json_text,
    table,
    text,
    with_options,
)
from headstart.cli.parameters import JOB, NUMBER

if TYPE_CHECKING:
    from headstart.jobs.features.job_progress import JobProgress, Worker


def register(cli: click.Group) -> None:
    group = click.Group("job", help="What workers do: `extract --detach`, `worker`, the page.")
    number = click.argument("number", metavar="JOB", type=JOB)
    limit = click.option(
        "--limit", type=NUMBER, default=20, show_default=True, help="Show at most this many."
    )
    command(group, "list")(with_options(_list, limit))
    command(group, "show")(number(_show))
    command(group, "result")(number(_result))
    command(group, "cancel")(number(_cancel))
    command(group, "retry")(number(_retry))
    command(group, "remove")(number(_remove))
    cli.add_command(group)


def _list(call: Call, limit: int) -> Result:
    """List the jobs with their progress, the newest first."""
    found = call.open().jobs.find(limit)
    rows = [
        (
            str(one.job.id),
            one.job.subject,
            one.job.dataset,
            one.state,
            *_counts(one),
            tuple(f"{one.job.created_at:%Y-%m-%d %H:%M}".split()),
            f"{one.job.user}@{one.job.host}",
        )
        for one in found
    ]
    columns = (
        ">job",
        "what",
        "dataset",
        "=state",
        ">committed",
        ">failed",
        ">missing",
        "=?when (UTC)",
        "?by",
    )
    empty = "No jobs yet. `headstart extract BACKBONE DATASET --detach` makes one."
    return Result(found, lambda out: out.print(table(None, columns, rows) if rows else empty))


def _counts(one: JobProgress) -> tuple[int | None, ...]:
    """Committed, failed and missing; nothing is counted of a task that nobody has begun."""
    if one.job.is_task and not one.samples:
        return None, None, None
    return one.committed, one.failed, one.missing


def _show(call: Call, number: int) -> Result:
    """Show the progress of a job and the workers that work on it."""
    found = call.open().jobs.get(number)
    return Result(found, _shown(found))


def _result(call: Call, number: int) -> Result:
    """Show what a job gave that is no extraction: the head or map that it made; of a ranking or an
    audit, what its command prints with --json.
    """
    found = call.open().jobs.result(number)
    lines = json_text(found.to_json()["given"])
    return Result(found, lambda out: out.print(lines, soft_wrap=True))


def _cancel(call: Call, number: int) -> Result:
    """End a job. Its workers commit what they have in hand and leave; rows stay."""
    found = call.open().jobs.cancel(number)
    return Result(found, lambda out: out.print(text(describe(found)), soft_wrap=True))


def _retry(call: Call, number: int) -> Result:
    """Open a job again. What failed is tried again."""
    found = call.open().jobs.retry(number)
    return Result(found, lambda out: out.print(text(describe(found)), soft_wrap=True))


def _remove(call: Call, number: int) -> Result:
    """Remove a job that is done, cancelled or failed. Rows stay. `features gc` then deletes the
    list of its samples, if nobody else needs it.
    """
    gone = call.open().jobs.remove(number)
    return Result(gone, lambda out: out.print(text(f"Removed job {gone.removed}.")))


def _shown(found: JobProgress) -> Print:
    job = found.job
    rows: list[tuple[str, Any]] = [
        ("job", str(job.id)),
        ("what", job.subject),
        ("dataset", f"{job.dataset}, manifest {job.dataset_digest[:12]}"),
        ("by", f"{job.user}@{job.host}, {job.created_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("state", found.state),
    ]
    rows += _steps(found) if job.is_task else _samples(found)
    if job.error:
        rows.append(("error", job.error))
    if found.state == "queued":
        rows.append(("next", _next(found)))
    if found.state == "done" and "document" in (job.result or {}):
        rows.append(("next", f"`headstart job result {job.id}` shows what it gave"))
    workers = [_cells(worker) for worker in found.workers]
    columns = ("worker", ">claimed", ">committed", ">samples/s", ">seconds", ">heard of")

    def show(out: Any) -> None:
        out.print(table(None, ("what", ""), rows))
        if workers:
            out.print(table(None, columns, workers))
        for failure in found.failures:
            out.print(text(f"failed {failure['id']}: {failure['reason']}"), soft_wrap=True)
        if found.failed > len(found.failures):
            out.print(f"… {found.failed:,} failed in all")

    return show


def _steps(found: JobProgress) -> list[tuple[str, Any]]:
    """Of a job that one worker does as a whole."""
    rows: list[tuple[str, Any]] = []
    if found.samples:
        rows.append(("steps", f"{found.committed:,} of {found.samples:,}"))
    given = found.job.result or {}
    return rows + [(name, given[name]) for name in ("head", "map") if name in given]


def _samples(found: JobProgress) -> list[tuple[str, Any]]:
    """Of an extraction."""
    rows: list[tuple[str, Any]] = [
        ("samples", f"{found.samples:,} different"),
        ("committed", found.committed),
        ("failed", found.failed),
    ]
    if not found.missing:
        return rows
    if found.state == "done":
        again = f"gone since; `headstart job retry {found.job.id}` has them computed"
        return [*rows, ("missing", f"{found.missing:,}, {again}")]
    left = found.seconds_left
    return [
        *rows,
        ("missing", f"{found.missing:,}, of which {found.claimed:,} are claimed"),
        ("rate", f"{found.rate:,.1f} samples/s"),
        ("time left", "nobody can tell" if left is None else f"{left:,.0f} s"),
    ]


def _next(found: JobProgress) -> str:
    """Of a job that nobody works at, what to do."""
    from headstart.jobs.features.job_progress import lost_text

    if not found.lost_workers:
        return f"nobody works at it now; `headstart worker {found.job.id}` works at it"
    return lost_text(found)


def _cells(worker: Worker) -> tuple[Any, ...]:
    heard = f"{worker.heard:.0f} s ago"
    seconds = f"{worker.seconds:,.0f}"
    return worker.name, worker.claimed, worker.committed, f"{worker.rate:,.1f}", seconds, heard


def describe(found: JobProgress) -> str:
    """A job in one line."""
    job = found.job
    if job.is_task:
        return f"job {job.id}, {job.subject}, on {job.dataset}, is {found.state}"
    return (
        f"job {job.id}, {job.subject} on {job.dataset}, is {found.state}: {found.committed:,} of "
        f"{found.samples:,} committed, {found.failed:,} failed, {found.missing:,} missing"
    )
