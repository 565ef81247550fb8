"""Several labels a sample: lists in JSON Lines, rows of zeros and ones in arrays."""

import json

import numpy as np
import polars
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

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
    with pytest.warns(HeadstartNote, match="several numbers per sample: .* --task regression"):
        ws.datasets.add("d", tmp_path / "t.csv", label_column="lat+lon")
    with pytest.warns(HeadstartNote, match="numbers from -1.25 to 47.5: .* --task regression"):
        (tmp_path / "u.csv").write_text("text,lat\na,47.5\nb,-1.25\nc,1.5\n")
        ws.datasets.add("e", tmp_path / "u.csv", label_column="lat")


@pytest.mark.parametrize("column", [["lat", "lon"], 5])
def test_a_column_is_named_by_a_text(ws, tmp_path, column):
    (tmp_path / "t.csv").write_text("text,lat,lon\na,47.5,8\n")
    with pytest.raises(DatasetError, match="such as lat\\+lon"):
        ws.datasets.add("d", tmp_path / "t.csv", label_column=column)


COLUMNS = {"x": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "lat": [1.0, 2.5, 3.0], "lon": [7, 8, 9]}
SEVERAL = ["1.0|7", "2.5|8", "3.0|9"]


@pytest.mark.parametrize("form", ["parquet", "arrow", "pandas", "polars", "pyarrow"])
def test_several_columns_of_a_table_of_columns_or_frame_are_a_label(ws, tmp_path, form):
    frame = pa.table(COLUMNS)
    if form == "parquet":
        parquet.write_table(frame, tmp_path / "t.parquet")
        source = tmp_path / "t.parquet"
    elif form == "arrow":
        feather.write_feather(frame, tmp_path / "t.arrow", compression="uncompressed")
        source = tmp_path / "t.arrow"
    else:
        source = {"pandas": frame.to_pandas, "polars": lambda: polars.from_arrow(frame)}.get(
            form, lambda: frame
        )()
    ws.datasets.add("d", source, label_column="lat+lon", split="none")
    found = ws.datasets.manifest("d").samples
    assert [one.label for one in found] == SEVERAL
    assert ws.datasets.details("d").dataset.options.get("unused") == []


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ([1.0, None, 2.0], r"row 1: no b"),
        (["x", "", "y"], r"row 1: no b"),
        (["x", "p|q", "y"], r"row 1: the label 'p\|q' of several holds '\|'"),
        ([1.0, float("nan"), 2.0], r"row 1, b: the label nan is neither"),
        ([b"x", b"\xff", b"y"], r"row 1, b: the label b'\\xff' is no UTF-8"),
        ([[1], [2], [3]], r"row 0, b: the label \[1\] is neither"),
    ],
)
def test_an_odd_cell_among_several_columns_of_labels_is_named(ws, tmp_path, second, words):
    table = pa.table({"x": COLUMNS["x"], "a": ["é", "ü", "ö"], "b": second})
    parquet.write_table(table, tmp_path / "t.parquet")
    given = {"label_column": "a+b", "values": ["array:x"]}
    with pytest.raises(DatasetError, match=words):
        ws.datasets.add("d", tmp_path / "t.parquet", **given)
    with pytest.raises(DatasetError, match="no column 'c'; its columns are x, a, b"):
        ws.datasets.add("d", tmp_path / "t.parquet", label_column="a+c")


def test_names_that_columns_declare_stand_in_labels_of_several(ws):
    import datasets

    kinds = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"text": datasets.Value("string"), "a": kinds, "b": kinds})
    data = datasets.Dataset.from_dict({"text": ["t", "u"], "a": [0, 1], "b": [1, 1]}, features)
    ws.datasets.add("d", data, label_column="a+b", split="none")
    assert [one.label for one in ws.datasets.manifest("d").samples] == ["cat|dog", "dog|dog"]


def test_a_column_that_is_called_like_several_is_that_column(ws, tmp_path):
    table = pa.table({"x": COLUMNS["x"], "lat+lon": ["p", "q", "r"]})
    parquet.write_table(table, tmp_path / "t.parquet")
    ws.datasets.add("d", tmp_path / "t.parquet", label_column="lat+lon", split="none")
    assert [one.label for one in ws.datasets.manifest("d").samples] == ["p", "q", "r"]
