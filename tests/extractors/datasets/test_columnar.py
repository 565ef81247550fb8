"""Parquet and Arrow files: what is in them, and what they may not do."""

import json
import random
import subprocess
import sys
import time

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flatbuffers.table import Table as Flat
from pyarrow import feather

from conftest import draw
from headstart.errors import DatasetError
from headstart.extractors.datasets import find_kind, open_source, scan
from headstart.extractors.datasets.sources.columnar import files, parquet_file
from headstart.extractors.datasets.sources.columnar.parquet_file import ParquetPart
from headstart.extractors.datasets.sources.columnar.roles import Roles
from headstart.extractors.datasets.sources.tables.values import Value
from headstart.notices import HeadstartNote, HeadstartWarning


def source(path, **options):
    return open_source("parquet", str(path), options)


def labels_of(path, **options):
    return [entry.label for entry in source(path, **options).scan()]


def written(path, columns, **how):
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **how)
    return path


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
    with pytest.raises(DatasetError, match=r"may be splits, beside more.*--split folders"):
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


def varint(number):
    """As a footer writes a number: seven bits a byte, the sign last."""
    number <<= 1
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def with_footer(path, *numbers, said=100):
    """Says that some numbers in a footer are others, in as many bytes."""
    content = bytearray(path.read_bytes())
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for number in numbers:
        large, small = varint(number), varint(said)
        padded = bytes([*small[:-1], *[small[-1] | 0x80] * (len(large) > len(small))])
        padded = padded + b"\x80" * (len(large) - len(padded) - 1) + b"\0"
        footer = content[start:].replace(large, padded if len(large) > len(small) else small)
        assert footer != content[start:]
        content[start:] = footer
    path.write_bytes(content)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_that_hold_more_than_the_footer_says_are_refused(tmp_path, version):
    """A footer that lies: some hundred bytes, where the pages unpack to 40 MB."""
    how = {"use_dictionary": False, "compression": "zstd", "data_page_version": version}
    columns = {"x": np.zeros((5_000_000 // 8,)), "text": ["a"] * (5_000_000 // 8)}
    path = written(tmp_path / "d.parquet", columns, **how)
    group = pq.ParquetFile(path).metadata.row_group(0)
    sizes = [group.column(number).total_uncompressed_size for number in range(2)]
    assert sum(sizes) > 7_000_000
    with_footer(path, group.total_byte_size, *sizes)
    told = pq.ParquetFile(path).metadata.row_group(0)
    assert (told.total_byte_size, told.column(0).total_uncompressed_size) == (100, 100)
    with pytest.raises(DatasetError, match=r"row group 0, column 'x': .*pages .*says 0\.0 MB"):
        ParquetPart(path)


def test_what_pages_hold_is_weighed_whatever_the_footer_says(tmp_path, monkeypatch):
    """Row groups are as large as their pages, not as a footer says that is a little wrong."""
    monkeypatch.setattr(parquet_file, "SMALL", 1 << 16)
    rows = [random.Random(number).randbytes(900) for number in range(1000)]
    path = written(tmp_path / "d.parquet", {"b": rows}, use_dictionary=False, compression="zstd")
    with_footer(path, pq.ParquetFile(path).metadata.row_group(0).total_byte_size, said=600_000)
    part = ParquetPart(path)
    assert max(batch.num_rows for batch in part.batches(["b"])) < 80


def test_a_page_of_more_values_than_the_footer_says_is_weighed(tmp_path):
    """A billion zeros are some bytes in a page: a run of one value."""
    lists = pa.array([[0] * 70_000_000], pa.list_(pa.int8()))
    path = written(tmp_path / "d.parquet", {"x": lists}, compression="zstd", data_page_size=1 << 30)
    with_footer(path, 70_000_000, said=1)
    with pytest.raises(DatasetError, match=r"GB once it is unpacked|more than half of"):
        ParquetPart(path)


def test_more_rows_than_memory_holds_and_columns_of_nothing_are_refused(tmp_path, monkeypatch):
    rows = 200_000_000
    zeros = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int8)), ["a"])
    path = written(tmp_path / "d.parquet", {"text": zeros})
    from headstart.extractors.datasets.sources import numpy_files

    monkeypatch.setattr(numpy_files, "free_memory", lambda: 100_000)
    with pytest.raises(DatasetError, match=r"the 1,000 rows of .* more than half of"):
        labels_of(path)
    monkeypatch.undo()
    wide = written(tmp_path / "w.parquet", {"x": np.zeros(rows // 2)}, compression="zstd")
    with pytest.raises(DatasetError, match=r"GB once it is unpacked|more than half of"):
        labels_of(wide)


def test_a_packed_batch_of_arrow_is_weighed_before_it_is_unpacked(tmp_path):
    table = pa.table({"x": np.zeros(60_000_000)})
    feather.write_feather(table, tmp_path / "d.feather", compression="zstd", chunksize=60_000_000)
    assert (tmp_path / "d.feather").stat().st_size < 1 << 20
    with pytest.raises(DatasetError, match=r"a batch takes 0\.5 GB once it is unpacked"):
        labels_of(tmp_path / "d.feather")


@pytest.mark.parametrize("is_packed", [False, True])
def test_of_arrow_the_messages_are_read_that_were_weighed(tmp_path, is_packed):
    """A footer that names other blocks than the messages before it: two of them, exchanged."""
    texts = [["a", "b"], ["c"], ["d", "e", "e"]]
    kind = pa.dictionary(pa.int8(), pa.string())
    words = pa.array(list("abcde"))
    schema = pa.schema({"text": kind, "label": pa.string()})
    path = tmp_path / "d.arrow"
    options = pa.ipc.IpcWriteOptions(compression="zstd" if is_packed else None)
    with pa.ipc.new_file(path, schema, options=options) as out:
        for rows in texts:
            places = pa.array([words.index(one).as_py() for one in rows], pa.int8())
            column = pa.DictionaryArray.from_arrays(places, words)
            out.write_batch(pa.record_batch([column, pa.array(rows)], schema=schema))
    content = bytearray(path.read_bytes())
    footer = len(content) - 10 - int.from_bytes(content[-10:-6], "little")
    root = Flat(content, footer + int.from_bytes(content[footer : footer + 4], "little"))
    first = root.Vector(root.Offset(10))
    one, two = content[first : first + 24], content[first + 24 : first + 48]
    content[first : first + 48] = two + one
    path.write_bytes(content)
    assert pa.ipc.open_file(path).get_batch(0)["text"].to_pylist() == ["c"]
    made = source(path)
    assert [entry.label for entry in made.scan()] == list("abcdee")
    assert [made.read(row).decode() for row in range(6)] == list("abcdee")


def test_a_dictionary_of_arrow_that_grows_is_read(tmp_path):
    """Batches of a file, the second of which adds words to the dictionary."""
    schema = pa.schema({"text": pa.dictionary(pa.int8(), pa.string()), "label": pa.string()})
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_file(tmp_path / "d.arrow", schema, options=options) as out:
        for words in (["a"], ["a", "b"]):
            text = pa.DictionaryArray.from_arrays(pa.array(range(len(words)), pa.int8()), words)
            out.write_batch(pa.record_batch([text, pa.array(words)], schema=schema))
    made = source(tmp_path / "d.arrow")
    assert [entry.label for entry in made.scan()] == list("aab")
    assert [made.read(row).decode() for row in range(3)] == list("aab")


def test_very_many_columns_take_as_long_as_they_are_many(tmp_path):
    """Each was counted among all others: 100,000 took more than a minute."""
    names = [f"column {number}" for number in range(30_000)]
    notes = {b"pandas": json.dumps({"index_columns": names[1:]}).encode()}
    fields = [pa.field(name, pa.float32()) for name in names]
    schema = pa.schema([*fields, pa.field("label", pa.string())], metadata=notes)
    start = time.process_time()
    roles = Roles(tmp_path, schema, {})
    assert roles.values == [Value("number", (names[0],))] and len(roles.unused) == 29_999
    plain = Roles(tmp_path, schema.remove_metadata(), {})
    assert plain.content == names and not plain.unused
    assert time.process_time() - start < 4
    with pytest.raises(DatasetError, match="the column 'label' occurs twice"):
        Roles(tmp_path, schema.append(schema.field("label")), {})


def test_a_folder_of_very_many_files_is_looked_through_once(tmp_path, monkeypatch):
    """Each file was looked for in a list of those of columns."""

    class Listed(list):
        def __contains__(self, item):
            raise AssertionError("looked through again")

    for name in ("1.parquet", "2.parquet", "more.txt"):
        (tmp_path / name).touch()
    below = files._columnar_below
    monkeypatch.setattr(files, "_columnar_below", lambda folder: Listed(below(folder)))
    found = files.files_of(tmp_path, None, {"split": "hash"})
    assert len(found.files) == 2 and found.unused == ("file 'more.txt'",)


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
