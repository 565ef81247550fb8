"""Ranking, judging labels, training: jobs of the ledger that one worker does as a whole."""

import errno
import shutil
import subprocess
import sys
from collections import deque

import pytest

import headstart as hs
import page_workspace as made
from conftest import clean_environment
from headstart.errors import ArtifactDamaged, HeadError, NotFound, RegistryError
from headstart.heads.models import train as models
from headstart.heads.models.train import measure
from headstart.jobs.features.jobs import cancel, find_jobs, get_job, remove, retry
from headstart.jobs.features.worker import JobWorker
from headstart.jobs.labels.kept_audit import audit_of, told_of_audit
from headstart.jobs.labels.kept_next import next_of
from headstart.jobs.tasks.audit import AuditTask
from headstart.jobs.tasks.begin import begin, find_begun
from headstart.jobs.tasks.curve import CurveTask
from headstart.jobs.tasks.kinds import KINDS
from headstart.jobs.tasks.map import MapTask
from headstart.jobs.tasks.next import NextTask
from headstart.jobs.tasks.rank import RankTask
from headstart.jobs.tasks.retrain import RetrainTask
from headstart.jobs.tasks.task import Task, document_of
from headstart.jobs.tasks.train import TrainTask
from headstart.jobs.tasks.worker import GIVEN_UP, TaskWorker
from headstart.registry import tables as t
from headstart.registry.jobs import key_of_task
from headstart.registry.leases import Lease
from headstart.storage.artifacts import PART
from headstart.storage.locks import LifeSigns

FEATURES = "net@top"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    made.make(folder).database.close()
    return folder


@pytest.fixture
def ws(folder, tmp_path):
    shutil.copytree(folder / "zoo", tmp_path / "zoo")
    return hs.open(tmp_path / "zoo")


def done(ws, task):
    """Its job, behind a worker."""
    job = begin(ws.context, task)
    (work,) = JobWorker(ws.context).run(job.id)
    assert (work.state, work.error) == ("done", None)
    return get_job(ws.context, job.id).job


def test_each_kind_of_task_is_done_by_any_worker(ws):
    (key,) = {one.key for one in ws.context.feature_sets.find_sets()}
    tasks = [
        RankTask("pics"),
        AuditTask(FEATURES, "pics"),
        TrainTask("second", FEATURES, "pics"),
        RetrainTask("first:1", "pics"),
        CurveTask("first:1", "pics"),
        MapTask(key, "pics", "pca", 0),
        NextTask("first:1", "pics", held_out=True),
    ]
    assert {one.kind for one in tasks} == set(KINDS)
    assert all(isinstance(one, Task) for one in tasks)
    numbers = [begin(ws.context, one).id for one in tasks]
    works = ws.jobs.work()
    assert [(one.job, one.state, one.error) for one in works] == [
        (number, "done", None) for number in numbers
    ]
    ranked, judged, trained, again, drawn, mapped, unsure = (
        ws.jobs.get(one).job for one in numbers
    )
    assert document_of(ws.context, ranked) == ws.rank("pics").to_json()
    found = audit_of(document_of(ws.context, judged), ws.datasets.manifest("pics"))
    assert found.to_json() == ws.audit(FEATURES, "pics").to_json() and found.suspects
    assert trained.result == {"head": "second:1"} and ws.heads.get("second:1")
    assert again.result == {"head": "first:3"}
    points = ws.heads.get("first:1").learning_curve()
    assert document_of(ws.context, drawn) == points.to_json()
    found = next_of(document_of(ws.context, unsure), ws.datasets.manifest("pics"))
    assert found == list(ws.heads.get("first:1").least_sure(100))
    assert mapped.result == {"map": ws.map(FEATURES, "pics").kept.key}


def test_a_head_is_trained_on_the_backbone_that_was_the_newest_when_the_job_was_begun(ws):
    task = TrainTask.of(ws.context, "second", FEATURES, "pics")
    assert task.subject == "train second on net@top"
    begin(ws.context, task)
    made.add_backbone(ws, trunk="another")
    (work,) = ws.jobs.work()
    assert (work.state, work.error) == ("done", None)
    assert ws.heads.get("second").record.backbone == "net:1"


def test_a_task_is_begun_once_while_it_is_open(ws):
    first = begin(ws.context, RankTask("pics"))
    assert begin(ws.context, RankTask("pics")).id == first.id
    ws.jobs.work()
    assert begin(ws.context, RankTask("pics")).id > first.id


