"""A head in a file of its own comes to another workspace, with where it comes from."""

import json
import shutil
import zipfile

import numpy as np
import pytest

import headstart as hs
from headstart.errors import EXITS, HeadError

FLAT = "flat@as_it_is"


@pytest.fixture
def trained(rows):
    rows.heads.train("h", rows.features(FLAT, "rows"), hs.Linear(strengths=1.0), seed=3)
    rows.heads.train("h", rows.features(FLAT, "rows"), hs.Linear(strengths=2.0), seed=4)
    return rows


@pytest.fixture
def other(with_rows, tmp_path):
    """A workspace with the same trunk, under another name."""
    ws = hs.init(tmp_path / "other")
    ws.backbones.add("renamed", with_rows.parent / "flat.keras", preprocess="array")
    return ws


def test_a_head_is_the_same_elsewhere_and_says_where_it_comes_from(trained, other, run, tmp_path):
    file, place = tmp_path / "h.zip", other.config.root
    assert run("head", "export", "h", file, "--json").json["file"] == str(file)
    here = trained.heads.get("h").record
    made = run("head", "import", file, "--workspace", place, "--json").json
    assert (made["name"], made["version"], made["backbone"]) == ("h", 1, "renamed:1")
    same = ("metrics", "settings", "classes", "seed", "dataset", "dataset_digest", "feature_key")
    stored = json.loads(json.dumps(trained.heads.get("h").to_json()))
    assert {name: made[name] for name in same} == {name: stored[name] for name in same}
    assert made["artifact_digest"] == here.artifact_digest
    told = made["versions"]["imported"]
    assert told.startswith(f"h:2 of workspace {trained.config.id}, trained ") and "by " in told
    shown = " ".join(run("head", "show", "h", "--workspace", place).out.split())
    assert f"imported {told}"[:60] in shown
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    np.testing.assert_array_equal(
        other.heads.get("h").stack.predict_proba(x), trained.heads.get("h").stack.predict_proba(x)
    )
    again = other.heads.import_(file, "mine").record
    assert (again.name, again.version) == ("mine", 1)


def test_a_head_that_travels_twice_is_of_the_workspace_it_came_from_last(trained, other, tmp_path):
    trained.heads.get("h").export(tmp_path / "h.zip")
    other.heads.import_(tmp_path / "h.zip").export(tmp_path / "again.zip")
    back = trained.heads.import_(tmp_path / "again.zip", "back").record
    assert back.versions["imported"].startswith(f"h:1 of workspace {other.config.id}")


def test_a_head_without_its_backbone_says_what_to_bring(trained, run, tmp_path):
    trained.heads.get("h").export(tmp_path / "h.zip")
    empty = hs.init(tmp_path / "bare")
    ran = run("head", "import", tmp_path / "h.zip", "--workspace", empty.config.root)
    assert ran.code == 1 and "`headstart backbone export` there" in ran.err
    assert "of flat:1 at as_it_is" in ran.err and not len(empty.heads)
    ran = run("head", "import", tmp_path / "none.zip")
    assert ran.code == EXITS["not_found"] and "no file" in ran.err


def change(file, target, **members):
    """The same zip with members changed by functions, or left out."""
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(target, "w") as changed:
        for name in archive.namelist():
            content, how = archive.read(name), members.get(name.partition(".")[0], bytes)
            if how is not None:
                changed.writestr(name, how(content))
    return target


def recorded(**facts):
    def how(content):
        told = json.loads(content)
        told["head"] |= facts
        return json.dumps(told).encode()

    return how


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"weights": lambda b: b[:-1] + b"x"}, "weights.npz has another sha256"),
        ({"weights": None}, "There is no item named 'weights.npz'"),
        ({"head": None}, "There is no item named 'head.json'"),
        ({"head": lambda b: b[:50]}, "cannot read"),
        ({"head": lambda b: b.replace(b'"version": 1', b'"version": 9', 1)}, "headstart.head 9"),
        ({"head": lambda b: b.replace(b"headstart.head", b"headstart.net", 1)}, "this code reads"),
        ({"head": recorded(more=1)}, "it does not say all of a head"),
        ({"head": recorded(classes=["a", "b", "x"])}, "its record says"),
        ({"head": recorded(name="../x")}, "cannot name a head"),
        ({"head": recorded(feature_key="../../x")}, "is not a sha256"),
        ({"head": recorded(versions=None)}, "cannot read"),
    ],
)
def test_a_file_that_is_another_is_refused_and_nothing_is_registered(
    trained, other, run, tmp_path, members, said
):
    file = trained.heads.get("h").export(tmp_path / "h.zip")
    bad = change(file, tmp_path / "bad.zip", **members)
    ran = run("head", "import", bad, "--workspace", other.config.root)
    assert said in ran.err and "unexpected" not in ran.err and ran.code != 0
    assert not len(other.heads)


def test_a_file_that_is_no_zip_is_refused(other, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(HeadError, match="as a head"):
        other.heads.import_(tmp_path / "x.zip")


def test_what_was_exported_is_not_of_the_workspace_any_more(trained, other, tmp_path):
    file = trained.heads.get("h").export(tmp_path / "h.zip")
    trained.database.close()
    shutil.rmtree(trained.config.root)
    assert other.heads.import_(file).record.seed == 4
