"""Jobs: planned here, done by workers; the ledger says how far they are. No process is started."""

import shutil
import signal

import numpy as np
import pytest

from conftest import direct, draw, rows_in
from headstart.errors import BackboneError, NotFound, RegistryError, SampleUnreadable
from headstart.extractors.datasets import listing
from headstart.extractors.engines.selection import Chooser
from headstart.extractors.run import worker
from headstart.extractors.runtime import THREADS_OF, cores
from headstart.jobs.features import worker as job_worker
from headstart.jobs.features.worker import JobWorker
from headstart.registry import tables
from headstart.registry.jobs import find_holders

EAGER = {"batch_size": 4, "commit_seconds": 0.0}


def test_a_job_is_planned_here_and_done_by_a_worker(ready, model):
    job = ready.jobs.add("net", "pics", **EAGER)
    assert (job.id, job.state, job.dataset) == (1, "queued", "pics")
    assert ready.jobs.get(1).missing == 36
    assert rows_in(ready) == 0
    (work,) = ready.jobs.work()
    assert (work.job, work.state, work.computed, work.error) == (1, "done", 36, None)
    found = ready.jobs.get(1)
    assert (found.state, found.job.state, found.committed, found.missing) == ("done", "done", 36, 0)
    assert found.job.counts == {"samples": 36, "committed": 36, "failed": 0, "missing": 0}
    view = ready.features("net", "pics")
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=1e-5)
    happened = [(one.action, one.object) for one in ready.events.find(kind="job")]
    assert happened == [("finish", "1"), ("add", "1")]
    assert ready.jobs.work() == []


def test_a_worker_does_not_look_at_the_dataset_again(ready, monkeypatch):
    """The manifest is pinned: nothing is listed, and files that came since are not of the job."""
    ready.jobs.add("net", "pics", **EAGER)
    draw(ready.config.root.parent / "pictures" / "red" / "new.png", 999)

    def refuse(*_arguments, **_more):
        raise AssertionError("the dataset is looked at")

    monkeypatch.setattr("headstart.jobs.features.extract.look_again", refuse)
    monkeypatch.setattr(listing, "scan", refuse, raising=False)
    (work,) = ready.jobs.work()
    assert (work.state, work.computed) == ("done", 36)


def test_a_job_of_what_is_there_is_done_at_once(ready, run):
    ready.extract("net", "pics")
    job = ready.jobs.add("net", "pics")
    assert (job.state, job.counts["committed"], job.counts["missing"]) == ("done", 36, 0)
    assert ready.context.jobs.get(job.id).state == ready.jobs.get(job.id).state == "done"
    assert ready.jobs.work() == ready.jobs.work(job.id) == []
    said = run("extract", "net", "pics", "--detach").out
    assert "job 2 is done: net on pics. Nothing is to be computed" in said
    assert "How far it is" not in said
    (happened,) = ready.events.find(kind="job", limit=1)
    assert (happened.action, happened.after["state"]) == ("add", "done")


def test_a_job_is_queued_where_something_is_known_to_be_unreadable(ready):
    """As whoever plans it to fail at such a sample is to hear of it."""
    (ready.config.root.parent / "pictures" / "red" / "bad.png").write_bytes(b"no picture")
    ready.extract("net", "pics", on_error="skip")
    assert ready.jobs.add("net", "pics", on_error="skip").state == "done"
    assert ready.jobs.add("net", "pics").state == "queued"


def test_two_jobs_on_the_same_set_compute_it_once(ready):
    for _ in range(2):
        ready.jobs.add("net", "pics", **EAGER)
    assert [(work.job, work.computed) for work in ready.jobs.work()] == [(1, 36), (2, 0)]
    assert [found.state for found in ready.jobs.find()] == ["done", "done"]
    assert rows_in(ready) == 36


def test_a_job_of_two_cuts_and_an_augmentation_is_one_of_all_its_samples(ready):
    ready.jobs.add("net@features,relu|gap", "pics", augmentation=1, **EAGER)
    (work,) = ready.jobs.work()
    found = ready.jobs.get(1)
    assert (work.state, found.committed) == ("done", found.samples)
    assert rows_in(ready) == 2 * found.samples


