"""Leases: one computation a sample, whoever is killed, frozen, or has another clock."""

import os
import signal
import sqlite3
import time
from collections import deque
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

import headstart as hs
from conftest import direct, draw, rows_in
from headstart.errors import DatabaseGone, LeaseLost
from headstart.registry import database as database_module
from headstart.registry import leases
from headstart.registry.database import Database
from headstart.registry.leases import Claimed, Lease, give_back
from headstart.storage.locks import LifeSigns

KEYS = ("a" * 64, "b" * 64)
DAY = 24 * 3600.0


@pytest.fixture
def zoo(tmp_path, url):
    workspace = hs.init(tmp_path / "either", url)
    yield workspace
    workspace.database.close()


@pytest.fixture
def lease_on(tmp_path):
    """Makes leases; each as if of a machine of its own, so that only the clock counts."""

    def make(zoo, seconds=60.0, machine=None):
        signs = LifeSigns(tmp_path / "locks" / (machine or os.urandom(4).hex()))
        return Lease(zoo.database, seconds, signs)

    return make


@pytest.fixture
def lease(zoo, lease_on):
    return lambda seconds=60.0, machine=None: lease_on(zoo, seconds, machine)


def digests(*numbers):
    return deque(f"{number:064x}" for number in numbers)


def test_what_one_has_claimed_another_passes_by(lease):
    with lease() as one, lease() as other:
        assert len(one.claim(KEYS, digests(*range(10)), 4).digests) == 4
        wanted = digests(*range(10))
        assert other.claim(KEYS, wanted, 4).digests == tuple(digests(4, 5, 6, 7))
        assert list(wanted) == list(digests(8, 9))
        assert other.claim(KEYS[:1], digests(0, 1, 8), 4).digests == tuple(digests(8))
        assert other.claim(("c" * 64,), digests(0), 4).digests == tuple(digests(0))


def test_what_is_given_back_or_whose_lease_ended_can_be_claimed(lease):
    with lease() as one, lease() as other:
        claimed = one.claim(KEYS, digests(0, 1), 4)
        one.give_back(Claimed(claimed.lease, KEYS, claimed.digests[:1]))
        assert other.claim(KEYS, digests(0, 1), 4).digests == claimed.digests[:1]
    with lease() as third:
        assert third.claim(KEYS, digests(0, 1), 4).digests == claimed.digests


def test_giving_back_what_was_taken_over_is_refused_and_nothing_changes(lease, zoo, monkeypatch):
    with lease() as one:
        claimed = one.claim(KEYS, digests(*range(1200)), 1200)
        monkeypatch.setattr(leases, "clock", shifted(DAY))
        with lease() as other:
            assert len(other.claim(KEYS, digests(0), 1).digests) == 1
            with pytest.raises(LeaseLost, match="took over samples"):
                one.give_back(claimed)
            assert claims(zoo) == 2


def claims(zoo):
    with zoo.database.reading() as connection:
        return connection.execute(text("SELECT count(*) FROM claims")).scalar()


REAL_CLOCK = leases.clock


def shifted(seconds):
    return lambda connection: REAL_CLOCK(connection) + seconds


def expiry_in(zoo, one):
    with zoo.database.reading() as connection:
        row = text("SELECT expires_at FROM leases WHERE token = :token")
        return connection.execute(row, {"token": one.token}).scalar_one()


def test_a_lease_that_is_renewed_outlives_its_length(lease, zoo, monkeypatch):
    monkeypatch.setattr(leases, "RENEWALS", 600.0)
    with lease(60.0) as one, lease() as other:
        one.claim(KEYS, digests(0), 1)
        for minutes in range(1, 4):
            before = expiry_in(zoo, one)
            monkeypatch.setattr(leases, "clock", shifted(50.0 * minutes))
            while expiry_in(zoo, one) < before + 40:  # its thread comes to it
                time.sleep(0.01)
            assert other.claim(KEYS, digests(0), 1).digests == ()


