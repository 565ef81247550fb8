"""What is old is listed, and forgotten only where that is asked for; what is in use stays."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

import headstart as hs
from headstart.errors import HeadError, InvalidValue
from headstart.registry import tables as t
from headstart.registry.entities import Run, SweepRecord, TrialRecord


@pytest.fixture
def four(rows):
    """Four versions of head `h`, the second with an alias, the first two a hundred days old."""
    view = rows.features("flat@as_it_is", "rows")
    for _ in range(4):
        rows.heads.train("h", view, hs.Prototype())
    rows.heads.train("other", view, hs.Prototype())
    rows.heads.alias("production", "h:2")
    aged(rows, t.heads, t.heads.c.version < 3, t.heads.c.name == "h")
    return rows


def aged(ws, table, *which):
    long_ago = datetime.now(UTC) - timedelta(days=100)
    with ws.database.writing() as connection:
        connection.execute(update(table).where(*which).values(created_at=long_ago))


def versions(ws):
    return [f"{one.name}:{one.version}" for one in ws.context.heads.find_all()]


def test_old_versions_of_heads_go_and_those_in_use_and_the_latest_stay(four):
    found = four.heads.prune(keep=1)
    assert found.removed == ("h:1", "h:3") and not found.is_applied
    assert found.spared == ("h:2: alias production",)
    assert len(versions(four)) == 5  # nothing was removed
    assert four.heads.prune(keep=1, older="90d").removed == ("h:1",)
    assert four.heads.prune(keep=3).removed == ("h:1",)
    assert four.heads.prune(keep=0).removed == ("h:1", "h:3")  # the latest stays in any case
    assert four.heads.prune("other", keep=1).removed == ()
    done = four.heads.prune("h", keep=1, older="90d", apply=True)
    assert done.removed == ("h:1",) and done.is_applied
    assert versions(four) == ["h:2", "h:3", "h:4", "other:1"]
    (event,) = four.events.find("h:1", action="remove")
    assert event.before["dataset"] == "rows"
    with pytest.raises(HeadError, match="is one version of head 'h'"):
        four.heads.prune("h:3", keep=1)


def test_nothing_says_what_is_old(four):
    for prune in (four.heads.prune, four.sweeps.prune, four.runs.prune):
        with pytest.raises(InvalidValue, match="nothing says what is old"):
            prune()
        with pytest.raises(InvalidValue, match="'soon' is not a date, time or age"):
            prune(older="soon")
        with pytest.raises(InvalidValue, match="keep is -1"):
            prune(keep=-1)


def test_old_sweeps_go_with_their_trials_and_tags(ws):
    trial = TrialRecord("net@pool", "linear", {}, 0.5, 0.4, 0.6, 1.0, False)
    record = SweepRecord("rows", "0", {}, 1, 1.0, {})
    ids = [ws.context.sweeps.add(record, [trial]).id for _ in range(3)]
    ws.sweeps.tag(ids[0], {"team": "a"})
    aged(ws, t.sweeps, t.sweeps.c.id == ids[0])
    assert ws.sweeps.prune(keep=1).removed == (str(ids[1]), str(ids[0]))
    assert ws.sweeps.prune(keep=0, older="90d", apply=True).removed == (str(ids[0]),)
    assert [one.sweep.id for one in ws.sweeps.find_all()] == [ids[2], ids[1]]
    (event,) = ws.events.find(kind="sweep", action="remove")
    assert event.before["tags"] == {"team": "a"}
    with ws.database.reading() as connection:
        assert len(connection.execute(t.trials.select()).all()) == 2
        assert connection.execute(t.TAGS["sweep"].select()).all() == []


def test_old_extractions_go_and_other_runs_stay(ws):
    for kind in ("extract", "train", "extract", "remove", "extract"):
        ws.runs.add(Run(kind, "net", "pics", "done", {"computed": 3}, 1.0, {}))
    assert len(ws.runs.prune(keep=1).removed) == 2
    done = ws.runs.prune(keep=1, apply=True)
    assert len(done.removed) == 2
    kinds = [one.kind for one in ws.runs.find_latest()]
    assert kinds == ["extract", "remove", "train"]
    (event,) = ws.events.find(action="prune")
    assert (event.kind, event.before["runs"]) == ("runs", 2)


def test_the_command_line_lists_first(four, run, fails):
    assert "h:1" in run("prune", "heads", "--keep", "1").out
    shown = run("prune", "heads", "h", "--keep", "1", "--older", "90d")
    assert "1 head is old; --apply removes them." in shown.out and len(versions(four)) == 5
    assert "stays: h:2: alias production" in shown.out
    gone = run("prune", "heads", "h", "--keep", "1", "--older", "90d", "--apply", "--json").json
    assert gone["removed"] == ["h:1"] and len(versions(four)) == 4
    assert "Say what is old" in fails("prune", "runs")
    assert "sweeps have no names" in fails("prune", "sweeps", "h", "--keep", "1")
    assert "0 sweeps are old" in run("prune", "sweeps", "--keep", "1").out
