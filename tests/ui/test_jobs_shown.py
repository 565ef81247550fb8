"""Jobs on the page, as the ledger has them while they go on."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from headstart.extractors.run.settings import Settings
from headstart.jobs.features.detach import detach
from headstart.ui.app import create_app
from headstart.ui.routes.jobs import MOST_STREAMS, stream_jobs
from headstart.ui.safety import cookie_of
from page_client import TOKEN, open_page, text_of
from page_server import served


@pytest.fixture
def job(own_workspace):
    """One that waits: of a cut that nothing is cached of."""
    return detach(own_workspace.context, "net@relu", "pics", Settings(), 0, None)


def test_a_job_that_waits_is_listed(own_workspace, job):
    page = open_page(own_workspace)
    said = text_of(page.get("/jobs"))
    assert "net@relu" in said and "queued" in said and "0 of 90" in said
    assert "queued" in text_of(page.get(f"/jobs/{job.id}"))


def test_a_job_is_cancelled_and_opened_again(own_workspace, job):
    page = open_page(own_workspace)
    assert "cancelled" in text_of(page.post(f"/jobs/{job.id}/cancel"))
    assert page.post(f"/jobs/{job.id}/cancel").status_code == 422
    assert "queued" in text_of(page.post(f"/jobs/{job.id}/retry"))
    assert page.post(f"/jobs/{job.id}/burn").status_code == 404
    assert page.get("/jobs/999").status_code == 404


def test_events_are_what_the_ledger_says(own_workspace, job):
    with served(own_workspace) as address:
        cookies = {cookie_of(TOKEN): TOKEN}
        with httpx2.stream("GET", f"{address}/jobs/events", cookies=cookies, timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            line = next(line for line in answer.iter_lines() if line.startswith("data: "))
    (told,) = json.loads(line.removeprefix("data: "))
    assert told["id"] == job.id and told["state"] == "queued" and told["total"] == 90
    assert told["workers"] == [] and told["missing"] == 90


def test_a_server_lets_in_who_opens_the_printed_address(page_workspace):
    with served(page_workspace) as address:
        assert httpx2.get(f"{address}/heads", timeout=60).status_code == 401
        with httpx2.Client(timeout=60) as browser:
            assert browser.get(f"{address}/heads?token={TOKEN}").status_code == 200
            assert "first" in browser.get(f"{address}/heads").text


def test_no_more_streams_are_begun_than_are_allowed_and_one_that_ends_makes_room(page_workspace):
    app = create_app(page_workspace, TOKEN)
    scope = {"type": "http", "app": app, "method": "GET", "path": "/jobs/events", "headers": []}

    async def gone():
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    async def look_on():
        asked = Request(scope, gone)
        begun = [await stream_jobs(asked) for _ in range(MOST_STREAMS)]
        with pytest.raises(HTTPException):
            await stream_jobs(asked)
        await begun[0](scope, gone, send)
        await stream_jobs(asked)
        with pytest.raises(HTTPException):
            await stream_jobs(asked)

    with ThreadPoolExecutor(1) as pool:  # a browser's tests leave a loop in the main thread
        pool.submit(asyncio.run, look_on()).result()