def test_what_is_wrong_with_a_task_is_said_before_it_is_a_job(ws):
    for task in (
        TrainTask("no/name", FEATURES, "pics"),
        TrainTask("name", "nothing", "pics"),
        RankTask("nothing"),
        RetrainTask("nobody", "pics"),
        MapTask("0" * 64, "pics", "pca", 0),
    ):
        with pytest.raises((NotFound, RegistryError, ValueError)):
            begin(ws.context, task)
    assert not ws.jobs.find()


def test_a_task_that_fails_says_why_and_is_opened_again(ws, monkeypatch):
    job = begin(ws.context, RankTask("pics"))
    with monkeypatch.context() as patched:
        patched.setattr("headstart.jobs.tasks.rank.rank", lambda *_a, **_k: 1 / 0)
        (work,) = ws.jobs.work()
    found = ws.jobs.get(job.id)
    assert (found.state, work.state) == ("failed", "failed")
    assert found.job.error.startswith("unexpected ZeroDivisionError")
    assert retry(ws.context, job.id).state == "queued"
    (work,) = ws.jobs.work(job.id)
    assert work.state == "done" and ws.jobs.get(job.id).job.error is None


@pytest.mark.parametrize(
    ("cause", "is_of_all"),
    [
        (OSError(errno.ENOSPC, "no space left"), False),
        (ModuleNotFoundError("umap"), False),
        (FileNotFoundError(errno.ENOENT, "gone"), True),
        (None, True),
    ],
)
def test_a_task_that_one_machine_cannot_do_is_left_to_others(ws, monkeypatch, cause, is_of_all):
    def refused(*_given, **_more):
        raise HeadError("it cannot be ranked", hint="See above.") from cause

    job = begin(ws.context, RankTask("pics"))
    with monkeypatch.context() as patched:
        patched.setattr("headstart.jobs.tasks.rank.rank", refused)
        (work,) = ws.jobs.work()
    found = ws.jobs.get(job.id)
    assert "it cannot be ranked" in work.error and "it cannot be ranked" in found.job.error
    assert found.state == ("failed" if is_of_all else "queued")
    if not is_of_all:
        assert [one.state for one in ws.jobs.work(job.id)] == ["done"]


def test_a_task_of_a_dataset_that_changed_since_is_not_done(ws):
    job = begin(ws.context, AuditTask(FEATURES, "pics"))
    ws.datasets.correct("pics", {"red/red-10.png": "blue"})
    (work,) = ws.jobs.work()
    assert work.state == "failed" and "is version" in work.error and "Begin it again" in work.error
    assert begin(ws.context, AuditTask(FEATURES, "pics")).id != job.id


def test_a_task_that_is_cancelled_while_it_trains_registers_no_head(ws, monkeypatch):
    job, fit = begin(ws.context, TrainTask("second", FEATURES, "pics")), models.train

    def cancelled_meanwhile(*given):
        cancel(ws.context, job.id)
        return fit(*given)

    monkeypatch.setattr(models, "train", cancelled_meanwhile)
    (work,) = ws.jobs.work()
    assert (work.state, work.error) == ("cancelled", None)
    assert ws.jobs.get(job.id).job.result is None
    with pytest.raises(NotFound):
        ws.heads.get("second")
    assert find_begun(ws.context, TrainTask("second", FEATURES, "pics")) is None


def test_an_ensemble_whose_training_is_cancelled_is_not_registered(ws, monkeypatch):
    module = "headstart.jobs.heads.combined.ensemble.measure"
    ws.heads.train_ensemble("both", 1)
    job = begin(ws.context, RetrainTask("both:1", "pics"))

    def cancelled_meanwhile(*given):
        cancel(ws.context, job.id)
        return measure(*given)

    monkeypatch.setattr(module, cancelled_meanwhile)
    (work,) = ws.jobs.work()
    assert (work.state, work.error) == ("cancelled", None)
    with pytest.raises(NotFound):
        ws.heads.get("both:2")


@pytest.mark.parametrize(
    "task", [TrainTask("second", FEATURES, "pics"), RetrainTask("first:1", "pics")]
)
def test_a_head_is_not_registered_whose_dataset_changed_while_it_was_trained(ws, task, monkeypatch):
    fit = models.train

    def corrected_meanwhile(*given):
        ws.datasets.correct("pics", {"red/red-10.png": "blue"})
        return fit(*given)

    monkeypatch.setattr(models, "train", corrected_meanwhile)
    begin(ws.context, task)
    (work,) = ws.jobs.work()
    assert work.state == "failed" and "is version" in work.error
    for name in ("second", "first:3"):
        with pytest.raises(NotFound):
            ws.heads.get(name)


