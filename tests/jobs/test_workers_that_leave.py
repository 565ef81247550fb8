"""What becomes of a job that a worker leaves before its end, and of one that is opened again."""

import pytest

from conftest import rows_in
from headstart.errors import Stalled
from headstart.extractors.run import suspects, worker

EAGER = {"batch_size": 4, "commit_seconds": 0.0}


def at(name, error):
    """Reads samples, and raises an error at one of that name."""
    real = worker._read_all

    def read_all(samples, read, step):
        if any(sample.id == name for sample in samples):
            raise error
        return real(samples, read, step)

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


def test_a_sample_that_has_changed_fails_the_job(ready):
    ready.jobs.add("net", "pics", **EAGER)
    picture = ready.config.root.parent / "pictures" / "red" / "01.png"
    picture.write_bytes(picture.read_bytes() + b" ")
    (work,) = ready.jobs.work()
    assert work.state == "failed"
    assert "'red/01.png' has changed" in ready.context.jobs.get(1).error
    assert ready.context.jobs.find_tries(1) == {}