@pytest.mark.parametrize("move", [DAY, -DAY])
def test_when_the_clock_moves_a_day_leases_run_out_and_nobody_waits(lease, monkeypatch, move):
    with lease() as one, lease() as other:
        claimed = one.claim(KEYS, digests(0, 1), 2)
        monkeypatch.setattr(leases, "clock", shifted(move))
        assert other.claim(KEYS, digests(0, 1), 2).digests == claimed.digests
        with pytest.raises(LeaseLost):
            one.give_back(claimed)
        with pytest.raises(LeaseLost):
            one.claim(KEYS, digests(5), 1)


def test_a_holder_on_this_machine_that_died_is_noticed_at_once(lease, zoo):
    dead = lease(3600.0, "here")
    dead.__enter__()
    dead.claim(KEYS, digests(0), 1)
    dead._stop.set()
    with lease(3600.0, "here") as other:
        assert other.claim(KEYS, digests(0), 1).digests == ()
        for descriptor in dead._signs._held.values():  # what the system does at a death
            os.close(descriptor)
        assert len(other.claim(KEYS, digests(0), 1).digests) == 1


def test_the_clock_is_the_databases(zoo):
    with zoo.database.reading() as connection:
        assert abs(leases.clock(connection) - time.time()) < 5


def test_a_commit_gives_back_in_its_own_transaction(lease, zoo):
    with lease() as one:
        claimed = one.claim(KEYS, digests(0, 1), 2)
        with pytest.raises(ZeroDivisionError), zoo.database.writing() as connection:
            give_back(connection, claimed)
            raise ZeroDivisionError
        assert claims(zoo) == 4
        one.give_back(claimed)
        assert claims(zoo) == 0


def test_who_is_frozen_within_a_transaction_keeps_others_waiting_for_so_long_and_no_longer(
    tmp_path, own_database, lease_on, monkeypatch
):
    """The server ends it: what it had locked is others' then, and it finds out when it wakes."""
    monkeypatch.setattr(
        database_module, "ENDS_IDLE", database_module.ENDS_IDLE.replace("'60s'", "'1s'")
    )
    zoo = hs.init(tmp_path / "zoo", own_database)
    frozen = lease_on(zoo, 0.5)
    frozen.__enter__()
    frozen._stop.set()
    with pytest.raises(DatabaseGone), zoo.database.writing() as connection:
        assert frozen._renew(connection)
        time.sleep(1.0)  # its lease runs out, and its row is locked
        with lease_on(zoo, 60.0) as other:
            assert len(other.claim(KEYS, digests(0), 1).digests) == 1
        assert not frozen._renew(connection)
    with pytest.raises(LeaseLost):
        frozen.claim(KEYS, digests(1), 1)
    zoo.database.close()


# Whole extractions


EAGER = {"batch_size": 4, "commit_seconds": 0.0}


def test_an_extractor_whose_lease_was_taken_over_goes_on_with_what_is_left(
    ready, model, monkeypatch
):
    """In the middle of its run a day passes for the database, and another takes its samples."""
    other = hs.open(ready.config.root)
    real = Lease.claim
    moved = []

    def claim(self, keys, wanted, limit):
        claimed = real(self, keys, wanted, min(limit, 8))
        if not moved:
            moved.append(True)
            monkeypatch.setattr(leases, "clock", shifted(DAY))
            with Lease(other.database, 60.0, LifeSigns(ready.config.locks)) as thief:
                real(thief, keys, deque(claimed.digests[:3]), 3)
        return claimed

    monkeypatch.setattr(Lease, "claim", claim)
    view = ready.extract("net", "pics", settings=hs.Settings(**EAGER))
    assert view.report.computed == 36
    assert rows_in(ready) == 36
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=1e-5)
    shards = {path.name for path in ready.config.features.rglob("*.h5")}
    assert len(shards) == len(
        ready.context.feature_sets.find_all_shards()
    )  # the refused files are gone
    other.database.close()


