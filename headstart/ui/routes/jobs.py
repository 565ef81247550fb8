"""`/jobs`: what workers do, as the ledger has it, while they do it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from headstart.errors import HeadstartError
from headstart.jobs.features.jobs import cancel, find_jobs, get_job, retry
from headstart.registry.jobs import FAILED, Job
from headstart.ui.asked import whole_of
from headstart.ui.job_results import name_of, place_of
from headstart.ui.ledger_watch import EVERY_SECONDS, SHOWN
from headstart.ui.site import Same, Screen, Site, site_of

SCREEN = Screen("Jobs", "/jobs")
LONGEST_SECONDS = 600
"""Of a stream; a browser asks for the next one by itself."""
MOST_STREAMS = 32
LATE_SECONDS = 5.0
"""So long a look at the ledger may take before it is told; a database that is gone is waited for
a minute."""
AT_ONCE = {"x-accel-buffering": "no"}
"""Proxies (nginx) keep what is streamed until there is much of it."""


def list_jobs(request: Request) -> Response:
    """The newest jobs."""
    site = site_of(request)
    found = find_jobs(site.workspace.context, SHOWN)
    same = (
        Same("headstart job list", "ws.jobs.find()"),
        Same("headstart extract BACKBONE DATASET --detach", "ws.jobs.add(BACKBONE, DATASET)"),
    )
    return site.show(request, "jobs", "Jobs", found, same=same)


def show_job(request: Request) -> Response:
    """One of them."""
    site, number = site_of(request), _number(request)
    found = get_job(site.workspace.context, number)
    same = (
        Same(f"headstart job show {number}", f"ws.jobs.get({number})"),
        Same(f"headstart worker {number}", f"ws.jobs.work({number})"),
        Same(f"headstart job cancel {number}", f"ws.jobs.cancel({number})"),
        Same(f"headstart job retry {number}", f"ws.jobs.retry({number})"),
    )
    is_task = found.job.is_task
    facts = {
        "is_task": is_task,
        "is_here": site.worker.has(number),
        "is_outdated": is_task and not _has_its_dataset(site, found.job),
        "place": place_of(found.job),
        "given": name_of(found.job),
    }
    return site.show(request, "job", f"Job {number}", found, same=same, **facts)


def _has_its_dataset(site: Site, job: Job) -> bool:
    """Whether the dataset is the version that a job was planned with: without it a task fails."""
    every = site.workspace.context.datasets.find_all()
    return (job.dataset, job.dataset_digest) in [(one.name, one.digest) for one in every]


def show_result(request: Request) -> Response:
    """What a job gave, once it is done; what stopped it, where something did."""
    site, number = site_of(request), _number(request)
    job = site.workspace.context.jobs.get(number)
    if job.is_task and job.is_open:
        return site.wait(request, f"Job {number}", job)
    if job.is_task and job.state == FAILED:
        facts = {"message": job.error, "hint": None, "seconds": 0}
        return site.page(request, "refused", f"Job {number} failed", status=422, **facts)
    return RedirectResponse(place_of(job) or f"/jobs/{number}", 303)


def change_job(request: Request) -> Response:
    """Cancel a job, or open it again: what is no extraction is begun by the page's server."""
    site, number = site_of(request), _number(request)
    verb = {"cancel": cancel, "retry": retry}.get(request.path_params["verb"])
    if verb is None:
        raise HTTPException(404)
    job = verb(site.workspace.context, number).job
    if job.is_task and job.is_open:
        site.worker.work_at(number)
    return RedirectResponse(f"/jobs/{number}", 303)


async def stream_jobs(request: Request) -> Response:
    """Events (server-sent): the list of jobs as JSON, whenever something in it has changed."""
    streams = request.app.state.streams
    if len(streams) >= MOST_STREAMS:
        raise HTTPException(503, "So many look on already. Try again later.")
    return CountedStream(_events(request), streams)


class CountedStream(StreamingResponse):
    """Counted from when it is made, as it begins only later, until it ends in any way."""

    def __init__(self, events: AsyncIterator[str], streams: set[object]) -> None:
        super().__init__(events, headers=AT_ONCE, media_type="text/event-stream")
        self._streams = streams
        streams.add(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.discard(self)


async def _events(request: Request) -> AsyncIterator[str]:
    site, began, told = site_of(request), monotonic(), ""
    while monotonic() - began < LONGEST_SECONDS and not await _is_over(request):
        now = await _event(site)
        yield f"{now}\n\n" if now != told else ": as before\n\n"
        told = now
        await asyncio.sleep(EVERY_SECONDS)


async def _event(site: Site) -> str:
    """The list of jobs; or, as another kind of event, that the ledger cannot be read now, and why:
    the stream goes on, so that it is seen when the database is back."""
    try:
        return f"data: {await asyncio.wait_for(site.watch.told(), LATE_SECONDS)}"
    except TimeoutError:
        why = "the registry's database has not answered for some seconds"
    except HeadstartError as error:
        why = error.message
    return f"event: late\ndata: {json.dumps(why)}"


async def _is_over(request: Request) -> bool:
    return request.app.state.is_ending or await request.is_disconnected()


def _number(request: Request) -> int:
    return whole_of(request.path_params["number"], "the number of a job", least=1)


ROUTES = [
    Route("/jobs", list_jobs),
    Route("/jobs/events", stream_jobs),
    Route("/jobs/{number}", show_job),
    Route("/jobs/{number}/result", show_result),
    Route("/jobs/{number}/{verb}", change_job, methods=["POST"]),
]