def test_what_is_cancelled_in_mid_job_keeps_what_was_committed_and_goes_on_after_a_retry(
    ready, monkeypatch
):
    monkeypatch.setattr(job_worker, "LOOK_SECONDS", 0.0)
    ready.jobs.add("net", "pics", **EAGER)

    def look(done, _total):
        if done == 12:
            ready.jobs.cancel(1)

    assert [work.state for work in ready.jobs.work(progress=look)] == ["cancelled"]
    found = ready.jobs.get(1)
    assert found.state == "cancelled"
    assert 12 <= found.committed < 36
    assert no_claims(ready)
    assert ready.jobs.work() == []  # nobody works at it any more
    with pytest.raises(RegistryError, match="job 1 is cancelled"):
        ready.jobs.work(1)
    with pytest.raises(RegistryError, match="job 1 is cancelled"):
        ready.jobs.cancel(1)
    before = ready.jobs.retry(1).committed
    (work,) = ready.jobs.work(1)
    assert (work.state, work.computed) == ("done", 36 - before)
    happened = [one.action for one in ready.events.find(kind="job")]
    assert happened == ["finish", "retry", "cancel", "add"]


def no_claims(ws):
    keys = [one.key for one in ws.context.feature_sets.find_sets()]
    return find_holders(ws.database, keys) == []


def test_who_is_stopped_commits_what_is_in_hand_and_gives_back_the_rest(ready):
    ready.jobs.add("net", "pics", **EAGER)
    stopped = JobWorker(ready.context, lambda done, _total: done >= 8 and stopped.stop())
    (work,) = stopped.run()
    assert (work.state, work.computed, work.error) == ("queued", None, None)
    assert 8 <= ready.jobs.get(1).committed < 36
    assert no_claims(ready)
    assert ready.jobs.work()[0].state == "done"


def test_a_sample_that_cannot_be_decoded_fails_the_job_or_is_its_failure(ready):
    bad = ready.config.root.parent / "pictures" / "red" / "bad.png"
    bad.write_bytes(b"no picture")
    ready.jobs.add("net", "pics", **EAGER)
    (work,) = ready.jobs.work()
    assert work.state == "failed"
    assert "sample 'red/bad.png' of dataset 'pics' cannot be read" in work.error
    assert "--on-error skip" in ready.jobs.get(1).job.error
    with pytest.raises(RegistryError, match=r"job 1 is failed: .*red/bad.png"):
        ready.jobs.work(1)
    ready.jobs.add("net", "pics", on_error="skip", **EAGER)
    assert ready.jobs.work()[0].state == "done"
    found = ready.jobs.get(2)
    assert (found.committed, found.failed, found.missing) == (36, 1, 0)
    assert [one["id"] for one in found.failures] == ["red/bad.png"]
    assert ready.jobs.get(1).state == "done"  # and so is the other: nothing of it is missing


def test_failures_are_tried_again_by_a_retry(ready, monkeypatch):
    real = worker._read_all
    monkeypatch.setattr(worker, "_read_all", unreadable("red/00.jpg", real))
    ready.jobs.add("net", "pics", on_error="skip", **EAGER)
    ready.jobs.work()
    assert ready.jobs.get(1).failures[0]["reason"] == "a hiccup"
    monkeypatch.setattr(worker, "_read_all", real)
    assert ready.jobs.retry(1).missing == 1
    (work,) = ready.jobs.work()
    assert (work.state, work.computed, ready.jobs.get(1).failed) == ("done", 1, 0)


def unreadable(name, real):
    def read_all(samples, read, step):
        contents = real(samples, read, step)
        return [
            SampleUnreadable("a hiccup") if sample.id == name else content
            for sample, content in zip(samples, contents, strict=True)
        ]

    return read_all


