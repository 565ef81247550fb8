"""What files of columns may claim and hold: weighed before memory is taken."""

import json
import random
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from columnar_files import labels_of, source, written
from flatbuffers.table import Table as Flat
from pyarrow import feather

from headstart.errors import DatasetError
from headstart.extractors.datasets.sources.columnar import files, parquet_file
from headstart.extractors.datasets.sources.columnar.parquet_file import ParquetPart
from headstart.extractors.datasets.sources.columnar.roles import Roles
from headstart.extractors.datasets.sources.tables.values import Value


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
