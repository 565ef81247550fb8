"""What becomes of a job that a worker leaves before its end, and of one that is opened again."""

import pytest

from conftest import rows_in
from headstart.errors import RegistryError, SampleUnreadable, Stalled
from headstart.extractors.run import suspects, worker
from headstart.jobs.features import worker as job_worker
from headstart.jobs.features.worker import JobWorker

EAGER = {"batch_size": 4, "commit_seconds": 0.0}


def at(name, error):
    """Reads samples, and meets an error at one of that name."""
    real = worker._read_all

    def read_all(samples, read, step):
        has = [sample.id == name for sample in samples]
        if any(has) and not isinstance(error, SampleUnreadable):
            raise error
        contents = real(samples, read, step)
        return [error if is_it else one for is_it, one in zip(has, contents, strict=True)]

    return read_all


@pytest.mark.parametrize("error", [Stalled("reading 'red/01.png' hangs"), MemoryError("no more")])
def test_a_sample_at_which_workers_end_with_an_error_is_given_up(ready, monkeypatch, error):
    monkeypatch.setattr(worker, "_read_all", at("red/01.png", error))
    job = ready.jobs.add("net", "pics", **EAGER)
    behind = ready.jobs.add("net@relu|gap", "pics", **EAGER)
    for tries in (1, 2, 3):
        with pytest.raises(type(error), match=str(error)):
            ready.jobs.work(job.id)
        assert max(ready.context.jobs.find_tries(job.id).values()) == tries
        assert str(error) in ready.jobs.get(job.id).job.error
    (work,) = ready.jobs.work(job.id)
    assert work.state == "done"
    assert rows_in(ready) == 35
    found = ready.jobs.get(job.id)
    assert found.failures == ({"id": "red/01.png", "reason": suspects.GIVEN_UP},)
    monkeypatch.undo()
    assert [work.job for work in ready.jobs.work()] == [behind.id]


def test_a_machine_on_which_nothing_can_be_computed_gives_no_sample_up(ready, monkeypatch):
    """Its last tries are had by workers that have computed something, were it what is there."""
    job = ready.jobs.add("net", "pics", **EAGER)
    some = JobWorker(ready.context, lambda done, _total: done >= 8 and some.stop())
    some.run()
    before = ready.jobs.get(job.id).committed
    assert 8 <= before < 36
    with monkeypatch.context() as broken:
        broken.setattr(worker, "_read_all", at_any(MemoryError("no more")))
        for _ in range(6):
            with pytest.raises(MemoryError):
                ready.jobs.work(job.id)
    assert max(ready.context.jobs.find_tries(job.id).values()) == suspects.TRIES - 1
    (work,) = ready.jobs.work(job.id)
    assert (work.state, work.computed) == ("done", 36 - before)
    assert ready.jobs.get(job.id).failed == 0


def at_any(error):
    def read_all(_samples, _read, _step):
        raise error

    return read_all


def test_where_nothing_was_ever_computed_no_sample_is_given_up(ready, monkeypatch):
    job = ready.jobs.add("net", "pics", **EAGER)
    with monkeypatch.context() as broken:
        broken.setattr(worker, "_read_all", at_any(MemoryError("no more")))
        for _ in range(2 + 1):  # all together; in two blocks
            with pytest.raises(MemoryError):
                ready.jobs.work(job.id)
    (work,) = ready.jobs.work(job.id)
    assert (work.state, work.computed) == ("queued", None)
    assert work.error.startswith(
        "36 samples have ended 2 workers each, and none of the others has been computed anywhere: "
        "it may be the machine, and no sample is given up for that. See what the workers ended with"
    )
    assert ready.jobs.retry(job.id).failed == 0
    assert ready.jobs.work(job.id)[0].state == "done"


def test_a_sample_that_has_changed_fails_the_job(ready):
    ready.jobs.add("net", "pics", **EAGER)
    picture = ready.config.root.parent / "pictures" / "red" / "01.png"
    picture.write_bytes(picture.read_bytes() + b" ")
    (work,) = ready.jobs.work()
    assert work.state == "failed"
    assert "'red/01.png' has changed" in ready.context.jobs.get(1).error
    assert ready.context.jobs.find_tries(1) == {}


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_sample_whose_file_is_gone_while_others_are_there_fails_the_job(ready, on_error):
    """No worker will find it: it stayed queued until somebody cancelled it."""
    ready.jobs.add("net", "pics", on_error=on_error, **EAGER)
    (ready.config.root.parent / "pictures" / "red" / "01.png").unlink()
    (work,) = ready.jobs.work()
    assert work.state == "failed"
    assert "red/01.png is gone" in work.error
    assert "dataset refresh" in work.error
    assert ready.context.jobs.find_tries(1) == {}
    with pytest.raises(RegistryError, match=r"job 1 is failed: .*01.png is gone"):
        ready.jobs.work(1)