def test_a_worker_that_does_not_see_the_files_says_which_and_another_goes_on(ready):
    pictures = ready.config.root.parent / "pictures"
    ready.jobs.add("net", "pics", on_error="skip", **EAGER)
    shutil.move(pictures, pictures.with_name("elsewhere"))
    (work,) = ready.jobs.work()
    assert work.state == "queued"
    assert "blue/00.jpg" in work.error
    found = ready.jobs.get(1)
    assert (found.state, found.committed, found.failed) == ("queued", 0, 0)
    assert "left: " in found.job.error and "blue/00.jpg" in found.job.error
    shutil.move(pictures.with_name("elsewhere"), pictures)
    assert ready.jobs.work()[0].state == "done"
    assert ready.jobs.get(1).job.error is None


@pytest.mark.parametrize("package", ["tensorflow", "headstart", "pillow"])
def test_a_worker_of_another_version_is_refused_and_does_the_others(ready, package):
    ready.jobs.add("net", "pics", **EAGER)
    ready.jobs.add("net@relu|gap", "pics", **EAGER)
    job = ready.context.jobs.get(1)
    change(ready, 1, versions={**job.versions, package: "0.0.9"})
    refused, done = ready.jobs.work()
    assert (refused.state, refused.computed) == ("queued", None)
    ours = job.versions[package]
    assert refused.error.startswith(
        f"job 1 was planned with {package} 0.0.9, and this worker has {package} {ours}. "
    )
    assert "headstart extract net pics --detach" in refused.error
    assert (done.job, done.state) == (2, "done")


