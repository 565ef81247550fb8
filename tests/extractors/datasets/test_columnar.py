"""Parquet and Arrow files: what is in them, and what they may not do."""

import json
import random
import subprocess
import sys

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columnar_files import labels_of, source, written
from pyarrow import feather

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets import find_kind, scan
from headstart.extractors.datasets.sources.columnar import parquet_file
from headstart.extractors.datasets.sources.columnar.parquet_file import ParquetPart
from headstart.notices import HeadstartNote, HeadstartWarning


def test_features_of_hugging_face_are_used_as_declared(tmp_path):
    features = datasets.Features(
        {
            "picture": datasets.Image(),
            "kind": datasets.ClassLabel(names=["cat", "dog"]),
            "caption": datasets.Value("string"),
        }
    )
    content = draw(tmp_path / "a.png", 0).read_bytes()
    rows = {"picture": [{"bytes": content, "path": None}] * 2, "kind": [1, 0], "caption": ["a"] * 2}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "d.parquet")
    made = source(tmp_path / "d.parquet")
    assert [entry.label for entry in made.scan()] == ["dog", "cat"]
    assert made.read(0) == content and made.unused() == ["column 'caption'"]


def test_arrays_and_lists_of_names_of_hugging_face(tmp_path):
    features = datasets.Features(
        {
            "x": datasets.Array2D((2, 3), "int32"),
            "labels": datasets.Sequence(datasets.ClassLabel(names=["p", "q"])),
        }
    )
    x = np.arange(12, dtype=np.int32).reshape(2, 2, 3)
    rows = {"x": x.tolist(), "labels": [[0, 1], [1]]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "d")
    made = source(tmp_path / "d")
    assert [entry.label for entry in made.scan()] == ["p|q", "q"]
    read = made.read(1)
    assert read.dtype == np.int32 and read.tolist() == x[1].tolist()


def test_a_label_that_is_hidden_is_a_row_without_one(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    made = datasets.Dataset.from_dict({"text": ["x", "y"], "label": [0, -1]}, features=features)
    made.to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DatasetError, match=r"row 1: label is -1, of 2 names \(-1 says"):
        labels_of(tmp_path / "d.parquet")
    assert labels_of(tmp_path / "d.parquet", on_error="skip") == ["a"]


def test_tensors_of_arrow_have_their_shape(tmp_path):
    x = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    table = pa.table({"x": pa.FixedShapeTensorArray.from_numpy_ndarray(x), "label": list("abab")})
    made = source(written(tmp_path / "d.parquet", table))
    list(made.scan())
    assert made.read(2).tolist() == x[2].tolist() and made.read(2).dtype == np.uint8


def test_lists_of_different_lengths_and_missing_cells_are_named_with_their_row(tmp_path):
    ragged = written(tmp_path / "r.parquet", {"x": [[[1, 2], [3]]], "label": ["a"]})
    with pytest.raises(DatasetError, match="row 0: x holds lists of different lengths"):
        labels_of(ragged)
    columns = {"image": [b"a", None, b"b", b"c"], "label": ["a", "b", None, "c"]}
    path = written(tmp_path / "m.parquet", columns)
    with pytest.raises(DatasetError, match=r"m\.parquet, row 1: no image"):
        labels_of(path)
    made = source(path, on_error="skip")
    assert [entry.location for entry in made.scan()] == [0, 3]
    assert [one.partition(", ")[2] for one in made.skipped] == [
        "row 1: no image",
        "row 2: no label",
    ]


def test_what_a_sample_is_can_be_said_and_has_to_be_where_it_cannot_be_told(tmp_path):
    columns = {"one": [b"a"], "two": [b"b"], "age": [3], "label": ["x"]}
    path = written(tmp_path / "d.parquet", columns)
    with pytest.raises(DatasetError, match=r"columns are one \(binary\).*--value bytes:COLUMN"):
        labels_of(path)
    made = source(path, values=["left=bytes:one", "right=number:age"])
    list(made.scan())
    assert made.read(0)["left"] == b"a" and made.read(0)["right"].tolist() == [3]
    assert made.unused() == ["column 'two'"]
    with pytest.raises(DatasetError, match="column 'one' is binary, not text"):
        labels_of(path, text_column="one")