# Jobs that are opened again


def test_a_retry_under_a_worker_is_taken_up(ready, monkeypatch):
    """What the worker met before counts no more: the job ended as 'cannot be read here'."""
    monkeypatch.setattr(job_worker, "LOOK_SECONDS", 0.0)
    real = worker._read_all
    monkeypatch.setattr(worker, "_read_all", at("red/01.png", SampleUnreadable("a hiccup")))
    ready.jobs.add("net", "pics", on_error="skip", **EAGER)

    def look(_done, _total):
        if worker._read_all is not real and ready.jobs.get(1).failed:
            monkeypatch.setattr(worker, "_read_all", real)
            ready.jobs.retry(1)

    works = ready.jobs.work(progress=look)
    assert [(work.state, work.error) for work in works] == [("queued", None), ("done", None)]
    found = ready.jobs.get(1)
    assert (found.committed, found.failed, found.job.error) == (36, 0, None)


def test_who_had_to_leave_a_job_takes_it_up_after_a_retry_and_not_before(ready, monkeypatch):
    pictures = ready.config.root.parent / "pictures"
    ready.jobs.add("net", "pics", **EAGER)
    pictures.rename(pictures.with_name("elsewhere"))
    left, naps = JobWorker(ready.context), []

    def nap():
        naps.append(ready.context.jobs.get(1).state)
        if len(naps) == 2:
            ready.context.jobs.note(1, "a worker elsewhere left: no files", {})
        if len(naps) == 3:
            pictures.with_name("elsewhere").rename(pictures)
            ready.jobs.retry(1)
        if len(naps) > 4:
            left.stop()

    monkeypatch.setattr(left, "_nap", nap)
    assert [work.state for work in left.run(wait=True)] == ["queued", "done"]
    assert naps[:4] == ["queued", "queued", "queued", "done"]


@pytest.mark.parametrize("is_done", [True, False])
def test_a_retry_between_a_look_at_the_ledger_and_what_is_written_of_it_stays(
    ready, monkeypatch, is_done
):
    real, looks = job_worker.as_it_is, []
    if not is_done:
        monkeypatch.setattr(worker, "_read_all", at("red/01.png", SampleUnreadable("a hiccup")))
    ready.jobs.add("net", "pics", **EAGER)

    def look(context, job):
        found = real(context, job)
        if not looks:
            looks.append(found.state)
            monkeypatch.undo()
            ready.jobs.retry(1)
        return found

    monkeypatch.setattr(job_worker, "as_it_is", look)
    assert [work.state for work in ready.jobs.work()] == [
        "queued" if not is_done else "done",
        "done",
    ]
    happened = [one.action for one in ready.events.find(kind="job")]
    assert happened == ["finish", "retry", "add"]
    assert looks == ["done" if is_done else "queued"]


def test_what_a_queued_job_needs_is_not_removed_without_a_word(ready, fails, run):
    ready.jobs.add("net", "pics", **EAGER)
    assert "dataset 'pics' is in use: job 1 is queued" in fails("dataset", "remove", "pics")
    assert "is in use: job 1 is queued" in fails("backbone", "remove", "net")
    for _ in range(6):
        ready.jobs.add("net", "pics", **EAGER)
    words = "jobs 1, 2, 3, 4, 5 and 2 more are queued"
    assert words in fails("dataset", "remove", "pics")
    for number in range(1, 7):
        ready.jobs.cancel(number)
    assert "is in use: job 7 is queued" in fails("backbone", "remove", "net")
    assert run("backbone", "remove", "net", "--force").code == 0
    ready.jobs.cancel(7)
    assert run("dataset", "remove", "pics").code == 0


def test_a_job_that_is_done_and_whose_features_went_says_how_they_come_back(ready, run):
    ready.jobs.add("net", "pics", **EAGER)
    ready.jobs.work()
    (key,) = ready.context.jobs.get(1).plan["feature_keys"].values()
    assert run("features", "gc", "--set", key, "--apply").code == 0
    shown = " ".join(run("job", "show", "1").out.split())
    assert "done" in shown
    assert "36, gone since; `headstart job retry 1` has them computed" in shown
