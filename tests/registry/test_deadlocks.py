"""Transactions of PostgreSQL that lock the same rows do it in one order; one that a circle of
others still ends is made again."""

import secrets
import threading
from dataclasses import replace

import pytest
from sqlalchemy import event, insert, text, update

import headstart as hs
from headstart.errors import LeaseLost, StillInUse
from headstart.registry import leases
from headstart.registry import tables as t
from headstart.registry.connection import outages
from headstart.registry.entities import Head
from headstart.registry.jobs import Job
from headstart.registry.leases import Claimed, Lease
from headstart.storage.locks import LifeSigns

KEY = "k" * 64
HALVES = ([f"{number:064x}" for number in range(3)], [f"{number:064x}" for number in range(3, 6)])
ENOUGH = 0.5
"""Seconds after which who is begun has come to a lock, or to its end."""


@pytest.fixture
def zoo(tmp_path, own_database):
    workspace = hs.init(tmp_path / "zoo", own_database)
    yield workspace
    workspace.database.close()


@pytest.fixture
def signs(tmp_path):
    return LifeSigns(tmp_path / "signs")


@pytest.fixture
def with_dataset(zoo):
    with zoo.database.writing() as connection:
        row = {"name": "pics", "kind": "folder", "source": "/pics", "options": {}, "manifest": "m",
               "digest": "0" * 64, "samples": 1, "unique_samples": 1, "classes": []}  # fmt: skip
        connection.execute(insert(t.datasets).values(**row))
    return zoo


def a_lease_that_ran_out(zoo, signs, digests, job=None):
    lease = Lease(zoo.database, 60.0, signs)
    lease.token = secrets.token_hex(16)
    with zoo.database.writing() as connection:
        long_ago = leases.clock(connection) - 100
        row = {"token": lease.token, "owner": "elsewhere", "granted_at": long_ago,
               "expires_at": long_ago + 50, "job": job}  # fmt: skip
        connection.execute(insert(t.leases).values(**row))
        rows = [{"feature_key": KEY, "digest": one, "lease": lease.token} for one in digests]
        connection.execute(insert(t.claims), rows)
    return lease


class Beside:
    """Runs something in another thread as soon as this one has executed a certain statement, and
    goes on when that waits for a lock, or is done."""

    def __init__(self, zoo, words, action):
        self.failed, self._words, self._action = [], words, action
        self._own, self._thread = threading.get_ident(), None
        event.listen(zoo.database.engine, "after_cursor_execute", self._after)

    def _after(self, _connection, _cursor, statement, *_more):
        is_own = threading.get_ident() == self._own
        if is_own and self._thread is None and self._words in statement:
            self._thread = threading.Thread(target=self._run)
            self._thread.start()
            self._thread.join(ENOUGH)

    def _run(self):
        try:
            self._action()
        except Exception as error:
            self.failed.append(error)

    def end(self):
        assert self._thread is not None, f"nothing executed {self._words!r}"
        self._thread.join()
        assert self.failed == []


@pytest.fixture
def no_second_try(monkeypatch):
    """What is tested is the order, not that a transaction is made again."""
    monkeypatch.setattr(outages.Outage, "outlast", lambda _self, attempt: attempt())


def test_who_wakes_gives_back_beside_one_that_takes_its_lease_over(
    zoo, signs, monkeypatch, no_second_try
):
    monkeypatch.setattr(leases, "AT_ONCE", 3)
    woken = a_lease_that_ran_out(zoo, signs, HALVES[0] + HALVES[1])
    other = Beside(
        zoo, "DELETE FROM claims", lambda: leases._take_over(zoo.database, signs, woken.token)
    )
    woken.give_back(Claimed(woken.token, (KEY,), tuple(HALVES[1] + HALVES[0])))
    other.end()
    with pytest.raises(LeaseLost):  # its lease is gone now
        woken.give_back(Claimed(woken.token, (KEY,), ()))


