"""What the ledger says of a job while workers are at it, were lost, or end with a sample.

No process is started.
"""

import os
import time
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from headstart.extractors.run import suspects
from headstart.registry import tables
from headstart.registry.leases import Lease
from headstart.storage.locks import LifeSigns

EAGER = {"batch_size": 4, "commit_seconds": 0.0}


def test_a_row_a_worker_with_what_it_has_claimed_and_committed(ready):
    ready.jobs.add("net", "pics", **EAGER)
    seen = []
    ready.jobs.work(progress=lambda done, _total: done == 20 and seen.append(ready.jobs.get(1)))
    (found,) = seen
    assert found.state == "running"
    (one,) = found.workers
    assert one.process > 0 and one.committed > 0
    assert found.claimed == one.claimed > 0
    assert found.rate == pytest.approx(one.committed / one.seconds)
    assert found.seconds_left == pytest.approx(found.missing / found.rate)


@pytest.mark.parametrize("days", [1, -1])
def test_a_worker_whose_clock_is_a_day_off_takes_nothing_over(ready, digests, monkeypatch, days):
    """What counts is the database's clock. Another machine's lease lives until it says so."""
    ready.jobs.add("net", "pics", **EAGER)
    (key,) = ready.context.jobs.get(1).plan["feature_keys"].values()
    other = Lease(ready.database, 60.0, LifeSigns(ready.config.root / "elsewhere"))
    other.__enter__()
    held = other.claim((key,), deque([*digests.values()][:5]), 5)
    turn_clock(monkeypatch, timedelta(days=days))
    seen = []

    def look(done, total):
        if (done, total) == (31, 36) and not seen:
            seen.append(ready.jobs.get(1))
            other.give_back(held)  # it is still its own

    (work,) = ready.jobs.work(progress=look)
    assert (work.state, work.computed) == ("done", 36)
    other.__exit__(None, None, None)
    (found,) = seen
    assert (found.state, found.lost_workers) == ("running", ())
    assert 5 <= found.missing <= 5 + 4  # the last are not committed
    assert found.claimed >= 5
    assert all(0 <= one.heard < 60 for one in found.workers)


def test_a_worker_elsewhere_whose_lease_ran_out_is_lost(ready, digests):
    ready.jobs.add("net", "pics", **EAGER)
    (key,) = ready.context.jobs.get(1).plan["feature_keys"].values()
    other = Lease(ready.database, 60.0, LifeSigns(ready.config.root / "elsewhere"))
    with other:
        other.claim((key,), deque([*digests.values()][:5]), 5)
        assert (ready.jobs.get(1).state, ready.jobs.get(1).claimed) == ("running", 5)
        with ready.database.writing() as connection:
            earlier = tables.leases.c.granted_at - 3600, tables.leases.c.expires_at - 3600
            values = dict(zip(("granted_at", "expires_at"), earlier, strict=True))
            connection.execute(tables.leases.update().values(**values))
        found = ready.jobs.get(1)
        assert (found.state, found.claimed, found.workers) == ("queued", 0, ())
        (lost,) = found.lost_workers
        assert lost.claimed == 5 and 3600 <= lost.heard < 3700


def turn_clock(monkeypatch, off):
    """As this process reads it from now on; the database's is another."""
    real = time.time

    class Turned(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + off

    monkeypatch.setattr(time, "time", lambda: real() + off.total_seconds())
    monkeypatch.setattr(tables, "datetime", Turned)
    assert abs((tables.now() - datetime.now(UTC) - off).total_seconds()) < 60


# Samples that end workers


@pytest.fixture
def digests(ready):
    return {sample.id: sample.digest for sample in ready.context.manifest("pics").samples}


def die_with(ws, job, digests):
    """What is left of a worker that was killed, as soon as another one looks: its tries."""
    lease = Lease(ws.database, 3600.0, LifeSigns(ws.config.locks), job)
    lease.__enter__()
    lease.claim(("k" * 64,), deque(digests), len(digests))
    lease._stop.set()
    lease._thread.join()
    for descriptor in lease._signs._held.values():  # what the system does at a death
        os.close(descriptor)
    with Lease(ws.database, 60.0, LifeSigns(ws.config.locks)) as other:
        other.claim(("k" * 64,), deque(), 1)


def test_only_a_sample_that_a_worker_had_for_itself_gets_a_third_try(ready, digests):
    job = ready.jobs.add("net", "pics", **EAGER)
    some = list(digests.values())[:5]
    for tries in (1, 2, 2, 2):
        die_with(ready, job.id, some)
        assert ready.context.jobs.find_tries(job.id) == dict.fromkeys(some, tries)
    die_with(ready, job.id, some[:1])
    assert ready.context.jobs.find_tries(job.id)[some[0]] == 3
    die_with(ready, None, some)  # of an extraction without a job nothing is counted
    assert sum(ready.context.jobs.find_tries(job.id).values()) == 11


def test_suspects_are_computed_apart_and_given_up_after_three_tries(ready, digests, monkeypatch):
    monkeypatch.setattr(suspects, "BLOCK", 3)
    job = ready.jobs.add("net", "pics", **EAGER)
    many, few, poison = (
        list(digests.values())[:7],
        list(digests.values())[5:7],
        digests["red/01.png"],
    )
    die_with(ready, job.id, [*many, poison])
    die_with(ready, job.id, [*few, poison])
    die_with(ready, job.id, [poison])
    blocks = []
    real = Lease.claim

    def claim(self, keys, wanted, limit):
        claimed = real(self, keys, wanted, limit)
        if claimed.digests:
            blocks.append(claimed.digests)
        return claimed

    monkeypatch.setattr(Lease, "claim", claim)
    (work,) = ready.jobs.work()
    assert (work.state, work.computed) == ("done", 35)
    assert sorted(map(len, blocks)) == [1, 1, 2, 3, 28]
    assert len(blocks[0]) == 28  # what is above suspicion comes first
    assert {block[0] for block in blocks if len(block) == 1} == set(few)
    found = ready.jobs.get(job.id)
    assert found.failures == ({"id": "red/01.png", "reason": suspects.GIVEN_UP},)
    assert (found.committed, found.failed) == (35, 1)
    assert ready.jobs.retry(job.id).missing == 1
    assert ready.context.jobs.find_tries(job.id) == {}
    assert ready.jobs.work()[0].computed == 1
