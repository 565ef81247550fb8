"""What is begun on the page is a job of the ledger: seen, cancelled, lost and begun again."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep

import numpy as np
import pytest

import headstart as hs
import page_workspace as made
from headstart.jobs.features.worker import JobWorker
from headstart.jobs.tasks.begin import begin
from headstart.jobs.tasks.rank import RankTask
from headstart.registry import tables as t
from headstart.registry.jobs import key_of_task
from headstart.registry.leases import Lease
from headstart.storage.locks import LifeSigns
from headstart.ui import ledger_watch
from headstart.ui.ledger_watch import LedgerWatch
from headstart.ui.page_worker import PageWorker
from page_client import finished, open_page, text_of


@pytest.fixture
def page(own_workspace):
    return open_page(own_workspace)


def lose(workspace, number):
    """A worker claimed it, and was not heard of for longer than its lease."""
    row = {"token": "gone", "owner": "elsewhere", "granted_at": 1.0, "expires_at": 2.0}
    claim = {"feature_key": key_of_task(number), "digest": key_of_task(number), "lease": "gone"}
    with workspace.database.writing() as connection:
        connection.execute(t.leases.insert().values(**row, job=number))
        connection.execute(t.claims.insert().values(**claim))


def test_what_was_begun_is_a_job_whose_result_is_linked_also_in_another_server(page, own_workspace):
    begun = page.post("/rank/pics/train", data={"name": "second", "features": "net@top"})
    finished(page, str(begun.url))
    (job,) = own_workspace.jobs.find()
    assert (job.state, job.job.kind, job.job.subject) == (
        "done",
        "train",
        "train second on net@top",
    )
    other = open_page(own_workspace)
    assert "train second on net@top" in text_of(other.get("/jobs"))
    answer = other.get(f"/jobs/{job.job.id}")
    assert '<a href="/heads/second%3A1">second:1</a>' in answer.text
    assert other.get(f"/jobs/{job.job.id}/result").url.path == "/heads/second:1"


def test_a_ranking_is_there_when_the_server_was_started_anew(page, own_workspace, tmp_path):
    page.post("/rank/pics/begin")
    said = text_of(finished(page, "/rank/pics"))
    again = open_page(own_workspace)
    assert text_of(again.get("/rank/pics")) == said
    told = again.get("/rank/pics", headers={"accept": "application/json"}).json()
    assert told == own_workspace.rank("pics").to_json()
    assert "Cached by now" not in said and 'value="pics-net"' in again.get("/rank/pics").text
    made.add_backbone(own_workspace, "other", "another")
    made.import_rows(own_workspace, "pics", tmp_path, "other")
    assert "Cached by now, and not in this ranking: other:1@top" in text_of(again.get("/rank/pics"))
    own_workspace.datasets.correct("pics", {"red/red-10.png": "blue"})
    assert "Ranked with version" in text_of(again.get("/rank/pics"))


def test_a_job_with_options_leads_to_what_it_gave_itself(page, own_workspace):
    few = own_workspace.jobs.rank("pics", "net@top", trying=hs.CrossValidation(folds=3, limit=40))
    judged = own_workspace.jobs.audit("net@top", "pics", trying=hs.CrossValidation(limit=60))
    own_workspace.jobs.work()
    answer = page.get(f"/jobs/{few.id}/result")
    assert "folds of 40 samples" in text_of(answer) and f"&amp;job={few.id}" in answer.text
    found = own_workspace.jobs.result(judged.id).given["wrong_labels"]
    answer = page.get(f"/jobs/{judged.id}/result")
    assert f"0 of {len(found)} done" in text_of(answer)
    assert f'name="job" value="{judged.id}"' in answer.text
    assert "Find labels worth a look" in text_of(page.get("/labels/pics?features=net@top"))
    for address in (f"/rank/texts?job={few.id}", f"/labels/pics?features=net@top&job={few.id}"):
        assert page.get(address).status_code == 400
    page.post(f"/rank/pics/begin?job={few.id}")
    again = own_workspace.jobs.find()[0].job
    assert again.id > judged.id and again.plan == few.plan
    assert "folds of 40 samples" in text_of(finished(page, f"/rank/pics?job={again.id}"))


def test_rankings_and_audits_of_numbers_are_shown(page, own_workspace, tmp_path):
    ws, rng = own_workspace, np.random.default_rng(0)
    pixels, y = rng.integers(0, 256, (40, 12, 10, 3), dtype=np.uint8), rng.normal(size=40)
    y[3] += 50
    np.savez(tmp_path / "numbers.npz", x=pixels, y=y)
    ws.datasets.add("numbers", tmp_path / "numbers.npz")
    made.import_rows(ws, "numbers", tmp_path)
    trying = hs.CrossValidation(folds=3, task=hs.Regression())
    ranked = ws.jobs.rank("numbers", "net@top", trying=trying)
    judged = ws.jobs.audit("net@top", "numbers", trying=trying)
    ws.jobs.work()
    (told,) = ws.jobs.result(ranked.id).given
    address = f"/rank/numbers?cost=bytes&job={ranked.id}"
    page.get(f"/jobs/{ranked.id}/result")
    answer = page.get(address)
    assert (
        f"{told['linear_scores']['r2']:.3f}" in text_of(answer) and "R2 over bytes" in answer.text
    )
    first = ws.jobs.result(judged.id).given["wrong_labels"][0]
    assert first["id"] in text_of(page.get(f"/jobs/{judged.id}/result"))


def test_a_job_that_is_lost_is_said_to_be_and_begun_again(page, own_workspace):
    job = begin(own_workspace.context, RankTask("pics"))
    lose(own_workspace, job.id)
    said = text_of(page.get(f"/jobs/{job.id}"))
    assert "Lost: who worked at it has ended" in said and f"headstart worker {job.id}" in said
    assert "has ended" in text_of(page.get("/rank/pics"))
    page.post(f"/jobs/{job.id}/retry")
    assert "net@top" in text_of(finished(page, "/rank/pics"))
    assert own_workspace.jobs.get(job.id).state == "done"


def test_a_job_that_another_worker_leaves_undone_is_done_by_the_page(own_workspace, monkeypatch):
    context, looked, run = own_workspace.context, Event(), JobWorker.run

    def seen(self, number):
        works = run(self, number)
        looked.set()
        return works

    monkeypatch.setattr(JobWorker, "run", seen)
    monkeypatch.setattr("headstart.ui.page_worker.NAP_SECONDS", 0.01)
    worker, job = PageWorker(context), begin(context, RankTask("pics"))
    key = key_of_task(job.id)
    with Lease(context.database, 60.0, LifeSigns(context.config.locks), job.id) as lease:
        lease.claim((key,), deque([key]), 1)
        worker.work_at(job.id)
        assert looked.wait(60)
    while worker.has(job.id):
        sleep(0.01)
    assert own_workspace.jobs.get(job.id).state == "done"


def test_a_job_at_which_nobody_works_is_said_to_be_and_begun_from_where_one_waits(
    page, own_workspace
):
    job = begin(own_workspace.context, RankTask("pics"))
    waiting = page.get("/rank/pics")
    assert "Nobody works at it" in text_of(waiting)
    assert f'action="/jobs/{job.id}/retry"' in waiting.text
    assert "this page's does not have it" in text_of(page.get(f"/jobs/{job.id}"))
    assert "Nobody works at it" in text_of(
        open_page(own_workspace, read_only=True).get("/rank/pics")
    )
    page.post(f"/jobs/{job.id}/retry")
    assert "net@top" in text_of(finished(page, "/rank/pics"))


def test_a_job_that_can_only_fail_again_is_not_opened_again(page, own_workspace):
    job = begin(own_workspace.context, RankTask("pics"))
    own_workspace.datasets.correct("pics", {"red/red-10.png": "blue"})
    own_workspace.jobs.work()
    answer = page.get(f"/jobs/{job.id}")
    assert "begin it anew" in text_of(answer) and "<button disabled>Open again" in answer.text
    assert "/cancel" not in answer.text


def test_a_job_that_waits_is_cancelled_and_asked_for_anew(page, own_workspace):
    job = begin(own_workspace.context, RankTask("pics"))
    assert "waiting for a worker" in text_of(page.get("/rank/pics"))
    assert "cancelled" in text_of(page.post(f"/jobs/{job.id}/cancel"))
    assert "Try linear heads" in text_of(page.get("/rank/pics"))
    assert page.get(f"/jobs/{job.id}/result").url.path == f"/jobs/{job.id}"


def test_a_job_that_failed_says_why_where_it_was_begun(page, own_workspace, monkeypatch):
    monkeypatch.setattr("headstart.jobs.tasks.rank.rank", lambda *_a, **_k: 1 / 0)
    page.post("/rank/pics/begin")
    assert "unexpected ZeroDivisionError" in text_of(finished(page, "/rank/pics"))
    (job,) = own_workspace.jobs.find()
    assert page.get(f"/jobs/{job.job.id}/result").status_code == 422
    assert "unexpected ZeroDivisionError" in text_of(page.get("/"))


def test_the_ledger_is_asked_once_for_all_who_look_on(own_workspace, monkeypatch):
    looks, find = [], ledger_watch.find_jobs

    def counted(*given):
        looks.append(given)
        return find(*given)

    monkeypatch.setattr(ledger_watch, "find_jobs", counted)
    watch = LedgerWatch(own_workspace.context)

    async def look_on():
        return await asyncio.gather(*(watch.told() for _ in range(8)))

    with ThreadPoolExecutor(1) as pool:  # a browser's tests leave a loop in the main thread
        told = pool.submit(asyncio.run, look_on()).result()
    assert set(told) == {"[]"} and len(looks) == 1
