"""What two workers do is on the page while they do it, and that one is killed."""

import json
import os
import shutil
import signal

import httpx2
import pytest
from test_workers import wait_for_rows, worker

import headstart as hs
from conftest import draw
from headstart.ui.safety import cookie_of
from page_client import TOKEN
from page_server import served

SAMPLES = 1200
SLOWLY = {"batch_size": 1, "commit_seconds": 0.0, "lease_seconds": 2.0}
"""A commit for each sample, so that there is something to see."""
SOON = 3
"""Events, one a second, of which the first may have been asked for before it happened."""


@pytest.fixture
def farm(tmp_path, temporary, with_net):
    shutil.copytree(with_net[1], tmp_path / "zoo")
    for number in range(SAMPLES):
        draw(tmp_path / "many" / f"c{number % 2}" / f"{number:04}.png", number, (12, 12))
    ws = hs.open(tmp_path / "zoo")
    ws.datasets.add("many", tmp_path / "many")
    ws.jobs.add("net", "many", **SLOWLY)
    return ws


def told(lines):
    """The next event: what is said of the job."""
    line = next(line for line in lines if line.startswith("data: "))
    (job,) = json.loads(line.removeprefix("data: "))
    return job


@pytest.mark.slow
def test_workers_are_seen_at_work_and_a_killed_one_as_gone(farm, zygotes):
    one, other = zygotes[:2]
    with served(farm) as address:
        cookies = {cookie_of(TOKEN): TOKEN}
        with httpx2.stream("GET", f"{address}/jobs/events", cookies=cookies, timeout=60) as answer:
            lines = answer.iter_lines()
            assert told(lines)["state"] == "queued"
            processes = [each.start(worker(farm)) for each in (one, other)]
            wait_for_rows(farm, 1)
            soon = [told(lines) for _ in range(SOON)]
            assert any(job["state"] == "running" and job["committed"] for job in soon)
            while len(told(lines)["workers"]) < 2:
                pass
            os.kill(processes[0], signal.SIGKILL)
            assert one.wait() == signal.SIGKILL
            soon = [told(lines) for _ in range(SOON)]
            at_work = [each["process"] for each in soon[-1]["workers"]]
            assert at_work == [processes[1]], "its claims may have been taken over by then"
            assert other.wait() == 0
            while told(lines)["state"] != "done":
                pass
    assert farm.jobs.get(1).committed == SAMPLES
