"""Several labels a sample: lists in JSON Lines, rows of zeros and ones in arrays."""

import json

import numpy as np
import pytest

import headstart as hs
from headstart.errors import DatasetError
from headstart.notices import HeadstartNote


def written(path, labels, **more):
    rows = [{"text": f"t{n}", "label": label} | more for n, label in enumerate(labels)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def labels(ws, name="d"):
    return [s.label for s in ws.datasets.manifest(name).samples]


def test_lists_of_labels_are_several_labels(ws, tmp_path):
    ws.datasets.add("d", written(tmp_path / "t.jsonl", [["b", "a"], ["a"], [], [1, "b"], "a"]))
    assert labels(ws) == ["b|a", "a", None, "1|b", "a"]
    task = hs.MultiLabel()
    assert task.find_classes(ws.datasets.manifest("d").samples) == ["1", "a", "b"]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (["a|b"], r"line 2: the label 'a\|b' of several holds '\|'"),
        ([""], "line 2: a label of several is empty"),
        ([["a"]], r"line 2: a label of several is \['a'\]"),
        ({"a": 1}, r"line 2: label is \{'a': 1\}, not one text"),
    ],
)
def test_lists_that_are_no_labels_are_an_error(ws, tmp_path, label, message):
    with pytest.raises(DatasetError, match=message):
        ws.datasets.add("d", written(tmp_path / "t.jsonl", ["a", label]))


def test_a_list_in_a_cell_that_is_one_text_is_an_error(ws, tmp_path):
    with pytest.raises(DatasetError, match=r"line 1: text is \['x'\], not one text"):
        ws.datasets.add("d", written(tmp_path / "t.jsonl", ["a", "b"], text=["x"]))


def test_rows_of_zeros_and_ones_are_several_labels(ws, tmp_path):
    y = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    np.savez(tmp_path / "a.npz", x=np.eye(3), y=y)
    with pytest.warns(HeadstartNote, match="y is read as several labels a row, 0 to 2"):
        ws.datasets.add("d", tmp_path / "a.npz")
    assert labels(ws) == ["0|2", None, "1"]
    read = hs.MultiLabel().read(labels(ws), ["0", "1", "2"])
    np.testing.assert_array_equal(read, y)


@pytest.mark.parametrize("dtype", [float, bool, np.int8])
def test_one_hot_rows_are_classes(ws, tmp_path, dtype):
    np.save(tmp_path / "y.npy", np.eye(3)[[2, 0, 1, 2]].astype(dtype))
    np.save(tmp_path / "x.npy", np.eye(4))
    with pytest.warns(HeadstartNote, match=r"read as one-hot classes, 0 to 2"):
        ws.datasets.add("d", tmp_path / "x.npy", labels=tmp_path / "y.npy")
    assert labels(ws) == [2, 0, 1, 2]


def test_rows_of_several_numbers_are_several_targets(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(2), y=np.array([[0.5, 1.0], [2.0, 0.0]]))
    ws.datasets.add("d", tmp_path / "a.npz")
    assert labels(ws) == ["0.5|1.0", "2.0|0.0"]


def test_lists_of_numbers_are_several_targets(ws, tmp_path):
    ws.datasets.add("d", written(tmp_path / "t.jsonl", [[0.5, 1.0], [2, -3.25]]))
    assert labels(ws) == ["0.5|1.0", "2|-3.25"]
    read = hs.Regression().read(labels(ws), [])
    np.testing.assert_array_equal(read, [[0.5, 1.0], [2, -3.25]])


def test_labels_of_splits_in_an_npz_may_be_one_hot(ws, tmp_path):
    y = np.eye(2)[[0, 1, 1, 0]]
    np.savez(tmp_path / "a.npz", x_train=np.eye(4), y_train=y, x_test=np.eye(4) + 1, y_test=y)
    ws.datasets.add("d", tmp_path / "a.npz")
    assert labels(ws) == [0, 1, 1, 0] * 2


def test_a_head_learns_several_labels_from_lists(ready, pictures, tmp_path):
    lines = [
        {"path": str(path), "label": [path.parent.name, ["even", "odd"][n % 2]]}
        for n, path in enumerate(sorted(pictures.rglob("*.*g")))
    ]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    ready.datasets.add("several", tmp_path / "t.jsonl")
    head = ready.heads.train("h", ready.extract("net", "several"), task=hs.MultiLabel())
    assert head.record.classes == ["blue", "even", "green", "odd", "red"]


def test_columns_of_a_table_are_several_targets(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,lat,lon\na,47.5,8\nb,-1.25,9e2\n")
    ws.datasets.add("d", tmp_path / "t.csv", label_column="lat+lon")
    assert labels(ws) == ["47.5|8", "-1.25|9e2"]
    read = hs.Regression().read(labels(ws), [])
    np.testing.assert_array_equal(read, [[47.5, 8], [-1.25, 900]])
    with pytest.raises(DatasetError, match="has no column 'lot'"):
        ws.datasets.add("e", tmp_path / "t.csv", label_column="lat+lot")
    (tmp_path / "u.csv").write_text("text,lat,lon\na,47.5,8\nb,,9\n")
    with pytest.raises(DatasetError, match="line 3: no lat"):
        ws.datasets.add("f", tmp_path / "u.csv", label_column="lat+lon")
    (tmp_path / "v.csv").write_text("text,a+b\nx,1\ny,2\n")
    ws.datasets.add("g", tmp_path / "v.csv", label_column="a+b")
    assert labels(ws, "g") == ["1", "2"]


def test_labels_of_numbers_are_said_to_be_for_a_regression(ws, tmp_path):
    (tmp_path / "t.csv").write_text("text,lat,lon\na,47.5,8\nb,-1.25,9\nc,1.5,3\n")
    with pytest.warns(HeadstartNote, match="several numbers a sample: .* --task regression"):
        ws.datasets.add("d", tmp_path / "t.csv", label_column="lat+lon")
    with pytest.warns(HeadstartNote, match="labels are numbers: .* --task regression"):
        (tmp_path / "u.csv").write_text("text,lat\na,47.5\nb,-1.25\nc,1.5\n")
        ws.datasets.add("e", tmp_path / "u.csv", label_column="lat")


@pytest.mark.parametrize("column", [["lat", "lon"], 5])
def test_a_column_is_named_by_a_text(ws, tmp_path, column):
    (tmp_path / "t.csv").write_text("text,lat,lon\na,47.5,8\n")
    with pytest.raises(DatasetError, match="such as lat\\+lon"):
        ws.datasets.add("d", tmp_path / "t.csv", label_column=column)
