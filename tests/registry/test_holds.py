"""Holds as rows: who has them, when they run out, and what is refused then; on both databases."""

import gc
import pickle
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import event, select, text, update

from headstart.config import create_config
from headstart.errors import DatabaseDenied, LeaseLost, RegistryError
from headstart.registry import tables as t
from headstart.registry.database import Database
from headstart.registry.holds import BEFORE, SqlHolds, _one_after_the_other
from headstart.storage.locks import LifeSigns


class NoSigns:
    """Of another machine: nobody sees whether it lives."""

    def show(self, name):
        pass

    def is_dead(self, name):
        return False

    def end(self, name):
        pass


@pytest.fixture
def database(url, tmp_path):
    database = Database(create_config(tmp_path / "zoo", url))
    t.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def machine(database):
    """Another machine with the same database."""
    return lambda seconds=60.0: SqlHolds(database, NoSigns(), seconds)


def rows(database):
    with database.reading() as connection:
        return connection.execute(select(t.holds).order_by(t.holds.c.key)).all()


def age(database, seconds):
    """Let so many seconds pass for what is held."""
    holds = t.holds.c
    with database.writing() as connection:
        connection.execute(
            update(t.holds).values(
                granted_at=holds.granted_at - seconds, expires_at=holds.expires_at - seconds
            )
        )


def is_free(holds, key="a"):
    with holds.alone(key) as lock:
        return lock.is_held


def test_many_holds_of_a_process_are_one_row_that_ends_with_the_last(database, machine):
    holds = machine()
    first, second = holds.hold("a", "b"), holds.hold("a")
    assert [row.key for row in rows(database)] == ["a", "b"]
    first.release()
    assert [row.key for row in rows(database)] == ["a"]
    second.release()
    assert rows(database) == []


def test_others_see_what_is_held_and_what_somebody_has_alone(machine):
    one, other = machine(), machine()
    with one.hold("a"), other.hold("a"):
        assert not is_free(one)
        assert not is_free(other)
        assert is_free(other, "b")
    with one.alone("a") as lock:
        assert lock.is_held
        assert not is_free(other)
    assert is_free(other)


def test_a_hold_runs_out_by_the_clock_of_the_database(database, machine, monkeypatch):
    """The machine's own clock, a day off, is not looked at."""
    monkeypatch.setattr(time, "time", lambda: 86_400.0)
    one, other = machine(), machine()
    hold = one.hold("a")
    age(database, 59)
    assert not is_free(other)
    age(database, 2)
    assert is_free(other)
    assert rows(database) == []
    hold.release()


def test_a_hold_of_a_clock_that_was_set_back_has_run_out(database, machine):
    hold = machine().hold("a")
    age(database, -3600)
    assert is_free(machine())
    hold.release()


def test_what_ran_out_and_was_taken_is_not_confirmed(database, machine):
    one, other = machine(), machine()
    with one.hold("a", "b") as hold:
        hold.confirm()
        age(database, 61)
        hold.confirm()  # nobody wanted it meanwhile
        assert not is_free(other)
        age(database, 61)
        assert is_free(other)
        with pytest.raises(LeaseLost, match="what this process held ran out"):
            hold.confirm()


def test_who_lost_a_hold_holds_again_and_the_old_one_stays_lost(database, machine):
    """An extraction holds its sets for all of its length, and each commit holds them again."""
    one, other = machine(), machine()
    with one.hold("a") as outer:
        age(database, 61)
        assert is_free(other)
        with one.hold("a") as inner, pytest.raises(LeaseLost):
            inner.confirm()
        with one.hold("a") as again:
            again.confirm()
            assert not is_free(other)
            with pytest.raises(LeaseLost):
                outer.confirm()
        assert is_free(other)
        with other.alone("a") as lock:
            assert lock.is_held
    assert is_free(one)


def test_what_was_had_alone_and_ran_out_is_not_confirmed(database, machine):
    one, other = machine(), machine()
    with one.alone("a") as lock:
        lock.confirm()
        age(database, 61)
        with other.hold("a"):
            with pytest.raises(LeaseLost, match="what this process held ran out"):
                lock.confirm()
            anew = one.hold("a")
    anew.confirm()  # its row is not taken away with what was had alone before
    assert not is_free(other)
    anew.release()


@pytest.fixture
def readers_database(database, url):
    """The same database, of a user who may only look."""
    if url is None:
        reader = Database(database.config)
        event.listen(reader.engine, "connect", lambda own, _: own.execute("PRAGMA query_only = ON"))
    else:
        with database.writing() as connection:
            for statement in (
                "CREATE ROLE looks_only LOGIN",
                "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looks_only",
            ):
                connection.execute(text(statement))
        address = re.sub(r"//[^@/]*@", "//looks_only@", url)
        reader = Database(replace(database.config, database_url=address))
    yield reader
    reader.close()
    if url is not None:
        with database.writing() as connection:
            connection.execute(text("DROP OWNED BY looks_only"))
            connection.execute(text("DROP ROLE looks_only"))


