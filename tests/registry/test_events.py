"""Who did what is in the database exactly if it was done."""

import getpass
import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from headstart.errors import AlreadyExists, NotFound, RegistryError
from headstart.jobs import events as verbs
from headstart.registry.backbones import BackboneRepository


def told(ws, *names):
    return [(one.action, one.kind, one.object) for one in ws.events.find(*names)]


def test_changes_of_a_backbone_are_told_with_user_host_call_before_and_after(ready, run):
    assert run("backbone", "alias", "best", "net").code == 0
    ready.backbones.tag("net", {"team": "a"})
    assert run("backbone", "tag", "net", "team=b").code == 0
    assert run("backbone", "remove", "net").code == 0
    removed, tagged, first, alias, added = ready.events.find("net")
    for event in (removed, tagged, first, alias):
        assert (event.user, event.host) == (getpass.getuser(), socket.gethostname())
        assert abs(datetime.now(UTC) - event.created_at) < timedelta(minutes=5)
    assert (added.action, alias.action, tagged.action, removed.action) == (
        "add",
        "alias",
        "tag",
        "remove",
    )
    assert alias.call == "headstart backbone alias best net"
    assert (alias.before, alias.after) == (None, {"alias": "best", "of": "net:1"})
    assert first.call.startswith("Backbones.tag(reference='net', tags=")
    assert (tagged.before, tagged.after) == ({"team": "a"}, {"team": "b"})
    assert removed.before["aliases"] == ["best"]
    assert removed.before["tags"] == {"team": "b"}


def test_a_moved_alias_says_what_it_meant_before(ready):
    from conftest import network

    ready.backbones.alias("best", "net")
    ready.backbones.add("other", network(seed=5), preprocess="unit")
    ready.backbones.alias("best", "other")
    (event, _) = ready.events.find("other")
    assert event.before == {"alias": "best", "of": "net:1"}
    assert event.after == {"alias": "best", "of": "other:1"}


def test_datasets_heads_and_extractions_are_told(ready, pictures):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    ready.heads.alias("production", "h")
    ready.datasets.resplit("pics", seed=3)
    ready.extract("net", "pics")  # nothing is computed: nothing to be told
    ready.datasets.remove("pics", force=True)
    assert told(ready, "pics") == [
        ("remove", "dataset", "pics"),
        ("change", "dataset", "pics"),
        ("add", "dataset", "pics"),
    ]
    change = ready.events.find("pics", action="change")[0]
    assert change.before["digest"] == head.record.dataset_digest != change.after["digest"]
    assert told(ready, "h") == [("alias", "head", "h:1"), ("add", "head", "h:1")]
    (extracted,) = ready.events.find(action="extract")
    assert extracted.after == {
        "samples": 36,
        "computed": 36,
        "reused": 0,
        "dataset": "pics",
        "status": "done",
    }


def test_what_is_refused_leaves_no_event(ready):
    before = told(ready)
    with pytest.raises(NotFound):
        ready.backbones.alias("best", "nothing")
    with pytest.raises(AlreadyExists):
        ready.backbones.alias("net", "net")
    assert told(ready) == before


def test_a_change_whose_event_cannot_be_written_is_not_made(ready, monkeypatch):
    with ready.database.writing() as connection:
        connection.execute(text("DROP TABLE events"))
    with pytest.raises(RegistryError, match="no such table: events"):
        BackboneRepository(ready.database).remove("net")
    assert [one.name for one in ready.backbones.list()] == ["net"]


def test_filters_and_json(ready, run):
    ready.backbones.alias("best", "net")
    both = run("log", "net", "--json").json
    assert [one["action"] for one in both] == ["alias", "add"]
    assert [one["action"] for one in run("log", "net:1", "--action", "add", "--json").json] == [
        "add"
    ]
    assert run("log", "--user", "nobody-of-that-name", "--json").json == []
    assert run("log", "--kind", "dataset", "--json").json[0]["object"] == "pics"
    assert len(run("log", "--limit", "1", "--json").json) == 1
    assert run("log", "net", "--since", "1h", "--json").json == both
    assert run("log", "--since", "2999-01-01", "--json").json == []
    shown = run("log", "net").out
    assert "alias" in shown and "backbone net:1" in shown


def test_a_moment_that_is_none_is_one_line(ready, fails):
    assert "'soon' is not a date, time or age. Give such as" in fails("log", "--since", "soon")
    assert verbs.moment("2026-01-31T12:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_old_events_are_forgotten_and_that_is_told(ready, run):
    with ready.database.writing() as connection:
        connection.execute(
            text("UPDATE events SET created_at = '2020-01-01 00:00:00' WHERE object = 'net:1'")
        )
    ran = run("log", "--forget-before", "365d", "--json").json
    assert ran["forgotten"] == 1
    assert told(ready, "net") == []
    newest = ready.events.find(limit=1)[0]
    assert (newest.action, newest.kind, newest.before["events"]) == ("forget", "log", 1)
    assert newest.call == "headstart log --forget-before 365d --json"


def test_passwords_of_a_call_are_not_kept(ws):
    from headstart.values.calls import call_in_words, called_as

    url = "postgresql+psycopg://ada:secret@db/x"
    with called_as(lambda: f"init(database_url={url!r})"):
        assert "secret" not in call_in_words()
        assert "ada" in call_in_words()


def test_what_is_told_is_json(ready):
    for event in ready.events.find():
        json.dumps(event.to_json())


def test_a_record_needs_no_name_of_the_user(monkeypatch, ready):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)
    ready.backbones.alias("best", "net")
    assert ready.events.find(limit=1)[0].user.startswith("uid ")
