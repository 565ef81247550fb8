"""Arrays as datasets: what an .npz or .npy holds, or exactly where it is wrong."""

import numpy as np
import pytest

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.arrays import ArraySource

# arrays


def arrays(tmp_path, **members):
    np.savez(tmp_path / "d.npz", **members)
    return tmp_path / "d.npz"


def test_an_npz_holds_samples_and_labels(ws, tmp_path):
    x = np.arange(12).reshape(4, 3)
    dataset = ws.datasets.add("d", arrays(tmp_path, x=x, y=np.array(["a", "b", "a", "b"])))
    assert (dataset.kind, dataset.samples, dataset.classes) == ("arrays", 4, ["a", "b"])
    assert [sample.id for sample in ws.datasets.manifest("d").samples] == ["0", "1", "2", "3"]


def test_integer_labels_stay_integers(ws, tmp_path):
    ws.datasets.add("d", arrays(tmp_path, x=np.eye(4), y=np.array([10, 9, 10, 9], np.uint8)))
    assert ws.datasets.manifest("d").classes == [9, 10]


def test_ids_and_splits_can_come_along(ws, tmp_path):
    file = arrays(
        tmp_path, x=np.eye(3), y=[0, 1, 0], ids=["p", "q", "r"], split=["train", "val", "test"]
    )
    ws.datasets.add("d", file)
    assert [(s.id, s.split) for s in ws.datasets.manifest("d").samples] == [
        ("p", "train"),
        ("q", "validation"),
        ("r", "test"),
    ]


@pytest.mark.parametrize("labels", ["labels.npy", "labels.txt"])
def test_an_npy_takes_its_labels_from_another_file(ws, tmp_path, labels):
    np.save(tmp_path / "d.npy", np.eye(3))
    if labels.endswith("npy"):
        np.save(tmp_path / labels, np.array(["a", "b", "a"]))
    else:
        (tmp_path / labels).write_text("a\nb\na\n")
    dataset = ws.datasets.add("d", tmp_path / "d.npy", labels=tmp_path / labels)
    assert dataset.classes == ["a", "b"]


def test_arrays_that_have_not_changed_are_not_read_again(ws, tmp_path, monkeypatch):
    file = arrays(tmp_path, x=np.eye(3), y=[0, 1, 0])
    ws.datasets.add("d", file)
    monkeypatch.setattr(ArraySource, "scan", lambda *_: pytest.fail("read again"))
    ws.datasets.refresh("d")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x": np.eye(4), "y": [0, 1]}, "has 4 rows, but 2 labels"),
        ({"x": np.eye(2), "y": [0, 1], "ids": ["a"]}, "has 2 rows, but 1 ids"),
        ({"x": np.eye(2), "y": [0, 1], "ids": ["a", "a"]}, "the id 'a' occurs 2 times"),
        ({"y": [0, 1]}, "holds no array of samples; it holds y"),
        (
            {"a": np.eye(2), "b": np.eye(3), "y": [0, 1]},
            "different numbers of rows: a 2, b 3",
        ),
        (
            {"x": np.eye(2), "y": np.zeros((2, 1, 2))},
            "row 0: the label array([[0., 0.]]) is neither",
        ),
        ({"x": np.eye(2), "y": [0.5, np.inf]}, "row 1: the label inf is neither"),
        ({"x": np.eye(2), "y": [1, np.nan]}, "row 1: the label nan is neither"),
        ({"x": np.eye(2), "y": ["a", ""]}, "row 1: the label '' is neither"),
        ({"x": np.zeros((0, 3)), "y": []}, "holds no rows"),
        ({"x": np.array(3), "y": [1]}, "a single number"),
        ({"x": np.array([{}, {}]), "y": [0, 1]}, "object arrays are refused"),
    ],
)
def test_wrong_arrays_are_an_error_that_names_the_place(ws, tmp_path, fails, members, message):
    file = arrays(tmp_path, **members)
    said = fails("dataset", "add", "d", file)
    assert str(file) in said
    assert message in said
    assert ws.datasets.list() == []


@pytest.mark.parametrize("name", ["y", "ids", "split", "groups", "sample_weight"])
def test_an_array_that_is_one_number_is_none_of_rows(ws, tmp_path, fails, name):
    file = arrays(tmp_path, **{"x": np.eye(4), name: np.array(1)})
    more = ("--weight-column", name) if name == "sample_weight" else ()
    said = fails("dataset", "add", "d", file, *more)
    assert f"{name} in {file} is a single number, of shape ()" in said


@pytest.mark.parametrize("name", ["x_test", "y_test", "sample_weight_test"])
def test_an_array_of_a_split_that_is_one_number_is_refused(ws, tmp_path, fails, name):
    of_split = {"x": np.eye(4), "y": [0, 1, 0, 1], "sample_weight": [1.0, 1, 1, 1]}
    members = {f"{one}_{split}": v for one, v in of_split.items() for split in ("train", "test")}
    file = arrays(tmp_path, **members | {name: np.array(1.0)})
    said = fails("dataset", "add", "d", file, "--weight-column", "sample_weight")
    assert f"{name} in {file} is a single number, of shape ()" in said


def test_inputs_and_labels_of_a_file_that_are_one_number_are_refused(ws, tmp_path, fails):
    file = arrays(tmp_path, a=np.eye(2), b=np.array(1.0))
    assert "of shape ()" in fails("dataset", "add", "d", file)
    np.save(tmp_path / "y.npy", np.array(1))
    file = arrays(tmp_path, x=np.eye(2))
    assert "of shape ()" in fails("dataset", "add", "d", file, "--labels", tmp_path / "y.npy")


@pytest.mark.parametrize("option", ["label", "weight", "id", "split", "group"])
def test_a_column_without_a_name_is_refused(ws, tmp_path, fails, option):
    (tmp_path / "t.csv").write_text("a,label,\n1,x,2\n2,y,3\n")
    said = fails("dataset", "add", "t", tmp_path / "t.csv", f"--{option}-column", "")
    assert f"{option}_column is empty" in said and "leave it out" in said


def test_an_empty_name_of_a_column_is_refused_in_python(ws, tmp_path):
    file = arrays(tmp_path, x=np.eye(4))
    with pytest.raises(DatasetError, match="weight_column is empty"):
        ws.datasets.add("d", file, weight_column="")
    with pytest.raises(DatasetError, match="weight_column is empty"):
        ws.datasets.add("d", np.eye(4), weight_column="")


@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_a_damaged_array_file_is_an_error(ws, tmp_path, fails, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 nothing")
    assert "is not a readable NumPy file" in fails("dataset", "add", "d", tmp_path / name)
