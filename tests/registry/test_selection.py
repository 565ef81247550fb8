"""What is registered is found by tags and fields, in the order that is asked for, on SQLite and on
PostgreSQL alike."""

import re
import subprocess
import sys

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment
from headstart.errors import InvalidValue, NotFound
from headstart.registry.entities import Head, SweepRecord, TrialRecord
from headstart.registry.selection.fields import BACKBONES, DATASETS, HEADS, SWEEPS
from headstart.registry.selection.statement import statement_of
from headstart.registry.selection.words import Condition, Selection

EMPTY = {"dataset_digest": "0" * 64, "settings": {}, "versions": {}}


def a_head(name, kind="linear", **metrics):
    of = {"backbone": "net:1", "cut": "pool", "feature_key": "0" * 64, "dataset": "pics"}
    kept = {"classes": ["a"], "seed": 0, "artifact_digest": "0" * 64, "artifact_size": 1}
    return Head(name=name, kind=kind, metrics={"n_test": 4, **metrics}, **of, **kept, **EMPTY)


def a_sweep(ws, dataset, *accuracies):
    trials = [
        TrialRecord("net@pool", "linear", {}, one, 0.0, 1.0, 1.0 - one, False) for one in accuracies
    ]
    record = SweepRecord(
        dataset, trying={}, heads=len(trials), seconds=1.0, dataset_digest="0", versions={}
    )
    return ws.context.sweeps.add(record, trials).id


@pytest.fixture
def zoo(tmp_path, url):
    """A workspace on either database, with datasets, heads and sweeps."""
    ws = hs.init(tmp_path / "zoo", url)
    for name, count in (("few", 6), ("many", 40), ("some", 12)):
        x = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
        ws.datasets.add(name, x, np.arange(count) % 2)
    add = ws.context.heads.add
    for name, kind, accuracy in (("a", "linear", 0.7), ("b", "mlp", 0.9), ("a", "linear", 0.8)):
        add(a_head(name, kind, accuracy=accuracy))
    add(a_head("r", "ridge", r2=0.5))
    yield ws
    ws.database.close()


def names(found):
    return [f"{one.record.name}:{one.record.version}" for one in found]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"filter": "kind=linear"}, ["a:1", "a:2"]),
        ({"filter": "kind!=linear"}, ["b:1", "r:1"]),
        ({"filter": ["kind=linear", "version>1"]}, ["a:2"]),
        ({"filter": "backbone=net"}, ["a:1", "a:2", "b:1", "r:1"]),
        ({"filter": "backbone=ne"}, []),
        ({"filter": "backbone!=net:1"}, []),
        ({"filter": "created_at>1d"}, ["a:1", "a:2", "b:1", "r:1"]),
        ({"filter": "created_at<1d"}, []),
        ({"filter": "accuracy>=0.8"}, ["a:2", "b:1"]),
        ({"filter": "accuracy!=0.8"}, ["a:1", "b:1"]),
        ({"sort": "accuracy"}, ["b:1", "a:2", "a:1", "r:1"]),
        ({"sort": "accuracy:asc"}, ["a:1", "a:2", "b:1", "r:1"]),
        ({"sort": "accuracy", "limit": 2}, ["b:1", "a:2"]),
        ({"sort": "version", "limit": 1}, ["a:2"]),
        ({"sort": "kind:desc"}, ["r:1", "b:1", "a:1", "a:2"]),
        ({"filter": "kind=linear", "sort": "accuracy", "limit": 1}, ["a:2"]),
        ({"filter": "accuracy<0.9", "sort": "version", "limit": 1}, ["a:2"]),
    ],
)
def test_heads_are_found_by_columns_and_by_scores(zoo, asked, found):
    assert names(zoo.heads.list(**asked)) == found


