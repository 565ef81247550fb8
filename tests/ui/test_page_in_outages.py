"""A database that went away and comes back: what looks on says so, and goes on; a job is done."""

import json
import logging
from itertools import count
from threading import Event
from time import sleep

import httpx2
import pytest

from headstart.errors import DatabaseGone
from headstart.jobs.features.worker import JobWorker
from headstart.jobs.tasks.rank import RankTask
from headstart.registry import listing
from headstart.ui import ledger_watch
from headstart.ui.page_worker import PageWorker
from headstart.ui.routes import jobs
from headstart.ui.safety import cookie_of
from page_client import TOKEN, open_page, text_of
from page_server import served

GONE = DatabaseGone("the registry's database does not answer any more")


def gone(*_given, **_more):
    raise GONE


@pytest.fixture
def events(page_workspace):
    """The lines of the stream of jobs that say something, each an event with what it says."""

    def listen():
        with served(page_workspace) as address:
            cookies = {cookie_of(TOKEN): TOKEN}
            with httpx2.stream(
                "GET", f"{address}/jobs/events", cookies=cookies, timeout=60
            ) as answer:
                kind = "message"
                for line in answer.iter_lines():
                    if line.startswith("event: "):
                        kind = line.removeprefix("event: ")
                    if line.startswith("data: "):
                        yield kind, json.loads(line.removeprefix("data: "))
                        kind = "message"

    return listen()


def test_a_stream_says_that_the_database_is_gone_and_goes_on(events, monkeypatch, caplog):
    find, looks = ledger_watch.find_jobs, count()
    monkeypatch.setattr(ledger_watch, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(
        ledger_watch, "find_jobs", lambda *given: (gone if next(looks) == 1 else find)(*given)
    )
    said = [next(events) for _ in range(3)]
    events.close()
    assert [kind for kind, _ in said] == ["message", "late", "message"]
    assert said[1][1] == GONE.message and said[0] == said[2], "the jobs of before, as they were"
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_stream_says_when_the_ledger_is_waited_for(events, monkeypatch):
    find, is_back = ledger_watch.find_jobs, Event()
    monkeypatch.setattr(jobs, "LATE_SECONDS", 0.05)
    monkeypatch.setattr(ledger_watch, "find_jobs", lambda *given: is_back.wait(60) and find(*given))
    assert next(events) == ("late", "the registry's database has not answered for some seconds")
    is_back.set()
    assert next(events)[0] == "message"
    events.close()


def test_a_page_that_cannot_be_made_now_looks_again(page_workspace, monkeypatch):
    monkeypatch.setattr(listing, "datasets", gone)
    page = open_page(page_workspace)
    answer = page.get("/datasets")
    assert answer.status_code == 503 and answer.headers["refresh"] == "5"
    assert GONE.message.replace("'", "&#39;") in answer.text and "looks again" in answer.text
    monkeypatch.undo()
    assert "pics" in text_of(page.get("/datasets"))


def test_what_was_begun_is_done_when_the_database_is_back(own_workspace, monkeypatch, caplog):
    run, tries = JobWorker.run, count()
    monkeypatch.setattr(JobWorker, "run", lambda *given: (run if next(tries) else gone)(*given))
    monkeypatch.setattr("headstart.ui.page_worker.NAP_SECONDS", 0.01)
    worker = PageWorker(own_workspace.context)
    job = worker.begin(RankTask("pics"))
    while worker.has(job.id):
        sleep(0.01)
    assert own_workspace.jobs.get(job.id).state == "done"
    (told,) = [one for one in caplog.records if one.name == "headstart.ui.page_worker"]
    assert (
        told.levelno == logging.WARNING
        and told.getMessage() == f"job {job.id} waits: {GONE.message}"
    )


def test_a_worker_that_is_stopped_does_not_wait_for_the_database(own_workspace, monkeypatch):
    worker = PageWorker(own_workspace.context)

    def gone_for_good(*_given):
        worker.stop()
        raise GONE

    monkeypatch.setattr(JobWorker, "run", gone_for_good)
    job = worker.begin(RankTask("pics"))
    while worker.has(job.id):
        sleep(0.01)
    assert own_workspace.jobs.get(job.id).state == "queued"
