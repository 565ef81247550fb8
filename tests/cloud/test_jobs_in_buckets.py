"""Jobs whose bucket goes away, or takes the credentials no more, in the middle of them."""

import threading

import numpy as np
import pytest
from rotten import forget_here, rot_features
from test_bucket_workspace import another_machine, cloud

import headstart as hs
from conftest import direct, draw_classes, rows_in
from headstart.registry.jobs import find_holders

__all__ = ["cloud"]
EAGER = {"batch_size": 4, "commit_seconds": 0.0, "engine": "tensorflow"}
EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"


@pytest.fixture
def job(proxy, cloud):
    """A workspace behind the proxy, with a job of 36 samples."""
    cloud.jobs.add("net@features", "pics", **EAGER)
    return cloud


def once_at(number, act):
    """What is told of progress, and acts when so many samples are done."""
    acted = []

    def progress(done, _total):
        if done >= number and not acted:
            acted.append(done)
            act()

    return progress


def assert_done_once(ws, model):
    found = ws.jobs.get(1)
    assert (found.state, found.committed, found.claimed) == ("done", 36, 0)
    assert rows_in(ws) == 36
    view = ws.features("net@features", "pics")
    np.testing.assert_allclose(view.to_numpy(), direct(ws, view, model), atol=1e-5)


def test_credentials_that_run_out_in_mid_job_are_said_and_with_new_ones_it_goes_on(
    job, proxy, model, tmp_path, run
):
    def run_out():
        proxy.refusal = 400, EXPIRED

    (work,) = job.jobs.work(progress=once_at(8, run_out))
    assert (work.state, work.computed) == ("queued", None)
    assert "the credentials are not taken (400 Bad Request: ExpiredToken" in work.error
    proxy.refusal = None
    found = job.jobs.get(1)
    assert found.state == "queued" and 0 < found.committed < 36
    assert "left: " in found.job.error and "ExpiredToken" in found.job.error
    assert "unspeakable" not in found.job.error
    assert find_holders(job.database, [*found.job.plan["feature_keys"].values()]) == []
    assert "ExpiredToken" in " ".join(run("job", "show", 1).out.split())
    other = another_machine(job, tmp_path)
    assert [work.state for work in other.jobs.work()] == ["done"]
    assert_done_once(job, model)


def test_a_bucket_that_vanishes_in_mid_job_is_waited_for(job, proxy, model, caplog):
    back = threading.Timer(1.5, lambda: setattr(proxy, "is_away", False))

    def vanish():
        proxy.is_away = True
        back.start()

    (work,) = job.jobs.work(progress=once_at(8, vanish))
    back.join()
    assert (work.state, work.computed, work.error) == ("done", 36, None)
    assert any("trying again for 90 s" in line for line in caplog.messages)
    assert_done_once(job, model)


def test_a_bucket_that_stays_away_ends_a_worker_and_nothing_counts_as_missing(
    job, proxy, model, monkeypatch
):
    monkeypatch.setattr(job.context.bucket, "_patience", 0.3)
    (work,) = job.jobs.work(progress=once_at(8, lambda: setattr(proxy, "is_away", True)))
    assert (work.state, work.computed) == ("queued", None)
    assert "Check the address, the endpoint in the environment, and the network" in work.error
    proxy.is_away = False
    assert job.jobs.get(1).committed > 0
    assert [work.state for work in job.jobs.work()] == ["done"]
    assert_done_once(job, model)


def test_no_job_is_born_done_whose_rows_are_rotten_in_the_bucket(
    tmp_path, temporary, model_file, model
):
    store = tmp_path / "store"
    ws = hs.init(tmp_path / "zoo", store=f"file://{store}")
    ws.backbones.add("net", model_file, preprocess="unit")
    ws.datasets.add("pics", draw_classes(tmp_path / "pictures"))
    ws.extract("net@features", "pics", engine="tensorflow")
    assert ws.jobs.add("net@features", "pics", engine="tensorflow").state == "done"
    rot_features(store)
    forget_here(ws)
    ws = hs.open(ws.config.root)
    job = ws.jobs.add("net@features", "pics", engine="tensorflow")
    assert (job.state, ws.jobs.get(job.id).missing) == ("queued", 36)
    (work,) = ws.jobs.work(job.id)
    assert (work.state, work.computed) == ("done", 36)
    view = ws.features("net@features", "pics")
    np.testing.assert_allclose(view.to_numpy(), direct(ws, view, model), atol=1e-5)