def test_an_extractor_frozen_past_its_lease_and_woken_again(ready, zygote, model, tmp_path):
    """SIGSTOP to a real process; another one finishes its work; SIGCONT."""
    for number in range(300):
        draw(tmp_path / "many" / "c" / f"{number}.png", number, (12, 12))
    ready.datasets.add("many", tmp_path / "many")
    arguments = ["--workspace", ready.config.root, "extract", "net", "many",
                 "--batch-size", "8", "--commit-seconds", "0", "--lease-seconds", "2"]  # fmt: skip
    process = zygote.start(arguments)
    while not rows_in(ready):
        time.sleep(0.01)
    freeze(process, ready)
    before = rows_in(ready)
    assert before < 300
    with ready.database.reading() as connection:
        expiry = connection.execute(text("SELECT expires_at FROM leases")).scalar_one()
    report = ready.extract("net", "many").report
    assert report.computed == 300 - before
    assert time.time() >= expiry  # it waited for the lease to run out
    os.kill(process, signal.SIGCONT)
    assert zygote.wait() == 0
    assert rows_in(ready) == 300
    view = ready.features("net", "many")
    np.testing.assert_allclose(view.to_numpy(), direct(ready, view, model), atol=1e-5)


def freeze(process, ws):
    """SIGSTOP at a moment at which the process does not hold SQLite's one lock for writers.

    Frozen with it, it would keep everybody waiting: see docs/reliability.md.
    """
    while True:
        os.kill(process, signal.SIGSTOP)
        while not is_stopped(process):
            time.sleep(0.001)
        connection = sqlite3.connect(ws.config.sqlite_file, timeout=0.5, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            return
        except sqlite3.OperationalError:
            os.kill(process, signal.SIGCONT)
            time.sleep(0.003)
        finally:
            connection.close()


def is_stopped(process):
    """Whether every thread has stopped: a signal that was sent is not one that has arrived.

    Taken for granted where there is no /proc.
    """
    states = [
        stat.read_text().rpartition(")")[2].split()[0]
        for stat in Path(f"/proc/{process}/task").glob("*/stat")
    ]
    return set(states) <= {"T"}


def commands_on(zoo, name):
    return ["--workspace", zoo.config.root, "extract", name, "many", "--batch-size", "4",
            "--commit-seconds", "0"]  # fmt: skip


@pytest.mark.parametrize(
    ("killed", "samples"), [pytest.param(0, 800, marks=pytest.mark.slow), (2, 240)]
)
def test_four_processes_compute_each_sample_once(zoo, zygotes, model, tmp_path, killed, samples):
    """Real processes on one dataset; the rows of those killed were committed before, once."""
    for number in range(samples):
        draw(tmp_path / "many" / f"c{number % 2}" / f"{number}.png", number, (12, 12))
    model.save(tmp_path / "network.keras")
    zoo.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    zoo.datasets.add("many", tmp_path / "many")
    processes = [zygote.start(commands_on(zoo, "net")) for zygote in zygotes]
    while rows_in(zoo) < samples // 4:
        time.sleep(0.01)
    for process in processes[:killed]:
        os.kill(process, signal.SIGKILL)
    ended = [zygote.wait() for zygote in zygotes]
    assert ended == [signal.SIGKILL] * killed + [0] * (4 - killed)
    with closing(Database(zoo.config)) as database, database.reading() as connection:
        rows = connection.execute(text("SELECT sum(rows) FROM shards")).scalar()
        counts = (
            connection.execute(text("SELECT counts FROM runs WHERE kind = 'extract'"))
            .scalars()
            .all()
        )
    assert rows == samples  # no row twice
    computed = [decoded(count)["computed"] for count in counts]
    if not killed:
        assert len(computed) >= 2  # they shared the work
        assert sum(computed) == samples  # each sample once
    assert sum(computed) <= samples
    view = zoo.extract("net", "many")
    assert view.report.computed == 0
    np.testing.assert_allclose(view.to_numpy(), direct(zoo, view, model), atol=1e-5)


def decoded(value):
    import json

    return json.loads(value) if isinstance(value, str) else value


def test_claims_are_taken_a_block_at_a_time_and_none_is_left(ready):
    ready.extract("net", "pics")
    with ready.database.reading() as connection:
        for table in ("claims", "leases"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0
    assert list(chain(ready.config.locks.glob("*.lock")))
