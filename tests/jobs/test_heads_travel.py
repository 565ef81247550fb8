"""A head in a file of its own comes to another workspace, with where it comes from."""

import io
import json
import shutil
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from head_files import repacked

import headstart as hs
from headstart.errors import EXITS, HeadError
from headstart.jobs.heads.care.head_bundle import HeadBundle
from headstart.notices import HeadstartWarning

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
        ({"head": recorded(classes=["a", "b", "x"])}, "with its weights says ['a', 'b', 'c']"),
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


def origin(**facts):
    def how(content):
        told = json.loads(content)
        told["origin"] |= facts
        return json.dumps(told).encode()

    return how


def within(field, **changed):
    """An argument for `change`: what is in a field of the head in `head.json` alone, not in the
    record of the weights."""

    def how(content):
        told = json.loads(content)
        told["head"][field] |= changed
        return json.dumps(told).encode()

    return how


settings, metrics = partial(within, "settings"), partial(within, "metrics")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (recorded(kind="svm"), "kind is 'svm', and the record with its weights says 'linear'"),
        (settings(chosen=7.0), "settings.chosen is 7.0, and the record with its weights"),
        (settings(loss="poisson"), "settings.loss is 'poisson', and the record with its weights"),
        (recorded(seed=9), "seed is 9, and the record with its weights says 4"),
        (recorded(dataset_digest="0" * 64), "dataset_digest is '000"),
        (recorded(dataset="other"), "dataset is 'other', and the record with its weights"),
        (metrics(accuracy=0.123), "metrics.accuracy is 0.123, and the record with its weights"),
        (origin(trained="in the year of the Lord"), "of the Lord'; it must be a time, such as"),
        (origin(exported=7), "origin.exported is 7; it must be a time"),
        (origin(by="\x1b[31mroot"), "origin.by is"),
        (origin(head="h"), "origin.head is 'h'"),
        (origin(workspace=["x"]), "origin.workspace is"),
        (lambda content: content.replace(b'"origin"', b'"origins"'), "has no field 'origin'"),
        (lambda content: content.replace(b'"format"', b'"formats"'), "has no field 'format'"),
        (lambda content: b"[]", "head.json is []; it must be an object"),
    ],
)
def test_what_a_file_says_of_a_head_is_what_the_record_beside_its_weights_says(
    trained, other, run, tmp_path, how, said
):
    """An svm was imported that was linear, and a time was any text."""
    file = trained.heads.get("h").export(tmp_path / "h.zip")
    bad = change(file, tmp_path / "bad.zip", head=how)
    ran = run("head", "import", bad, "--workspace", other.config.root)
    assert said in ran.err and ran.code == 1 and ran.err.count("\n") == 1
    assert not any(f"{name}Error" in ran.err for name in ("Key", "Value", "Type", "Attribute"))
    assert not len(other.heads)


def test_a_file_without_a_record_beside_its_weights_says_that_nothing_confirms_it(
    trained, other, tmp_path
):
    file = trained.heads.get("h").export(tmp_path / "h.zip")
    bundle = HeadBundle.read(file)
    with np.load(io.BytesIO(bundle.weights)) as found:
        arrays = {one: found[one] for one in found.files if one != "record.json"}
    bare = io.BytesIO()
    np.savez(bare, **arrays)
    replace(bundle, weights=bare.getvalue()).write(file)
    with pytest.warns(HeadstartWarning, match="no record with its weights"):
        head = other.heads.import_(file)
    assert head.record.versions["imported"].endswith("; nothing in the file confirms what it says")


def test_a_file_that_is_no_zip_says_so_without_a_name_of_python(other, run, tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip")
    ran = run("head", "import", tmp_path / "x.zip", "--workspace", other.config.root)
    assert "as a head: File is not a zip file" in ran.err and "BadZipFile" not in ran.err


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        ({}, None),
        ({"kernel_0.npy": -1}, "it is of other weights than those with it"),
        ({"record.json": b"{}"}, "it has no field 'format'"),
        ({"record.json": b"[]"}, "it has no field 'format'"),
    ],
    ids=["as it was", "turned round", "empty record", "list"],
)
def test_a_record_is_of_the_weights_beside_it(trained, other, tmp_path, forge, said):
    file = trained.heads.get("h").export(tmp_path / "h.zip")
    bundle = HeadBundle.read(file)
    replace(bundle, weights=repacked(bundle.weights, forge)).write(file)
    if said is None:
        assert other.heads.import_(file).record.kind == "linear"
        return
    with pytest.raises(HeadError, match=said) as error:
        other.heads.import_(file)
    assert "KeyError" not in str(error.value) and not len(other.heads)


def test_a_head_whose_sums_have_no_number_answers_nothing(trained, other, with_rows, tmp_path):
    """NaN was printed as the probability of the first class."""
    file = trained.heads.get("h").export(tmp_path / "h.zip")
    bundle = HeadBundle.read(file)
    forge = {"kernel_0.npy": 3e38, "record.json": None}
    replace(bundle, weights=repacked(bundle.weights, forge)).write(file)
    with pytest.warns(HeadstartWarning, match="no record with its weights"):
        head = other.heads.import_(file)
    other.datasets.add("rows", with_rows.parent / "rows.npz")
    with pytest.raises(HeadError, match="gives no finite number, as its weights are too large"):
        head.predict("rows")