def test_files_that_are_called_like_splits_are_splits(tmp_path):
    (tmp_path / "d" / "data").mkdir(parents=True)
    for name in ("train-0-of-2", "train-1-of-2", "test-0-of-1"):
        written(tmp_path / "d" / "data" / f"{name}.parquet", {"text": [name], "label": ["a"]})
    (tmp_path / "d" / "README.md").write_text("what it is")
    made = source(tmp_path / "d")
    assert find_kind(str(tmp_path / "d")) == "parquet"
    with pytest.warns(HeadstartNote, match="test, train are its splits"):
        entries = list(made.scan())
    assert [(one.id, one.split) for one in entries] == [
        ("test/0", "test"), ("train/0", "train"), ("train/1", "train")
    ]  # fmt: skip
    assert made.unused() == ["file 'README.md'"] and made.found == {"split": "folders"}
    written(tmp_path / "d" / "data" / "more-0-of-1.parquet", {"text": ["m"], "label": ["a"]})
    with pytest.raises(DatasetError, match=r"may be splits, next to more.*--split folders"):
        list(source(tmp_path / "d").scan())
    assert len(list(source(tmp_path / "d", split="folders").scan())) == 3
    assert len(list(source(tmp_path / "d", split="hash").scan())) == 4


def test_a_split_of_no_known_name_in_a_folder_of_hugging_face_is_named(ws, tmp_path):
    made = datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})
    datasets.DatasetDict(train=made, unsupervised=made).save_to_disk(tmp_path / "d")
    with pytest.warns(HeadstartWarning, match="not used: split 'unsupervised'"):
        assert ws.datasets.add("d", tmp_path / "d").samples == 2


def test_large_row_groups_are_read_some_rows_at_a_time_and_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_file, "SMALL", 1 << 16)
    contents = [bytes([number]) * 4000 for number in range(100)]
    path = written(tmp_path / "d.parquet", {"b": contents}, row_group_size=60)
    part = ParquetPart(path)
    assert max(batch.num_rows for batch in part.batches(["b"])) < 60
    order = random.Random(0).sample(range(100), 100)
    for row in [*range(100), *order]:
        assert part.block(row, ["b"]).cell("b", row).as_py() == contents[row]