def test_tags_are_set_found_sorted_by_and_taken_away(zoo):
    zoo.heads.tag("a:1", {"team": "x", "use": "old"})
    zoo.heads.tag("b", {"team": "y"})
    assert names(zoo.heads.list(filter="tag.team=x")) == ["a:1"]
    assert names(zoo.heads.list(filter="tag.team!=x")) == ["a:2", "b:1", "r:1"]
    assert names(zoo.heads.list(filter="tag.team")) == ["a:1", "b:1"]
    assert names(zoo.heads.list(filter="tag.team", sort="tag.team:desc")) == ["b:1", "a:1"]
    assert names(zoo.heads.list(sort="tag.team")) == ["a:1", "b:1", "a:2", "r:1"]
    assert zoo.heads.tag("a:1", {"use": None}).record.tags == {"team": "x"}
    event, *_ = zoo.events.find("a:1", action="tag")
    assert (event.before, event.after) == ({"use": "old"}, {"use": None})
    with pytest.raises(NotFound, match=r"head a:1 has no tag 'use'. Its tags: team"):
        zoo.heads.tag("a:1", {"use": None})
    zoo.heads.remove("a:1")
    (gone,) = zoo.events.find("a:1", action="remove")
    assert gone.before["tags"] == {"team": "x"}
    assert names(zoo.heads.list(filter="tag.team=x")) == []


def test_datasets_keep_their_tags_when_they_change(zoo):
    zoo.datasets.tag("many", {"team": "x"})
    x = np.ones((8, 2), np.float32)
    again = zoo.datasets.add("many", x, np.arange(8) % 2, tags={"year": "2026"})
    assert again.tags == {"team": "x", "year": "2026"} and again.samples == 8
    assert [one.name for one in zoo.datasets.list(filter="tag.year=2026")] == ["many"]
    assert [one.name for one in zoo.datasets.list(filter="samples<10")] == ["few", "many"]
    assert [one.name for one in zoo.datasets.list(sort="samples", limit=2)] == ["some", "many"]
    assert [one.name for one in zoo.datasets.list(filter="classes=2", sort="name:desc")] == [
        "some",
        "many",
        "few",
    ]


def test_sweeps_are_found_by_their_best(zoo):
    first, second = a_sweep(zoo, "few", 0.9, 0.6), a_sweep(zoo, "many", 0.7, 0.5)
    zoo.sweeps.tag(first, {"team": "x"})

    def ids(**asked):
        return [one.sweep.id for one in zoo.sweeps.list(**asked)]

    assert ids() == [second, first]
    assert ids(filter="accuracy>0.8") == ids(filter="tag.team=x") == ids(limit=1, sort="accuracy")
    assert ids(filter="accuracy>0.8") == [first]
    assert ids(filter="dataset=many") == [second]
    assert zoo.sweeps.get(first).sweep.tags == {"team": "x"}
    assert zoo.sweeps.tag(first, {"team": None}).sweep.tags == {}


def test_backbones_are_found_likewise(ready):
    ready.backbones.tag("net", {"team": "a"})
    assert [one.name for one in ready.backbones.list(filter=["tag.team=a", "format=keras"])]
    assert ready.backbones.list(filter="parameters>1e9") == []
    assert [one.name for one in ready.backbones.list(filter="licence!=MIT")] == ["net"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"filter": "acuracy>1"}, r"heads have no field 'acuracy'. Did you mean 'accuracy'"),
        ({"sort": "size"}, r"no field 'size'.* There are name, kind, .* and tag.KEY"),
        ({"filter": "kind"}, r"a filter is FIELD=VALUE, received 'kind'"),
        ({"filter": "kind<b"}, r"kind is a text, .* Texts take = and !="),
        ({"filter": "version>new"}, r"version is a number, and 'new' is none"),
        ({"filter": "created_at>soon"}, r"'soon' is not a date, time or age"),
        ({"limit": 0}, r"limit is 0"),
        ({"filter": "tag.=a"}, r"no field 'tag.'"),
    ],
)
def test_what_is_none_is_said(ws, asked, message):
    with pytest.raises(InvalidValue) as error:
        ws.heads.list(**asked)
    assert re.search(message, str(error.value))  # hint and all