def test_a_retry_beside_one_that_counts_tries(with_dataset, signs, no_second_try):
    """A third one holds a row in the middle until both, from either end, have come there."""
    zoo = with_dataset
    job = zoo.context.jobs.add(Job("extract", "net", "pics", "0" * 64, {}, {}))
    digests = HALVES[0] + HALVES[1]
    dead = a_lease_that_ran_out(zoo, signs, digests, job.id)
    with zoo.database.writing() as connection:
        rows = [{"job": job.id, "digest": one, "tries": 1} for one in reversed(digests)]
        connection.execute(insert(t.attempts), rows)
    middle = update(t.attempts).where(t.attempts.c.digest == digests[2]).values(tries=2)
    with zoo.database.writing() as connection:
        connection.execute(middle)
        counting = in_a_thread(lambda: leases._take_over(zoo.database, signs, dead.token))
        forgetting = in_a_thread(lambda: zoo.context.jobs.forget_tries(job.id))
    assert [counting(), forgetting()] == [None, None]
    assert zoo.context.jobs.find_tries(job.id) == {}


def test_a_task_that_two_begin_at_once_is_one_job(with_dataset):
    """As of two people, or of a button that is pressed twice."""
    found = []
    task = Job("rank", "rank", "pics", "0" * 64, {"dataset": "pics"}, {})

    def add():
        found.append(with_dataset.context.jobs.add(task, once=True).id)

    beside = Beside(with_dataset, "INSERT INTO jobs", add)
    add()
    beside.end()
    assert found == [1, 1]
    assert with_dataset.context.jobs.add(replace(task, dataset_digest="1" * 64), once=True).id > 1


def in_a_thread(action):
    """Gives a function that waits for it and gives its error, if it had one."""
    failed = []

    def run():
        try:
            action()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(ENOUGH)

    def end():
        thread.join()
        return failed[0] if failed else None

    return end


def test_a_transaction_that_a_circle_ended_is_made_again(zoo, signs):
    one, other = (a_lease_that_ran_out(zoo, signs, part).token for part in HALVES)
    both, tries = threading.Barrier(2), []

    def lock(first, second):
        with zoo.database.writing() as connection:
            tries.append(first)
            for token in (first, second):
                statement = update(t.leases).where(t.leases.c.token == token)
                connection.execute(statement.values(committed=t.leases.c.committed + 1))
                if token == first and len(tries) <= 2:
                    both.wait(120)

    def attempt(*tokens):
        return in_a_thread(lambda: zoo.database.outlast(lambda: lock(*tokens)))

    ends = [attempt(one, other), attempt(other, one)]
    assert [end() for end in ends] == [None, None]
    assert len(tries) == 3
    with zoo.database.reading() as connection:
        assert set(connection.execute(text("SELECT committed FROM leases")).scalars()) == {2}


# What comes to need a dataset while it is removed


def need_by_head(zoo):
    zoo.context.heads.add(
        Head("h", "linear", "net:1", "pool", KEY, "pics", "0" * 64, {}, {}, [], 0, {}, KEY, 1)
    )


def need_by_job(zoo):
    zoo.context.jobs.add(Job("extract", "net", "pics", "0" * 64, {}, {}))


def order_of(zoo):
    return [one.action for one in reversed(zoo.events.find())][-2:]


@pytest.mark.parametrize("need", [need_by_head, need_by_job])
def test_what_comes_to_need_a_dataset_that_is_being_removed_waits(with_dataset, need):
    beside = Beside(with_dataset, "FROM jobs", lambda: need(with_dataset))
    with_dataset.datasets.remove("pics")
    if need is need_by_job:
        with pytest.raises(AssertionError, match="no dataset 'pics' is registered"):
            beside.end()
        return
    beside.end()
    assert order_of(with_dataset) == ["remove", "add"]  # its dataset was gone before


@pytest.mark.parametrize("need", [need_by_head, need_by_job])
def test_a_removal_sees_what_somebody_is_about_to_commit(with_dataset, need):
    refused = []

    def remove():
        try:
            with_dataset.datasets.remove("pics")
        except StillInUse as error:
            refused.append(error.message)

    beside = Beside(with_dataset, "INSERT INTO events", remove)
    need(with_dataset)
    beside.end()
    (said,) = refused
    assert "dataset 'pics' is in use: " in said
    assert order_of(with_dataset)[-1] == "add"