def test_a_value_of_a_dictionary_that_occurs_very_often_takes_little(tmp_path):
    """One value of 8 MB in 4,000 rows is 32 GB, in a file of some kilobytes."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), [b"\0" * (8 << 20)])
    path = written(tmp_path / "d.parquet", {"b": column.cast(column.type)}, compression="zstd")
    assert path.stat().st_size < 1 << 20
    part = ParquetPart(path)
    first = next(part.batches(["b"]))
    assert first.num_rows <= 32
    before = pa.total_allocated_bytes()
    assert len(part.block(3999, ["b"]).cell("b", 3999).as_py()) == 8 << 20
    assert pa.total_allocated_bytes() - before < 1 << 28


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
def test_damage_anywhere_is_an_error_in_one_line_or_does_no_harm(tmp_path, suffix):
    path = tmp_path / f"d{suffix}"
    table = pa.table({"text": [f"text {n}" for n in range(50)], "label": list("ab") * 25})
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".arrow":
        with pa.ipc.new_stream(path, table.schema) as out:
            out.write_table(table, max_chunksize=20)
    else:
        feather.write_feather(table, path, chunksize=20)
    assert len(labels_of(path)) == 50
    content, chance = path.read_bytes(), random.Random(0)
    for number in range(150):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 4, 30))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if number % 3 == 0:
            damaged = damaged[: chance.randrange(len(damaged))]
        path.write_bytes(damaged)
        try:
            list(source(path, on_error="skip").scan())
        except DatasetError as error:
            assert len(str(error).splitlines()) == 1


def test_what_is_called_parquet_and_is_none_is_said(tmp_path):
    for name, content in (("a.parquet", b"no"), ("b.arrow", b""), ("c.feather", b"FEA1old")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DatasetError, match=name.replace(".", r"\.")):
            labels_of(tmp_path / name)


def test_a_state_that_names_files_elsewhere_is_refused(tmp_path):
    (tmp_path / "d").mkdir()
    state = {"_data_files": [{"filename": "../secret.arrow"}]}
    (tmp_path / "d" / "state.json").write_text(json.dumps(state))
    with pytest.raises(hs_errors(), match="not the name of a file"):
        labels_of(tmp_path / "d")


def hs_errors():
    from headstart.errors import HeadstartError

    return HeadstartError


def test_nothing_outside_of_the_root_is_read(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    rows = {"path": ["../secret.txt"], "label": ["a"]}
    path = written(tmp_path / "in" / "d.parquet", rows)
    assert len(labels_of(path)) == 1
    with pytest.raises(DatasetError, match="outside of the root"):
        labels_of(path, root=str(tmp_path / "in"))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    struct = pa.array([{"bytes": None, "path": "../secret.txt"}], kind)
    inside = written(tmp_path / "in" / "s.parquet", {"image": struct, "label": ["a"]})
    with pytest.raises(DatasetError, match="outside of the root"):
        labels_of(inside, root=str(tmp_path / "in"))


def test_a_change_of_the_file_is_seen_and_nothing_else_is_read_again(tmp_path):
    path = written(tmp_path / "d.parquet", {"text": ["a", "b"], "label": ["x", "y"]})
    before = scan(source(path), {})
    assert before.samples[0].stat == source(path).stamp()
    written(path, {"text": ["a", "c"], "label": ["x", "y"]})
    assert before.samples[0].stat != source(path).stamp()


@pytest.mark.parametrize("kind", [pa.uint8(), pa.uint32(), pa.uint64(), pa.int8()], ids=str)
def test_a_dictionary_of_unsigned_places_may_have_a_cell_of_nothing(tmp_path, kind):
    names = pa.array(["cat", "dog"], pa.string_view())
    for places in ([1, None, 0], [None, 1, None, 0]):
        labels = pa.DictionaryArray.from_arrays(pa.array(places, kind), names)
        x = pa.array(["x"] * len(places))
        feather.write_feather(pa.table({"text": x, "label": labels}), tmp_path / "d.arrow")
        with pytest.raises(DatasetError, match="no label"):
            labels_of(tmp_path / "d.arrow")
        assert labels_of(tmp_path / "d.arrow", on_error="skip") == ["dog", "cat"]


def test_a_column_that_is_not_read_is_named_with_its_file(tmp_path):
    label = pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))
    path = written(tmp_path / "d.parquet", {"text": ["x"], "label": label})
    with pytest.raises(DatasetError, match=r"d\.parquet: the column 'label' is of the type map<"):
        labels_of(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files there")
@pytest.mark.parametrize(
    ("limit", "suffix", "is_read"),
    [
        (160, ".parquet", True),
        (110, ".parquet", False),
        (100, ".parquet", False),
        (70, ".parquet", False),
        (100, ".arrow", True),
        (62, ".arrow", False),
        (60, ".arrow", False),
    ],
)
def test_as_many_files_are_read_as_can_be_open(tmp_path, limit, suffix, is_read):
    write = pq.write_table if suffix == ".parquet" else feather.write_feather
    for number in range(50):
        write(pa.table({"text": ["x"], "label": ["a"]}), tmp_path / f"{number}{suffix}")
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
from headstart.errors import DatasetError
from headstart.extractors.datasets import open_source
try:
    print(len(list(open_source("parquet", {str(tmp_path)!r}, {{}}).scan())))
except DatasetError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = f"this process may have {limit}, enough for about 0 of columns. Join some of them"
    assert ran.stdout == "50\n" if is_read else said in ran.stdout
