"""Workers of one job as real processes: killed, terminated, frozen, poisoned, cancelled."""

import os
import re
import shutil
import signal
import time

import numpy as np
import pytest
from sqlalchemy import text
from test_leases import freeze

import headstart as hs
from conftest import draw, rows_in
from headstart.extractors.run.suspects import GIVEN_UP

SAMPLES = 160
EAGER = {"batch_size": 4, "commit_seconds": 0.0, "lease_seconds": 2.0}
TERMINATED = 128 + signal.SIGTERM


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """A folder of pictures; only to be read."""
    folder = tmp_path_factory.mktemp("many") / "many"
    for number in range(SAMPLES):
        draw(folder / f"c{number % 2}" / f"{number:03}.png", number, (12, 12))
    return folder


@pytest.fixture(scope="session")
def local(tmp_path_factory, with_net, many):
    """The features of an extraction in one process, by sample id."""
    place = tmp_path_factory.mktemp("local") / "zoo"
    shutil.copytree(with_net[1], place)
    ws = hs.open(place)
    ws.datasets.add("many", many)
    view = ws.extract("net", "many", batch_size=4)
    return dict(zip(view.ids, view.to_numpy(), strict=True))


@pytest.fixture
def farm(tmp_path, temporary, with_net, many, local):
    """A workspace with a job of `SAMPLES` samples."""
    shutil.copytree(with_net[1], tmp_path / "zoo")
    return with_job(hs.open(tmp_path / "zoo"), many)


def with_job(ws, folder):
    ws.datasets.add("many", folder)
    ws.jobs.add("net", "many", **EAGER)
    return ws


def worker(ws, *more):
    return ["--workspace", ws.config.root, "worker", *more]


def wait_for_rows(ws, rows):
    while rows_in(ws) < rows:
        time.sleep(0.01)


def assert_done_once(ws, local, number=1):
    """Every row is there once, and is bit by bit what one process computes."""
    found = ws.jobs.get(number)
    assert (found.state, found.committed, found.failed) == ("done", SAMPLES, 0)
    assert rows_in(ws) == SAMPLES
    view = ws.features("net", "many")
    assert view.ids == list(local)
    np.testing.assert_array_equal(view.to_numpy(), np.stack(list(local.values())))
    assert_nothing_claimed(ws)