def change(ws, number, **values):
    with ws.database.writing() as connection:
        chosen = tables.jobs.c.id == number
        connection.execute(tables.jobs.update().where(chosen).values(**values))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"version": 2}, "a plan of version 2, this code runs version 1"),
        ({"feature_keys": {"features": "0" * 64}}, "the plan wants features 000000000000"),
        ({"dataset_digest": "0" * 64}, "the plan wants samples 000000000000"),
        ({"backbone": "other:1"}, "no backbone"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_in_a_line_and_shown(ready, run, part, message):
    ready.jobs.add("net", "pics", **EAGER)
    change(ready, 1, plan={**ready.context.jobs.get(1).plan, **part})
    done = run("worker", "1")
    assert done.code == 1
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert rows_in(ready) == 0
    shown = run("job", "show", "1")
    assert shown.code == 0
    assert message.split(",")[0] in " ".join(shown.out.split())


def test_an_engine_that_is_not_here_is_refused(ready):
    ready.jobs.add("net", "pics", **EAGER)
    plan = ready.context.jobs.get(1).plan
    change(ready, 1, plan={**plan, "settings": {**plan["settings"], "engine": "abacus"}})
    (work,) = ready.jobs.work()
    assert "no engine 'abacus'" in work.error


def test_the_manifest_of_a_job_is_kept_until_it_is_finished(ready, monkeypatch):
    ready.jobs.add("net", "pics", **EAGER)
    draw(ready.config.root.parent / "pictures" / "red" / "new.png", 999)
    ready.datasets.refresh("pics")
    monkeypatch.setattr("headstart.extractors.cache.gc.MANIFEST_SECONDS", -1.0)
    assert kinds_of(ready.cache.find_garbage()) == []
    assert ready.jobs.work()[0].state == "done"
    assert kinds_of(ready.cache.find_garbage()) == ["manifest"]


def test_a_job_that_is_over_can_be_removed_and_lets_its_manifest_go(ready, run, fails, monkeypatch):
    monkeypatch.setattr("headstart.extractors.cache.gc.MANIFEST_SECONDS", -1.0)
    ready.jobs.add("net", "pics", **EAGER)
    draw(ready.config.root.parent / "pictures" / "red" / "new.png", 999)
    ready.datasets.refresh("pics")
    said = "job 1 is queued. `headstart job cancel 1` ends it first."
    assert said in fails("job", "remove", "1")
    ready.jobs.cancel(1)
    assert kinds_of(ready.cache.find_garbage()) == []  # it can be opened again
    assert "Removed job 1." in run("job", "remove", "1").out
    assert kinds_of(ready.cache.find_garbage()) == ["manifest"]
    assert "there is no job 1" in fails("job", "remove", "1")
    happened = [one.action for one in ready.events.find(kind="job")]
    assert happened == ["remove", "cancel", "add"]
    ready.extract("net", "pics")
    ready.jobs.add("net", "pics")
    assert ready.jobs.remove(ready.jobs.find()[0].job.id).removed  # done, as the ledger has it


def kinds_of(garbage):
    return [one.kind for one in garbage if one.kind == "manifest"]


# The command line


def test_the_commands_of_a_job(ready, run, fails):
    assert "No jobs yet" in run("job", "list").out
    made = run("extract", "net", "pics", "--detach", "--views", "1")
    assert "job 1 is queued: net on pics. Do it: headstart worker 1" in made.out
    assert "job 2 is queued: net on pics, view 1" in made.out
    assert run("job", "show", "1", "--json").json["state"] == "queued"
    assert "job 2, net on pics, is cancelled" in run("job", "cancel", "2").out
    assert "job 2 is cancelled" in fails("worker", "2")
    done = run("worker", "--json").json
    assert [(one["job"], one["state"], one["computed"]) for one in done] == [(1, "done", 36)]
    assert "Nothing is left to do." in run("worker").out
    listed = run("job", "list", "--json").json
    assert [(one["id"], one["state"], one["counts"]["committed"]) for one in listed] == [
        (2, "cancelled", 0),
        (1, "done", 36),
    ]
    assert "cancelled" in run("job", "list").out
    shown = run("job", "show", "1")
    assert "done" in shown.out and "36" in shown.out
    assert "is queued" in run("job", "retry", "2").out
    assert "there is no job 7" in fails("job", "show", "7")
    assert "there is no job 7" in fails("worker", "7")
    for command in (("job", "show"), ("job", "cancel"), ("worker",)):
        said = "'abc' is not the number of a job. `headstart job list` lists them. See `"
        assert said in fails(*command, "abc")
    said = " ".join(run("job", "show", "2").out.split())
    assert "nobody works at it now; `headstart worker 2`" in said


def test_a_worker_has_the_cores_that_it_was_given(ready, run, monkeypatch):
    for name in THREADS_OF:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "7")
    asked = []
    real = Chooser.choose
    monkeypatch.setattr(Chooser, "choose", lambda *args: (asked.append(cores()), real(*args))[1])
    ready.jobs.add("net", "pics", **EAGER)
    assert run("worker", "--cores", "1").code == 0
    assert asked == [1]


def test_who_waits_takes_up_jobs_that_come(ready, monkeypatch):
    monkeypatch.setattr(job_worker, "NAP_SECONDS", 0.01)
    monkeypatch.setattr(job_worker, "WAIT_SECONDS", 0.01)
    added, told = [], []
    waiting = JobWorker(ready.context, tell=told.append)

    def nap(seconds):
        if not added:
            added.append(ready.jobs.add("net", "pics", **EAGER))
        elif ready.context.jobs.get(1).state == "done":
            waiting.stop()

    monkeypatch.setattr(job_worker.time, "sleep", nap)
    works = waiting.run(wait=True)
    assert [work.state for work in works] == ["done"]
    assert told == works  # as soon as each is left


def test_who_waits_in_vain_can_be_terminated(ready, run, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(job_worker.time, "sleep", lambda _: signal.raise_signal(signal.SIGTERM))
    ended = run("worker", "--wait", "--json")
    assert ended.code == 128 + signal.SIGTERM
    assert ended.json == []  # what was done, also then
    assert "terminated: what was computed is committed" in ended.err
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_there_is_not_says_so(ready):
    with pytest.raises(NotFound, match="there is no job 3"):
        ready.jobs.get(3)
    with pytest.raises(BackboneError, match="no setting of an extraction is called 'sped'"):
        ready.jobs.add("net", "pics", sped=1)
