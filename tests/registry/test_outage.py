"""How an outage is told, and when it counts as over, whatever ends when."""

import logging

import pytest

from headstart.errors import DatabaseGone
from headstart.registry.connection import outages
from headstart.registry.connection.outages import Outage


@pytest.fixture
def told(caplog, monkeypatch):
    """How often it was told."""
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.0)
    caplog.set_level(logging.WARNING, "headstart")
    return lambda: sum("does not answer; trying again" in one for one in caplog.messages)


def failing(times):
    """An attempt that finds the database gone so many times."""
    left = [times]

    def attempt():
        left[0] -= 1
        if left[0] >= 0:
            raise DatabaseGone("gone")
        return "done"

    return attempt


def test_an_outage_is_told_once_and_the_next_one_again(told):
    outage = Outage()
    assert outage.outlast(failing(3)) == "done"
    assert told() == 1
    assert outage.outlast(failing(2)) == "done"
    assert told() == 2


def test_a_transaction_that_the_outage_cost_is_not_another_outage(told):
    """Its commit was not answered; when the server is back, it says that there was none."""
    outage, attempts = Outage(), []

    def transaction():
        attempts.append(1)
        if len(attempts) == 1:
            outage.outlast(failing(2))
            raise DatabaseGone("lost")
        return "done"

    assert outage.outlast(transaction) == "done"
    assert told() == 1


def test_what_was_answered_just_before_an_outage_does_not_end_it(told, monkeypatch):
    outage = Outage()

    def answered():
        with monkeypatch.context() as patch:
            patch.setattr(outages, "PATIENCE", 0.0)
            with pytest.raises(DatabaseGone):
                outage.outlast(failing(1))  # another thread notices it before this one goes on
        return "done"

    assert outage.outlast(answered) == "done"
    assert outage.outlast(failing(1)) == "done"
    assert told() == 1


def test_a_database_that_loses_each_transaction_anew_is_given_up(told, monkeypatch):
    monkeypatch.setattr(outages, "PATIENCE", 0.2)
    outage = Outage()

    def transaction():
        outage.outlast(failing(1))
        raise DatabaseGone("lost")

    with pytest.raises(DatabaseGone, match="lost"):
        outage.outlast(transaction)