def test_who_may_only_read_holds_nothing_and_confirms_nothing(database, readers_database, caplog):
    caplog.set_level("INFO", logger="headstart")
    reader = SqlHolds(readers_database, NoSigns())
    with reader.hold("a") as hold, reader.hold("a", "b"):
        assert rows(database) == []
        with pytest.raises(DatabaseDenied, match=r"'a' is not held.*roles for readers and writers"):
            hold.confirm()  # who may write rows, and no holds, commits nothing
    assert [one.message for one in caplog.records].count(
        "the database refuses this user changes: nothing is held against `features gc` of others"
    ) == 1
    with pytest.raises(DatabaseDenied), reader.alone("a"):
        pass


def test_what_is_confirmed_is_part_of_the_transaction(database, machine):
    with machine().hold("a") as hold:
        with database.writing() as connection:
            expires = connection.execute(select(t.holds.c.expires_at)).scalar_one()
        with pytest.raises(ZeroDivisionError), database.together():
            hold.confirm()
            raise ZeroDivisionError
        with database.reading() as connection:
            assert connection.execute(select(t.holds.c.expires_at)).scalar_one() == expires


def test_a_hold_is_renewed_while_it_lasts(database, machine):
    one = machine(seconds=0.4)
    with one.hold("a"):
        (before,) = rows(database)
        deadline = time.monotonic() + 240
        while rows(database)[0].granted_at == before.granted_at:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert rows(database)[0].expires_at > before.expires_at


def test_who_is_frozen_while_it_looks_keeps_nobody_from_renewing(own_database, tmp_path):
    """The server ends its transaction after a minute: as long as the holds of others count."""
    database = Database(create_config(tmp_path / "zoo", own_database))
    t.metadata.create_all(database.engine)
    with SqlHolds(database, NoSigns()).hold("a") as held:
        age(database, 50)
        (before,) = rows(database)
        with database.writing() as frozen:
            _one_after_the_other(frozen)
            renewing = threading.Thread(target=held.confirm)
            renewing.start()
            renewing.join(40)
            assert not renewing.is_alive()
        (after,) = rows(database)
        assert after.expires_at > before.expires_at + 45
    database.close()


def test_garbage_in_the_middle_of_a_transaction_ends_a_hold_later(database, machine):
    """A view that is collected while this thread writes must not wait for itself."""
    one = machine()
    hold = one.hold("a")
    with database.writing() as connection:
        connection.execute(text("SELECT 1"))
        del hold
        gc.collect()
    assert is_free(one)
    assert rows(database) == []


def test_whoever_waits_goes_on_when_the_other_is_done(machine):
    one, other, got = machine(), machine(), threading.Event()

    def hold():
        with other.hold("a"):
            got.set()

    with one.alone("a") as lock:
        assert lock.is_held
        waiting = threading.Thread(target=hold)
        waiting.start()
        assert not got.wait(0.1)
    assert got.wait(120)
    waiting.join()


def test_at_once_one_is_alone_or_many_hold(machine):
    seen, inside, lock = [], set(), threading.Lock()

    def turn(number):
        holds = machine()
        for _ in range(6):
            with holds.alone("a") as alone:
                if alone.is_held:
                    seen.append(len(inside))
            with holds.hold("a"):
                with lock:
                    inside.add(number)
                with lock:
                    inside.discard(number)

    threads = [threading.Thread(target=turn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) <= {0}


def test_a_pickled_one_is_another_holder(database, tmp_path):
    database = Database(create_config(tmp_path / "zoo"))
    one = SqlHolds(database, LifeSigns(tmp_path / "locks"))
    with one.hold("a"):
        other = pickle.loads(pickle.dumps(one))
        assert not is_free(other)
    assert is_free(other)


HOLDING = """
import sys, time
from pathlib import Path
from headstart.config import load_config
from headstart.registry.database import Database
from headstart.registry.holds import BEFORE, SqlHolds, _one_after_the_other
from headstart.storage.locks import LifeSigns

holds = SqlHolds(Database(load_config(Path(sys.argv[1]))), LifeSigns(Path(sys.argv[2])))
held = holds.hold("a")
print("held", flush=True)
time.sleep(600)
"""


def test_a_killed_process_of_this_machine_holds_no_longer(tmp_path):
    config = create_config(tmp_path / "zoo")
    database = Database(config)
    t.metadata.create_all(database.engine)
    command = [sys.executable, "-c", HOLDING, str(config.root), str(tmp_path / "locks")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        holds = SqlHolds(database, LifeSigns(tmp_path / "locks"))
        assert not is_free(holds)
        process.kill()
        process.wait()
        assert is_free(holds)
    database.close()


def test_who_looks_waits_for_a_process_of_before_which_locks_another_number(own_database, tmp_path):
    database = Database(create_config(tmp_path / "zoo", own_database))
    t.metadata.create_all(database.engine)
    with database.writing() as before:
        before.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": BEFORE})
        with pytest.raises(RegistryError), database.writing() as looks:
            looks.execute(text("SET LOCAL lock_timeout = '50ms'"))
            _one_after_the_other(looks)
    with database.writing() as one:
        _one_after_the_other(one)
    database.close()