def test_a_worker_that_is_stopped_gives_a_task_back(ws):
    job = begin(ws.context, TrainTask("second", FEATURES, "pics"))
    TaskWorker(ws.context, job, lambda *_: None, lambda: True).run()
    found = ws.jobs.get(job.id)
    assert found.state == "queued" and not found.workers and not found.lost_workers
    assert ws.context.jobs.find_tries(job.id) == {}


def test_a_task_is_done_by_one_worker_alone(ws):
    job = begin(ws.context, RankTask("pics"))
    signs = LifeSigns(ws.config.locks)
    with Lease(ws.context.database, 60.0, signs, job.id) as lease:
        key = key_of_task(job.id)
        assert lease.claim((key,), deque([key]), 1).digests == (key,)
        found = ws.jobs.get(job.id)
        assert found.state == "running" and len(found.workers) == 1
        assert not ws.jobs.work() and not ws.jobs.work(job.id)
        with pytest.raises(RegistryError, match="is running"):
            retry(ws.context, job.id)
    (work,) = ws.jobs.work()
    assert work.state == "done"


KILLED = """
import os, sys
import headstart as hs
import headstart.jobs.tasks.rank as module
ws = hs.open(sys.argv[1])
module.rank = lambda *given, progress, **more: (progress(0, 4), os._exit(9))
ws.jobs.work()
"""


def killed(ws):
    """What becomes of a worker that something ends while it ranks."""
    command = [sys.executable, "-c", KILLED, str(ws.config.root)]
    return subprocess.run(command, env=clean_environment(), capture_output=True).returncode


def test_a_task_whose_worker_was_killed_is_seen_as_lost_and_done_by_another(ws):
    job = begin(ws.context, RankTask("pics"))
    assert killed(ws) == 9
    found = ws.jobs.get(job.id)
    assert found.state == "queued" and not found.workers and len(found.lost_workers) == 1
    assert (found.committed, found.samples) == (0, 4)
    (work,) = ws.jobs.work()
    assert work.state == "done"
    assert ws.jobs.get(job.id).lost_workers == ()


def test_a_task_at_which_three_workers_died_is_given_up(ws):
    job = begin(ws.context, RankTask("pics"))
    digest = key_of_task(job.id)
    with ws.database.writing() as connection:
        connection.execute(t.attempts.insert().values(job=job.id, digest=digest, tries=3))
    (work,) = ws.jobs.work()
    assert (work.state, work.error) == ("failed", GIVEN_UP)
    assert retry(ws.context, job.id).state == "queued"
    assert ws.jobs.work()[0].state == "done"


def test_the_file_of_a_result_is_needed_as_long_as_its_job(ws):
    job = done(ws, RankTask("pics"))
    ws.cache.collect(ws.cache.find_garbage())
    assert document_of(ws.context, job)
    remove(ws.context, job.id)
    assert job.result["document"] not in ws.context.needed_artifacts()


def test_a_result_that_is_damaged_is_said_with_what_makes_it_again(ws):
    job = done(ws, RankTask("pics"))
    ws.context.artifacts.here(job.result["document"], PART).write_bytes(b"{}")
    with pytest.raises(ArtifactDamaged, match=rf"is damaged.*`headstart job retry {job.id}`"):
        ws.jobs.result(job.id)


def test_an_audit_that_is_kept_leaves_out_what_changed_since(ws):
    found = ws.audit(FEATURES, "pics")
    told = told_of_audit(found)
    assert found.suspects
    one, other = (suspect.sample for suspect in found.suspects[:2])
    ws.datasets.correct("pics", {one.id: "red"})
    left = audit_of(told, ws.datasets.manifest("pics"))
    assert left.suspects and left.suspects[0].sample.id == other.id
    told["suspects"][1][0]["digest"] = "0" * 64
    left = audit_of(told, ws.datasets.manifest("pics"))
    assert left.suspects is not None
    assert other.id not in [suspect.sample.id for suspect in left.suspects]


def test_a_job_of_another_version_is_refused_with_a_word(ws):
    job = begin(ws.context, RankTask("pics"))
    with ws.database.writing() as connection:
        connection.execute(t.jobs.update().values(kind="dream", plan={"of": "electric sheep"}))
    (work,) = ws.jobs.work()
    assert work.state == "failed" and "this version of headstart cannot do" in work.error
    assert find_jobs(ws.context)[0].job.id == job.id
