"""Heads carry their record in their file, from where a registry that was lost gets them back."""

import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.jobs.heads.care.head_record import find_record


def lose_registry(ws, run):
    ws.database.close()
    for path in ws.config.root.glob("headstart.db*"):
        path.unlink()
    assert run("db", "upgrade").code == 0
    return hs.open(ws.config.root)


def told(ws):
    rows = ws.context.heads.find_all()
    gone = {"created_at", "aliases", "tags", "backbone"}
    return [{k: v for k, v in one.to_json().items() if k not in gone} for one in rows]


@pytest.fixture
def lost(ready, run, tmp_path, pictures):
    """A workspace that lost its registry and has its backbone again, under another name; and what
    was known of its heads."""
    view = ready.extract("net", "pics")
    for strength in (1.0, 2.0):
        ready.heads.train("h", view, hs.Linear(strengths=strength))
    ready.heads.train("gone", view, hs.Prototype())
    ready.heads.remove("gone")
    before = told(ready)
    expected = [ready.heads.get(name).judge.predict_proba(view[:3]) for name in ("h:1", "h:2")]
    ws = lose_registry(ready, run)
    return ws, before, expected


def test_heads_come_back_with_their_versions_on_the_backbone_that_gives_their_features(
    lost, run, tmp_path, pictures
):
    ws, before, expected = lost
    ws.backbones.add("again", tmp_path / "network.keras", preprocess="unit")
    ws.datasets.add("pics", pictures)
    ran = run("features", "reindex")
    assert "Heads that are back: h:1, h:2" in ran.out, ran
    back = [one for one in told(ws) if one["name"] == "h"]
    assert back == before
    assert {one.backbone for one in ws.context.heads.find_all()} == {"again:1"}
    view = ws.features("again", "pics")
    for name, outputs in zip(("h:1", "h:2"), expected, strict=True):
        assert (ws.heads.get(name).judge.predict_proba(view[:3]) == outputs).all()
        assert ws.heads.get(name).reproduce().agrees
    assert run("features", "reindex", "--json").json["heads"] == []


def test_without_the_backbone_each_is_named_and_stays_for_later(lost, run, tmp_path):
    ws, *_ = lost
    damaged = run("features", "reindex", "--json").json["damaged"]
    assert len(damaged) >= 2
    assert all("no backbone here gives the features" in one["reason"] for one in damaged)
    assert ws.context.heads.find_all() == []
    ws.backbones.add("net", tmp_path / "network.keras", preprocess="unit")
    assert run("features", "reindex", "--json").json["heads"][:2] == ["h:1", "h:2"]


def test_a_head_that_was_removed_does_not_come_back(ready, run):
    ready.heads.train("h", ready.extract("net", "pics"), hs.Prototype())
    ready.heads.remove("h")
    assert run("features", "reindex", "--json").json["heads"] == []


def test_a_record_that_is_damaged_is_named(ready, run, tmp_path):
    head = ready.heads.train("h", ready.extract("net", "pics"), hs.Prototype()).record
    path = ready.context.artifacts.path_of(head.artifact_digest, ".npz")
    assert find_record(path).record["name"] == "h"
    ws = lose_registry(ready, run)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (damaged,) = run("features", "reindex", "--json").json["damaged"]
    assert "its sha256 is another" in damaged["reason"] and ws.context.heads.find_all() == []
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(HeadError, match="cannot read the record"):
        find_record(tmp_path / "x.npz")