def test_a_value_is_never_a_part_of_the_statement():
    asked = Selection.read(["name=x' OR 1=1 --", "tag.k'=v"], "tag.k'--")
    made = statement_of(HEADS, asked)
    assert "OR 1=1" not in made.sql and "k'" not in made.sql
    assert made.parameters == ("x' OR 1=1 --", "k'", "v", "k'--", "k'--")


@pytest.mark.parametrize("listed", [BACKBONES, DATASETS, HEADS, SWEEPS])
def test_the_statements_can_be_written_for_psycopg(listed):
    """Which takes `%` for the beginning of a placeholder."""
    assert "%" not in listed.select and "?" not in listed.select


def test_a_condition_is_said_as_it_was_written():
    for written in ("a=b", "tag.x", "n>=1", "name!= y z"):
        assert str(Condition.read(written)) == written.replace("= ", "=")


def test_the_command_line_has_the_same_words(rows, run, fails):
    view = rows.features("flat@as_it_is", "rows")
    for name in ("one", "two"):
        rows.heads.train(name, view, hs.Prototype())
    assert run("head", "tag", "one", "team=a", "use=test").code == 0
    found = run("head", "list", "--filter", "tag.team=a", "--sort", "accuracy", "--json").json
    assert [(one["name"], one["tags"]) for one in found] == [("one", {"team": "a", "use": "test"})]
    listed = run("head", "list", "--filter", "tag.team=a").out
    assert "team=a, use=test" in listed and "two" not in listed
    assert "None with tag.team=z" in run("head", "list", "--filter", "tag.team=z").out
    assert run("head", "tag", "one", "--remove", "use", "--json").json["tags"] == {"team": "a"}
    assert "has no tag 'use'" in fails("head", "tag", "one", "--remove", "use")
    assert "a tag is KEY=VALUE" in fails("head", "tag", "one", "team")
    assert "no field 'acc'" in fails("head", "list", "--filter", "acc>1")
    assert run("dataset", "tag", "rows", "team=a").code == 0
    (row,) = run("dataset", "list", "--filter", "tag.team=a", "--json").json
    assert row["name"] == "rows"
    assert run("backbone", "tag", "flat", "team=a", "--json").json["tags"] == {"team": "a"}
    assert len(run("backbone", "list", "--filter", "tag.team=a", "--json").json) == 1
    made = ("head", "train", "three", "flat@as_it_is", "rows", "--tag", "team=b", "--json")
    assert run(*made).json["tags"] == {"team": "b"}
    swept = run(
        *("head", "sweep", "rows", "flat@as_it_is", "--folds", "2", "--strengths", "1"),
        *("--tag", "team=b", "--json"),
    ).json["id"]
    (kept,) = run("head", "sweeps", "--filter", "tag.team=b", "--json").json
    assert (kept["id"], kept["tags"]) == (swept, {"team": "b"})
    assert run("head", "tag-sweep", swept, "--remove", "team", "--json").json["tags"] == {}
    assert run("head", "sweeps", swept, "--limit", "1").code == 2


def test_of_some_versions_each_is_called_by_its_own(rows, run):
    view = rows.features("flat@as_it_is", "rows")
    for _ in range(2):
        rows.heads.train("one", view, hs.Prototype())
    assert "one:1" in run("head", "list", "--filter", "version=1").out
    assert " one " not in run("head", "list", "--filter", "version=1").out.replace("one:1", "")


def test_a_filtered_listing_does_without_sqlalchemy(ws):
    code = (
        "import sys\nfrom headstart.cli import main\n"
        "try:\n    main(['head', 'list', '--filter', 'tag.team=a', '--sort', 'accuracy'])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'sqlalchemy' not in sys.modules and 'tensorflow' not in sys.modules\n"
    )
    environment = clean_environment(HEADSTART_HOME=str(ws.config.root))
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
