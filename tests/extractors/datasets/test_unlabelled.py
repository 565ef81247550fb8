"""Datasets without labels: they are extracted, mapped, exported, predicted; what needs labels says
so."""

import json
import shutil

import numpy as np
import pytest

from conftest import draw
from headstart.errors import DatasetError, HeadError
from headstart.notices import HeadstartNote, HeadstartWarning


def flat(folder, count=6):
    for number in range(count):
        draw(folder / f"{number:02}.png", 500 + number)
    return folder


def labels(ws, name="d"):
    return [(s.id, s.label) for s in ws.datasets.manifest(name).samples]


def test_a_flat_folder_is_a_dataset_without_labels(ws, tmp_path, run):
    flat(tmp_path / "flat")
    with pytest.warns(HeadstartNote, match="6 samples without labels"):
        dataset = ws.datasets.add("d", tmp_path / "flat")
    assert labels(ws) == [(f"{n:02}.png", None) for n in range(6)]
    assert dataset.classes == []
    shown = run("dataset", "show", "d")
    assert shown.code == 0 and "without label" in shown.out and " 6" in shown.out
    assert sum(run("dataset", "show", "d", "--json").json["splits"].values()) == 6
    flat(tmp_path / "flat", 8)
    assert ws.datasets.refresh("d").samples == 8


def test_split_folders_may_hold_files_without_labels_if_that_is_said(ws, tmp_path, fails):
    flat(tmp_path / "d" / "train")
    flat(tmp_path / "d" / "test", 2)
    said = fails("dataset", "add", "d", tmp_path / "d")
    assert "test, train may be classes or splits" in said
    assert "--split folders" in said and "--split hash" in said
    with pytest.warns(HeadstartWarning, match="2 samples .* are copies of samples to test on"):
        ws.datasets.add("d", tmp_path / "d", split="folders")
    assert [(s.label, s.split) for s in ws.datasets.manifest("d").samples] == [
        *[(None, "test")] * 2,
        *[(None, "train")] * 6,
    ]


def test_an_empty_folder_is_no_dataset(ws, tmp_path, fails):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x.xml").write_text("x")
    assert "holds no class folders, and no images" in fails("dataset", "add", "d", tmp_path / "d")


def test_pictures_beside_class_folders_are_named(ws, pictures):
    draw(pictures / "loose.png", 3)
    with pytest.warns(HeadstartWarning, match="not used: file 'loose.png'$"):
        assert ws.datasets.add("d", pictures).samples == 36


@pytest.mark.parametrize(
    "header", ["path", "path,split", "id,path", ",path"], ids=["alone", "split", "id", "index"]
)
@pytest.mark.filterwarnings("ignore:.*not used. column 1, which has no name")
def test_a_table_of_paths_alone_is_a_dataset_without_labels(ws, tmp_path, header):
    flat(tmp_path)
    cells = {"path": "{:02}.png", "split": "test", "id": "k{}", "": "{}"}
    rows = [",".join(cells[name].format(n) for name in header.split(",")) for n in range(6)]
    (tmp_path / "t.csv").write_text("\n".join([header, *rows]))
    with pytest.warns(HeadstartNote, match="6 samples without labels"):
        ws.datasets.add("d", tmp_path / "t.csv")
    assert [label for _, label in labels(ws)] == [None] * 6


@pytest.mark.parametrize("columns", [("text", "colour"), ("age", "outcome")])
def test_where_a_column_may_be_the_label_it_is_asked_for(ws, tmp_path, fails, columns):
    rows = [dict(zip(columns, (n, n * n), strict=True)) for n in range(6)]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    said = fails("dataset", "add", "d", tmp_path / "t.jsonl")
    assert f"has no label column; its columns are {', '.join(columns)}" in said
    assert "--label-column none" in said
    with pytest.warns(HeadstartWarning):
        ws.datasets.add("d", tmp_path / "t.jsonl", label_column="none")
    assert [label for _, label in labels(ws)] == [None] * 6
    ws.datasets.refresh("d")


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_arrays_without_labels(ws, tmp_path, name):
    if name == "a.npz":
        np.savez(tmp_path / name, x=np.eye(5))
    else:
        np.save(tmp_path / name, np.eye(5))
    with pytest.warns(HeadstartNote, match="5 samples without labels"):
        ws.datasets.add("d", tmp_path / name)
    assert [label for _, label in labels(ws)] == [None] * 5


def test_arrays_of_splits_without_labels(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.eye(5), x_test=np.eye(5) + 1)
    ws.datasets.add("d", tmp_path / "a.npz")
    assert [s.split for s in ws.datasets.manifest("d").samples].count("test") == 5


@pytest.fixture
def unlabelled(ready, tmp_path):
    """A workspace with a head `h` and a dataset `new` without labels."""
    ready.heads.train("h", ready.extract("net", "pics"))
    ready.datasets.add("new", flat(tmp_path / "flat", 12))
    return ready


def test_features_without_labels_are_extracted_and_used(unlabelled, tmp_path, run):
    view = unlabelled.extract("net", "new")
    assert view.shape == (12, 8) and view.labels == [None] * 12
    assert len(list(view.batches(5))) == 3
    for suffix in ("npz", "h5", "parquet"):
        ran = run("features", "export", "net", "new", tmp_path / f"f.{suffix}")
        assert ran.code == 0, ran.err
    ran = run("features", "plot", "net", "new", tmp_path / "map.svg")
    assert ran.code == 0, ran.err
    assert unlabelled.audit("net", "new").suspects is None


def test_what_needs_labels_says_so_in_one_line(unlabelled, fails):
    unlabelled.extract("net", "new")
    for command in (
        ("head", "train", "x", "net", "new"),
        ("head", "train", "x", "net", "new", "--task", "regression"),
        ("head", "train", "x", "net", "new", "--task", "multi-label"),
        ("head", "sweep", "new", "net"),
        ("rank", "new"),
    ):
        assert "the dataset has no labels" in fails(*command), command
    with pytest.raises(HeadError, match="has no labels"):
        unlabelled.rank("new")


def test_a_registered_dataset_is_predicted_by_its_name(unlabelled, tmp_path, run, fails):
    ran = run("head", "predict", "h", "new", "--json")
    assert ran.code == 0, ran.err
    by_name = [(row["name"], row["label"]) for row in ran.json]
    by_path = run("head", "predict", "h", tmp_path / "flat", "--json").json
    assert len(by_name) == 12
    assert [label for _, label in by_name] == [row["label"] for row in by_path]
    assert by_name[0][0] == "00.png"
    assert "no file, folder or dataset neww" in fails("head", "predict", "h", "neww")
    message = fails("head", "predict", "h", "new", "--root", tmp_path)
    assert "new is a registered dataset, whose root was chosen" in message
    shutil.rmtree(tmp_path / "flat")
    assert "is gone" in fails("head", "predict", "h", "new")


def test_a_label_that_is_missing_among_others_is_an_error(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\nx,a\ny,\n")
    with pytest.raises(DatasetError, match="line 3: no label"):
        ws.datasets.add("d", tmp_path / "t.csv")
