"""Two servers of one workspace: each shows and ends what the other does, and takes over what it
left; of two who say or apply something at once, one comes first and the other is told."""

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

import headstart as hs
import page_workspace as made
from headstart.jobs.labels.journal import find_pending
from headstart.jobs.tasks.begin import begin
from headstart.jobs.tasks.rank import RankTask
from headstart.registry.jobs import key_of_task
from headstart.registry.leases import Lease
from headstart.storage.locks import LifeSigns
from page_client import finished, open_page, text_of

QUEUE = "/labels/pics?features=net@top"


@pytest.fixture
def workspaces(request, tmp_path, url):
    """One, as each of two servers has opened it; over PostgreSQL too."""
    if url is None:
        first = request.getfixturevalue("own_workspace")
    else:
        first = made.make(tmp_path, url)
    other = hs.open(first.config.root)
    yield first, other
    for one in (first, other):
        one.database.close()


@pytest.fixture
def servers(workspaces):
    return [open_page(one) for one in workspaces]


@pytest.fixture
def slow(monkeypatch):
    """Rankings that go on until the test lets them."""
    real, goes_on, begun = RankTask.run, threading.Event(), threading.Event()

    def run(self, context, progress):
        while not goes_on.wait(0.01):
            progress(1, 10)
            begun.set()
        return real(self, context, progress)

    monkeypatch.setattr(RankTask, "run", run)
    monkeypatch.setattr("headstart.jobs.tasks.worker.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("headstart.ui.page_worker.NAP_SECONDS", 0.01)
    yield begun, goes_on
    goes_on.set()


def worker_of(page):
    return page.app.state.site.worker


def leave(page, number):
    while worker_of(page).has(number):
        sleep(0.01)


def test_what_one_works_at_is_seen_by_the_other_and_ended_there(workspaces, servers, slow):
    (begun, goes_on), (here, there) = slow, servers
    here.post("/rank/pics/begin")
    assert begun.wait(240)
    (job,) = workspaces[0].jobs.find()
    said = text_of(there.get(f"/jobs/{job.job.id}"))
    assert "running 1 of 10 steps" in said and "at work" in said
    assert "rank all cached features" in text_of(there.get("/rank/pics"))
    assert "cancelled" in text_of(there.post(f"/jobs/{job.job.id}/cancel"))
    leave(here, job.job.id)
    assert "Nobody works on it" in text_of(here.get(f"/jobs/{job.job.id}"))
    assert workspaces[0].jobs.get(job.job.id).state == "cancelled"
    goes_on.set()
    there.post(f"/jobs/{job.job.id}/retry")
    assert "net@top" in text_of(finished(there, "/rank/pics"))
    assert text_of(here.get("/rank/pics")) == text_of(there.get("/rank/pics"))


def test_what_is_asked_of_both_is_done_once(workspaces, servers, slow):
    begun, goes_on = slow
    for page in servers:
        page.post("/rank/pics/begin")
    assert begun.wait(240)
    (job,) = workspaces[0].jobs.find()
    assert len(job.workers) == 1 and all(worker_of(one).has(job.job.id) for one in servers)
    goes_on.set()
    for page in servers:
        assert "net@top" in text_of(finished(page, "/rank/pics"))
        leave(page, job.job.id)
    (job,) = workspaces[1].jobs.find()
    assert job.state == "done"


def test_what_one_that_was_killed_worked_at_the_other_takes_over(workspaces, servers, monkeypatch):
    monkeypatch.setattr("headstart.ui.page_worker.NAP_SECONDS", 0.01)
    context, page = workspaces[0].context, servers[1]
    job = begin(context, RankTask("pics"))
    key = key_of_task(job.id)
    signs = LifeSigns(context.config.locks)
    killed = Lease(context.database, 3600.0, signs, job.id)
    killed.__enter__()
    killed.claim((key,), deque([key]), 1)
    page.post("/rank/pics/begin")
    assert worker_of(page).has(job.id)
    assert "at work" in text_of(page.get(f"/jobs/{job.id}"))
    killed._stop.set()
    for descriptor in signs._held.values():  # what the system does at a death
        os.close(descriptor)
    assert "net@top" in text_of(finished(page, "/rank/pics"))
    assert workspaces[0].jobs.get(job.id).state == "done"


def test_of_two_who_label_and_apply_at_once_one_is_told(workspaces, servers):
    servers[0].post("/labels/pics/begin", data={"features": "net@top"})
    for page in servers:
        finished(page, QUEUE)
    sample, version = "green/red-00.png", workspaces[0].datasets.get("pics").digest
    form = {"sample": sample, "version": version, "features": "net@top", "action": "label"}
    together = threading.Barrier(2, timeout=240)

    def ask(page, path, form):
        together.wait()
        return page.post(path, data=form)

    def both(path, *forms):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(ask, servers, [path] * 2, forms))

    said = both("/labels/pics/say", {**form, "label": "red"}, {**form, "label": "blue"})
    assert [one.status_code for one in said] == [200, 200]
    (counts,) = find_pending(workspaces[0].context, "pics")
    assert (counts.sample, counts.after in ("red", "blue")) == (sample, True)
    told = ["What you said counts now" in text_of(one) for one in said]
    assert sorted(told) == [False, True]
    assert counts.after == ("red", "blue")[told.index(True)]
    applied = both("/labels/pics/apply", {}, {})
    assert sum("1 label changed" in one.text for one in applied) == 1
    labels = {one.id: one.label for one in workspaces[1].datasets.manifest("pics").samples}
    assert labels[sample] == counts.after and not find_pending(workspaces[1].context, "pics")
