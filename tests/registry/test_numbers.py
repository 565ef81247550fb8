"""The numbers by which people call jobs and sweeps: none is given twice."""

import sqlite3

import numpy as np
import pytest
from alembic import command

import headstart as hs
from headstart.errors import InvalidValue, NotFound
from headstart.registry import schema
from headstart.registry import tables as t
from headstart.registry.entities import SweepRecord, TrialRecord
from headstart.registry.jobs import DONE, Job


@pytest.fixture
def zoo(url, tmp_path):
    ws = hs.init(tmp_path / "either", url)
    ws.datasets.add("d", np.ones((3, 6), np.float32))
    yield ws
    ws.database.close()


@pytest.mark.parametrize("number", [-1, 0, 7, 2**31, 10**23])
def test_a_number_that_was_never_given_is_not_found_however_large(zoo, number):
    with pytest.raises(NotFound, match=f"no job {number}"):
        zoo.jobs.get(number)
    with pytest.raises(NotFound, match=f"no sweep {number}"):
        zoo.context.sweeps.get(number)


@pytest.mark.parametrize("number", [None, "", b"x", [], object(), 1.5])
def test_what_is_no_number_is_refused_with_a_word(zoo, number):
    with pytest.raises(InvalidValue, match=r"job\b.* is .*, of type"):
        zoo.context.jobs.get(number)
    with pytest.raises(InvalidValue, match=r"sweep is .*, of type"):
        zoo.context.sweeps.get(number)


def a_job(ws):
    return ws.context.jobs.add(Job("extract", "net", "d", "0" * 64, {}, {}, DONE)).id


def a_sweep(ws):
    trial = TrialRecord("net", "linear", {}, 0.5, 0.4, 0.6, 1.0, False)
    made = ws.sweeps.add(SweepRecord("d", "0" * 64, {}, 1, 0.1, {}), [trial])
    assert made.id is not None
    return made.id


def test_a_number_is_not_given_again_once_its_job_is_removed(zoo):
    assert [a_job(zoo), a_job(zoo)] == [1, 2]
    for number in (2, 1):
        zoo.context.jobs.remove(number)
    assert a_job(zoo) == 3


def test_a_row_that_code_of_before_numbered_by_itself_stops_nobody(zoo):
    assert a_job(zoo) == 1
    with zoo.database.writing() as connection:  # a process of before, which is still open
        row = dict(connection.execute(t.jobs.select()).one()._mapping)
        connection.execute(t.jobs.insert().values(**{**row, "id": 2}))
    assert [a_job(zoo), a_job(zoo)] == [3, 4]


def test_nor_once_its_sweep_is_pruned(zoo):
    assert [a_sweep(zoo), a_sweep(zoo)] == [1, 2]
    assert zoo.sweeps.prune(keep=0, apply=True)
    assert a_sweep(zoo) == 3


def test_nor_in_a_workspace_that_came_from_a_backup(zoo, url, tmp_path):
    assert [a_job(zoo), a_job(zoo)] == [1, 2]
    zoo.context.jobs.remove(2)
    zoo.backup(tmp_path / "copy")
    ws = hs.restore(tmp_path / "copy", tmp_path / "restored")
    assert a_job(ws) == 3
    ws.database.close()


def test_an_upgrade_knows_what_was_removed_before_by_its_events(ws):
    ws.datasets.add("d", np.ones((3, 6), np.float32))
    assert [a_job(ws), a_job(ws), a_job(ws)] == [1, 2, 3]
    a_sweep(ws)
    ws.context.jobs.remove(3)
    ws.database.close()
    command.downgrade(schema.alembic_config(ws.config), "0010")
    with sqlite3.connect(ws.config.sqlite_file) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        assert "numbers" not in {name for (name,) in tables}
    connection.close()
    schema.upgrade(ws.config)
    again = hs.open(ws.config.root)
    assert (a_job(again), a_sweep(again)) == (4, 2)
