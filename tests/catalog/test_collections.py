"""What Python users see: looked into by name, shown in a line, taken for their names, pickled."""

import pickle
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

import headstart as hs
from conftest import clean_environment
from headstart.errors import HeadError, NotFound, RegistryError, WorkspaceNotFound


@pytest.fixture
def trained(ready):
    ready.heads.train("first", ready.extract("net", "pics"))
    ready.heads.alias("production", "first")
    ready.backbones.alias("best", "net")
    return ready


def test_collections_are_looked_into_by_name(trained):
    ws = trained
    assert ws.backbones["net"] == ws.backbones.get("net") == ws.backbones["best"]
    assert ws.datasets["pics"].samples == 36
    assert ws.heads["first"].record == ws.heads["production"].record == ws.heads["first:1"].record
    ws.heads.train("first", ws.features("net", "pics"))
    for collection, names in ((ws.backbones, ["net"]), (ws.datasets, ["pics"])):
        assert list(collection) == names and len(collection) == 1
    assert list(ws.heads) == ["first"] and len(ws.heads.list()) == 2
    assert "net" in ws.backbones and "best" in ws.backbones and "other" not in ws.backbones
    assert "first:2" in ws.heads and "first:3" not in ws.heads
    assert ws.heads._ipython_key_completions_() == ["first", "production"]
    assert ws.backbones._ipython_key_completions_() == ["net", "best"]
    with pytest.raises(NotFound, match=r"no head 'fist' is registered. Did you mean 'first'"):
        ws.heads["fist"]


def test_a_collection_is_there_though_nothing_is_in_it(ws):
    assert ws.heads and not list(ws.heads)


def test_every_public_object_has_a_line(trained):
    ws = trained
    root = str(ws.config.root)
    score = ws.heads["first"].metrics["accuracy"]
    low, high = ws.heads["first"].metrics["intervals"]["accuracy"]
    of = f"accuracy {score:.2f} [{low:.2f}, {high:.2f}]"
    assert repr(ws) == f"Workspace({root!r}, 1 backbone, 1 dataset, 1 head)"
    assert repr(ws.heads["first"]) == f"Head('first', linear on net@features, {of})"
    assert repr(ws.datasets["pics"]) == "Dataset('pics', 36 samples, 3 classes, folder)"
    assert repr(ws.backbones["net"]) == (
        "Backbone('net', 12x12x3 to features, 8 cuts, 269 parameters, no licence stated)"
    )
    view = ws.features("net", "pics")
    assert repr(view) == (
        f"FeatureView(36 rows of 8 float32, net@features of pics, {view.key[:12]})"
    )
    assert repr(ws.backbones) == "Backbones(1: net)"
    assert repr(ws.cache) == f"Cache(of {root!r})"


def test_a_line_costs_no_wait_and_never_fails(trained):
    root = str(trained.config.root)
    with sqlite3.connect(trained.config.sqlite_file) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        assert repr(trained).startswith(f"Workspace({root!r}")
    connection.close()
    trained.config.sqlite_file.write_bytes(b"this is no database" * 100)
    assert repr(trained) == f"Workspace({root!r})"
    assert repr(trained.heads) == f"Heads(of {root!r})"
    trained.config.sqlite_file.unlink()
    assert repr(trained) == f"Workspace({root!r})"
    assert not trained.config.sqlite_file.exists()


def test_a_thing_is_taken_for_its_name(trained):
    ws = trained
    net, pics = ws.backbones["net"], ws.datasets["pics"]
    assert ws.extract(net, pics).report.computed == 0
    assert ws.runs.find_latest("extract")[0].dataset == "pics"
    assert ws.features(net, pics).key == ws.features("net", "pics").key
    assert ws.verify(net, pics, rows=2)["ok"] and ws.cache.explain(net, pics).to_compute == 0
    assert ws.datasets.refresh(pics) == pics and ws.backbones.get(net) == net
    with pytest.raises(RegistryError, match=r"3, of type int, names no backbone. Give its name."):
        ws.extract(3, "pics")
    with pytest.raises(RegistryError, match="names no dataset"):
        ws.features("net", net)


def test_a_folder_opens_its_workspace(ws, tmp_path):
    for given in (ws.config.root, str(ws.config.root)):
        assert hs.Workspace(given).config == ws.config
    with pytest.raises(WorkspaceNotFound):
        hs.Workspace(tmp_path / "nothing")


def test_one_stands_for_several_and_a_name_for_a_kind(trained):
    ws = trained
    few = hs.CrossValidation(folds=2)
    assert len(ws.rank("pics", "net", trying=few)) == 1
    assert len(ws.rank("pics", ws.backbones["net"], trying=few)) == 1
    for kinds in (hs.Linear(0.1), "prototype", ["prototype"], hs.Prototype):
        assert len(ws.sweep("pics", "net", kinds, trying=few, jobs=1).trials) == 1
    view = ws.features("net", "pics")
    assert ws.heads.train("h", view, "ridge").record.kind == "ridge"
    assert ws.heads.train("h", view, hs.Prototype).record.kind == "prototype"
    with pytest.raises(HeadError, match="no head kind 'rigde'"):
        ws.heads.train("h", view, "rigde")
    with pytest.raises(HeadError, match=r"0.1, of type float, is no kind of head. Give hs.Linear"):
        ws.heads.train("h", view, 0.1)
    with pytest.raises(HeadError, match="'net' does not know its backbone and dataset"):
        ws.heads.train("h", "net")


def test_a_view_can_be_pickled_and_opens_again_by_path(trained, tmp_path):
    view = trained.extract("net", "pics")
    again = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(again.to_numpy(), view.to_numpy())
    assert (again.ids, again.labels, again.report) == (view.ids, view.labels, view.report)
    part = pickle.loads(pickle.dumps(view.split("test")))
    np.testing.assert_array_equal(part.to_numpy(), view.split("test").to_numpy())
    empty = trained.context.cache().view_of(view.key, [])
    assert pickle.loads(pickle.dumps(empty)).to_numpy().shape == (0, 8)
    assert trained.heads.train("again", again).record.feature_key == view.key
    (tmp_path / "view.pickle").write_bytes(pickle.dumps(view))
    code = f"import pickle; print(pickle.load(open({str(tmp_path / 'view.pickle')!r}, 'rb')).shape)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "(36, 8)"


def test_a_pickled_view_whose_rows_are_gone_says_so(trained):
    view = trained.features("net", "pics")
    kept = pickle.dumps(view)
    key = view.key
    del view
    from headstart.extractors.cache.gc import Choice

    trained.cache.gc(Choice(sets=key), apply=True)
    with pytest.raises(hs.HeadstartError, match=r"36 of 36 samples have no features .* any more"):
        pickle.loads(kept)


def test_the_old_name_of_an_augmentation_still_works_and_warns(ready):
    new = ready.extract("net", "pics", augmentation=1)
    with pytest.warns(DeprecationWarning, match=r"extract\(view=…\) is called augmentation now"):
        old = ready.extract("net", "pics", view=1)
    assert old.key == new.key and old.report.computed == 0
    with pytest.warns(DeprecationWarning, match=r"features\(view=…\) is called augmentation now"):
        assert ready.features("net", "pics", view=1).key == new.key
    assert ready.features("net", "pics", "float32", 1).key == new.key
    with pytest.raises(TypeError, match="'view' and 'augmentation'"):
        ready.features("net", "pics", view=1, augmentation=2)
