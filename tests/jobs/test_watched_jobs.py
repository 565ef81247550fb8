"""What whoever watches a job that others do is told of it: reports, errors, and how it ends.

The workers are real and in this process; what Ray adds is in tests/reliability/test_ray.py.
"""

import numpy as np
import pytest

from headstart.clusters.ray_cluster import RayCluster
from headstart.errors import Cancelled, ClusterError, FeatureError
from headstart.jobs.features.worker import JobWorker
from headstart.jobs.on_ray import RayExecutor, executor
from headstart.jobs.on_ray.worker import _Reporting
from headstart.notices import HeadstartNote

EAGER = {"batch_size": 4, "commit_seconds": 0.0}


class InThisProcess:
    """Stands for a supervisor: at the first look a worker does what it can, and leaves."""

    def __init__(self, ws, number, work=lambda: None):
        self._ws, self._number, self._work = ws, number, work
        self.reports, self.is_over, self.last_words = [], False, ""

    def look(self):
        if self.is_over:
            return
        self._work()
        self.is_over = True
        if self._ws.context.jobs.get(self._number).is_open:
            executor_of = lambda context, job: _Reporting(context, job, self.reports)  # noqa: E731
            works = JobWorker(self._ws.context, executor=executor_of).run(self._number)
            self.last_words = "; ".join(work.error for work in works if work.error)


@pytest.fixture
def elsewhere(ready, monkeypatch):
    """An executor whose workers are in this process, and what they do before they begin."""
    monkeypatch.setattr(executor, "LOOK_SECONDS", 0.0)
    made = RayExecutor(ready.context)
    made.own = False
    made.before = lambda: None
    cluster = lambda **_: RayCluster("Ray at head:6379", made.own, is_remote=False)  # noqa: E731
    started = lambda job, _cluster: InThisProcess(ready, job.id, lambda: made.before())  # noqa: E731
    monkeypatch.setattr(made, "_connect", cluster)
    monkeypatch.setattr(made, "_started", started)
    return made


def test_the_report_is_that_of_a_run_in_one_process(ready, elsewhere, run):
    seen = []
    view = ready.extract(
        "net", "pics", executor=elsewhere, progress=lambda *done: seen.append(done), **EAGER
    )
    given = view.report
    assert (given.samples, given.unique, given.computed, given.reused) == (36, 36, 36, 0)
    assert given.engine in ("openvino", "tensorflow")
    assert given.engine_reason
    assert (seen[0], seen[-1]) == ((0, 36), (36, 36))
    key = ready.context.feature_sets.find_sets()[0].key
    assert run("features", "gc", "--set", key, "--apply").code == 0
    here = ready.extract("net", "pics", **EAGER).report
    assert here.to_json().keys() == given.to_json().keys()
    assert here.feature_keys == given.feature_keys
    np.testing.assert_array_equal(view.to_numpy(), ready.features("net", "pics").to_numpy())


def test_what_is_there_counts_as_reused_and_what_cannot_be_read_as_skipped(ready, elsewhere):
    ready.extract("net", "pics")
    pictures = ready.config.root.parent / "pictures" / "red"
    (pictures / "bad.png").write_bytes(b"no picture")
    (pictures / "new.png").write_bytes((pictures / "01.png").read_bytes() + b" ")
    report = ready.extract("net", "pics", executor=elsewhere, on_error="skip", **EAGER).report
    assert (report.computed, report.reused, report.skipped) == (1, 36, 1)
    assert [one["id"] for one in report.skipped_samples] == ["red/bad.png"]


def test_a_job_that_fails_is_an_error_with_the_workers_words(ready, elsewhere):
    (ready.config.root.parent / "pictures" / "red" / "bad.png").write_bytes(b"no picture")
    with pytest.raises(FeatureError, match=r"job 1 failed: .*'red/bad.png'.*--on-error skip"):
        ready.extract("net", "pics", executor=elsewhere, **EAGER)
    assert ready.jobs.get(1).state == "failed"


def test_when_all_workers_have_left_their_last_words_are_the_error(ready, elsewhere, monkeypatch):
    pictures = ready.config.root.parent / "pictures"
    elsewhere.before = lambda: pictures.rename(pictures.with_name("elsewhere"))
    with pytest.raises(ClusterError, match=r"no worker of job 1 .*blue/00.jpg.*It stays queued"):
        ready.extract("net", "pics", executor=elsewhere, **EAGER)
    pictures.with_name("elsewhere").rename(pictures)
    elsewhere.before = lambda: None
    with pytest.warns(HeadstartNote, match="job 1 has the same samples and is continued"):
        report = ready.extract("net", "pics", executor=elsewhere, **EAGER).report
    assert (report.computed, [one.job.id for one in ready.jobs.find()]) == (36, [1])


def test_cancelled_by_its_executor_or_by_anybody_it_ends(ready, elsewhere):
    elsewhere.before = lambda: ready.jobs.cancel(1)
    with pytest.raises(Cancelled, match="job 1, was cancelled with 0 of 36 samples done"):
        ready.extract("net", "pics", executor=elsewhere, **EAGER)
    with pytest.raises(Cancelled, match="job 2, was cancelled with 0 of 36"):
        ready.extract(
            "net", "pics", executor=elsewhere, progress=lambda *_: elsewhere.cancel(), **EAGER
        )
    assert [one.state for one in ready.jobs.find()] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("own", [False, True])
def test_who_interrupts_is_told_what_goes_on(ready, elsewhere, own):
    def interrupt():
        raise KeyboardInterrupt

    elsewhere.own, elsewhere.before = own, interrupt
    told = "stays queued, and its workers end" if own else "goes on, on Ray at head:6379"
    with (
        pytest.warns(HeadstartNote, match=f"job 1 {told}.*`headstart job cancel 1` ends it"),
        pytest.raises(KeyboardInterrupt),
    ):
        ready.extract("net", "pics", executor=elsewhere, **EAGER)
    assert ready.context.jobs.get(1).state == "queued"


def test_detached_it_is_started_and_not_waited_for(ready, elsewhere):
    job = ready.jobs.add("net", "pics", executor=elsewhere, **EAGER)
    assert (job.id, ready.jobs.get(1).state) == (1, "queued")