def assert_nothing_claimed(ws):
    with ws.database.reading() as connection:
        for table in ("claims", "leases"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


@pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)
def test_of_two_workers_on_one_job_one_is_killed(tmp_path, url, zygotes, with_net, many, local):
    ws = hs.init(tmp_path / "either", url)
    ws.backbones.add("net", with_net[0], preprocess="unit")
    with_job(ws, many)
    killed, other = zygotes[:2]
    process = killed.start(worker(ws))
    other.start(worker(ws, "1"))
    wait_for_rows(ws, SAMPLES // 4)
    os.kill(process, signal.SIGKILL)
    assert killed.wait() == signal.SIGKILL
    assert other.wait() == 0
    assert_done_once(ws, local)
    ws.database.close()


def test_a_worker_that_is_terminated_commits_and_gives_back(farm, zygotes, local, tmp_path):
    process = zygotes[0].start(worker(farm), said=tmp_path / "said")
    wait_for_rows(farm, SAMPLES // 4)
    os.kill(process, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(zygotes[0].wait()) == TERMINATED
    assert (tmp_path / "said.err").read_text().splitlines()[-1] == (
        "terminated: what was computed is committed, the rest given back."
    )
    assert_nothing_claimed(farm)
    found = farm.jobs.get(1)
    assert found.state == "queued"
    assert SAMPLES // 4 <= found.committed < SAMPLES
    assert farm.context.jobs.find_tries(1) == {}  # it said a word
    zygotes[1].start(worker(farm))
    assert zygotes[1].wait() == 0
    assert_done_once(farm, local)


def test_a_job_whose_only_worker_was_killed_says_so(farm, zygotes, local, run):
    """At once on its machine, as nobody needs its lease to run out for that."""
    process = zygotes[0].start(worker(farm))
    wait_for_rows(farm, 8)
    os.kill(process, signal.SIGKILL)
    assert zygotes[0].wait() == signal.SIGKILL
    shown = run("job", "show", 1, "--json").json
    assert (shown["state"], shown["claimed"], shown["workers"]) == ("queued", 0, [])
    (lost,) = shown["lost_workers"]
    assert lost["process"] == process and lost["claimed"] > 0
    counted = {name: shown[name] for name in ("committed", "failed", "missing")}
    assert shown["counts"] == {"samples": shown["total"], **counted}
    said = " ".join(run("job", "show", 1).out.split())
    assert re.search(rf"no worker seen for \d+ s .*:{process}.*`headstart worker 1`", said)
    zygotes[1].start(worker(farm))
    assert zygotes[1].wait() == 0
    assert run("job", "show", 1, "--json").json["lost_workers"] == []
    assert_done_once(farm, local)


@pytest.mark.slow  # tests/jobs/test_jobs.py has it in one process
def test_workers_leave_a_job_that_is_cancelled(farm, zygotes, local):
    for zygote in zygotes[:2]:
        zygote.start(worker(farm))
    wait_for_rows(farm, 8)
    farm.jobs.cancel(1)
    assert [zygote.wait() for zygote in zygotes[:2]] == [0, 0]
    assert_nothing_claimed(farm)
    assert farm.jobs.get(1).state == "cancelled"
    farm.jobs.retry(1)
    assert farm.jobs.work()[0].state == "done"
    assert_done_once(farm, local)


@pytest.mark.slow  # tests/jobs/test_jobs.py has it in one process
def test_two_jobs_on_the_same_set_at_once(farm, zygotes, local):
    farm.jobs.add("net", "many", **EAGER)
    for number, zygote in enumerate(zygotes[:2], start=1):
        zygote.start(worker(farm, number))
    assert [zygote.wait() for zygote in zygotes[:2]] == [0, 0]
    assert_done_once(farm, local, 1)
    assert_done_once(farm, local, 2)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="there is no such signal")
def test_a_worker_frozen_past_its_lease_and_woken(farm, zygotes, local):
    process = zygotes[0].start(worker(farm))
    wait_for_rows(farm, 8)
    freeze(process, farm)
    before = rows_in(farm)
    assert before < SAMPLES
    found = farm.jobs.get(1)
    (shown,) = found.workers or found.lost_workers  # by then its lease of two seconds may be over
    assert shown.process == process
    zygotes[1].start(worker(farm))
    assert zygotes[1].wait() == 0
    assert farm.jobs.get(1).state == "done"
    os.kill(process, signal.SIGCONT)
    assert zygotes[0].wait() == 0
    assert_done_once(farm, local)


@pytest.mark.slow  # likewise
def test_a_sample_that_kills_its_workers_is_given_up_and_the_job_goes_on(
    tmp_path, temporary, zygote, with_net, many
):
    """Three workers die of it; which sample it is, only what is left in the ledger can say."""
    folder = shutil.copytree(many, tmp_path / "many")
    draw(folder / "c0" / "080-poison.png", 8000, (12, 12))
    shutil.copytree(with_net[1], tmp_path / "zoo")
    ws = with_job(hs.open(tmp_path / "zoo"), folder)
    for tries in (1, 2, 3):
        zygote.start(worker(ws), ("at a poison", 1))
        assert zygote.wait() == signal.SIGKILL
        if tries == 2:
            assert rows_in(ws) >= SAMPLES - 64  # all but what the first had claimed with it
    zygote.start(worker(ws), ("at a poison", 1))
    assert zygote.wait() == 0
    found = ws.jobs.get(1)
    assert (found.state, found.committed, found.failed) == ("done", SAMPLES, 1)
    assert found.failures == ({"id": "c0/080-poison.png", "reason": GIVEN_UP},)
    assert rows_in(ws) == SAMPLES
    assert_nothing_claimed(ws)
