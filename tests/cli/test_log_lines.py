"""What is said on standard error, how much of it and in which form."""

import json
import logging
from datetime import datetime

import pytest

from headstart.cli.workspace import said
from headstart.values.logs import logger

KEYS = {"time", "level", "logger", "message"}


@pytest.fixture
def extract(ready, run):
    """An extraction of the command line, always of something else."""
    ready.extract("net", "pics")
    cuts = iter(["relu|gap", "relu|gmp", "conv|gap", "conv|gmp", "bn|gap", "bn|gmp"])

    def call(*more):
        ran = run("extract", f"net@{next(cuts)}", "pics", *more)
        assert ran.code == 0, ran.err
        return ran

    return call


def objects(ran):
    return [json.loads(line) for line in ran.err.splitlines()]


def test_v_says_what_is_done_and_vv_every_step(extract, run):
    plain, said_once, twice = extract(), extract("-v"), extract("-vv")
    assert "extraction:" not in plain.err and "events:" not in plain.err
    assert "extraction: net@relu|gmp of pics: 36 of 36 samples to compute" in said_once.err
    assert "events: extract features net@relu|gmp" in said_once.err
    assert "committed" not in said_once.err and "extraction: committed 36 rows at" in twice.err
    assert run("-v", "backbone", "tag", "net", "a=b").err.count("events: tag backbone net") == 1


def test_q_leaves_warnings_and_qq_errors(ws, run, monkeypatch):
    def show(*_):
        from headstart.notices import tell, warn

        tell("found out")
        warn("left out")
        logger("headstart.x").warning("waiting")
        return state

    from headstart.jobs.database import SchemaState

    state = SchemaState("1", "1")
    monkeypatch.setattr("headstart.jobs.database.current", show)
    line = ("db", "current")
    all_of_them = ["note: found out", "warning: left out", "warning: waiting"]
    assert run(*line).err.splitlines() == all_of_them
    assert run(*line, "-q").err.splitlines() == all_of_them[1:]
    assert run("-q", *line).err.splitlines() == all_of_them[1:]
    assert run(*line, "-qq").err == ""
    assert run("backbone", "show", "x", "-qq").err.startswith("error: no backbone 'x'")
    assert run(*line, "--json").json == {"current": "1", "needed": "1"}


def test_each_line_is_an_object_where_that_is_asked_for(extract, run, monkeypatch):
    ran = extract("--log-format", "json", "-v", "--json")
    assert ran.json["computed"] == 36
    lines = objects(ran)
    assert all(set(one) == KEYS for one in lines)
    assert all(datetime.fromisoformat(one["time"]).tzinfo for one in lines)
    loggers = {one["logger"] for one in lines}
    assert {"headstart.extractors.run.extraction", "headstart.registry.audit.events"} <= loggers
    monkeypatch.setenv("HEADSTART_LOG_FORMAT", "json")
    failed = run("backbone", "show", "x", "--json")
    first, last = objects(failed)
    assert first["error"]["code"] == "not_found"
    assert (last["level"], last["message"][:14]) == ("error", "no backbone 'x")
    (usage,) = objects(run("backbone", "shwo"))
    assert usage["level"] == "error" and "No such command" in usage["message"]


def test_what_is_found_out_is_an_object_with_its_level(ws, run, monkeypatch):
    from headstart.jobs.database import SchemaState
    from headstart.notices import tell, warn

    def show(*_):
        tell("found out\x1b[2J")
        warn("left postgresql://ada:secret@h/db out")
        return SchemaState("1", "1")

    monkeypatch.setattr("headstart.jobs.database.current", show)
    ran = run("db", "current", "--log-format=json")
    assert "secret" not in ran.err and "\x1b" not in ran.err
    told = [(one["level"], one["message"]) for one in objects(ran)]
    assert told == [
        ("info", "found out\x1b[2J"),
        ("warning", "left postgresql://ada:***@h/db out"),
    ]


def test_one_command_line_leaves_nothing_behind_for_the_next(ws, run):
    root = logging.getLogger("headstart")
    before = (list(root.handlers), root.level)
    assert run("backbone", "list", "-vv", "--log-format", "json").code == 0
    assert (list(root.handlers), root.level) == before
    assert not run("backbone", "show", "x").err.startswith("{")
    assert (said.said.verbosity, said.said.as_json) == (0, False)


def test_the_library_is_silent_where_nobody_listens(ready, capsys, caplog):
    capsys.readouterr()
    with caplog.at_level(logging.INFO, "headstart"):
        ready.backbones.tag("net", {"team": "a"})
    assert "tag backbone net" in caplog.text
    assert capsys.readouterr().err == ""
    assert any(
        isinstance(one, logging.NullHandler) for one in logging.getLogger("headstart").handlers
    )
