"""A table is read a row at a time: every row is there with its label, or is named."""

import csv
import io
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headstart as hs
from conftest import clean_environment
from headstart.errors import DatasetError, SampleChanged
from headstart.extractors.datasets import open_source, reader_of, scan
from headstart.extractors.datasets.sources.tables.files import BLOCK, TableFile
from headstart.registry.entities import Dataset
from headstart.storage.keys import digest_of_bytes

ROWS, MOST = 200_000, 150
"""Rows of a table, and the MB that it may take to add it, besides a start."""
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)
cells = words | st.sampled_from(
    ["", " ", "a,b", 'say "x"', "two\nlines", "a\r\nb", "NaN", "nan", "é"]
)
rows = st.lists(st.tuples(cells, cells, cells), max_size=12)
values = st.none() | cells | st.integers() | st.floats() | st.lists(cells, max_size=3)
objects = st.lists(
    st.dictionaries(st.sampled_from(["text", "label", "other", ""]), values, max_size=4),
    max_size=12,
)
anew = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def scanned(path, **options):
    """The samples of a table, each with its raw content, as bytes."""
    options = {"text_column": "text", "deal": "hash", **options}
    manifest = scan(open_source("csv", str(path), options), options)
    dataset = Dataset("d", "csv", str(path), options, "", "", 0, 0, [])
    read = reader_of(dataset)
    return [(one, read(one)) for one in manifest.samples]


def is_text(cell):
    return cell is not None and not isinstance(cell, list | dict) and bool(str(cell).strip())


@anew
@given(rows, st.sampled_from([",", "\t"]), st.sampled_from(["\r\n", "\n"]), st.booleans())
def test_every_row_of_a_csv_is_a_sample_or_named(tmp_path, given, delimiter, end, has_mark):
    path = tmp_path / ("t.csv" if delimiter == "," else "t.tsv")
    text = io.StringIO(newline="")
    # Python before 3.13 does not quote a line end that is not its own.
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("", "text", "label"), *given])
    path.write_bytes(b"\xef\xbb\xbf" * has_mark + text.getvalue().encode())
    told = csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=delimiter)
    lines = [told.line_num for _ in told][1:]
    bad = [n for n, (_, cell, label) in enumerate(given) if not (cell.strip() and label.strip())]
    if bad or not given:
        with pytest.raises(DatasetError) as raised:
            scanned(path)
        if bad:
            column = "text" if given[bad[0]][2].strip() else "label"
            assert f"{path}, line {lines[bad[0]]}: no {column}" in raised.value.message
    if len(bad) == len(given):
        return
    found = scanned(path, on_error="skip")
    kept = [(n, row) for n, row in enumerate(given) if n not in bad]
    assert [(one.id, one.label, raw) for one, raw in found] == [
        (str(n), label.strip(), cell.strip().encode()) for n, (_, cell, label) in kept
    ]
    assert all(one.digest == digest_of_bytes(raw) for one, raw in found)


@anew
@given(objects)
def test_every_object_of_json_lines_is_a_sample_or_named(tmp_path, given):
    path = tmp_path / "t.jsonl"
    first = {"text": "x", "label": "y"}
    lines = [json.dumps(one) for one in [first, *given]]
    path.write_text("\n\n".join(lines), encoding="utf-8")
    good, bad = [], []
    for number, row in enumerate([first, *given]):
        label = row.get("label")
        parts = label if isinstance(label, list) else [label]
        is_label = all(is_text(part) and "|" not in str(part) for part in parts)
        is_label = is_label if isinstance(label, list) else is_text(label)
        (good if is_text(row.get("text")) and is_label else bad).append(number)
    if bad:
        with pytest.raises(DatasetError, match=f"line {2 * bad[0] + 1}: "):
            scanned(path)
    found = scanned(path, on_error="skip")
    assert [one.id for one, _ in found] == [str(number) for number in good]
    for number, (one, raw) in zip(good, found, strict=True):
        row = [first, *given][number]
        label = row["label"]
        named = "|".join(str(part).strip() for part in label) if isinstance(label, list) else label
        assert one.label == (str(named).strip() or None)
        assert raw == str(row["text"]).strip().encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_row_that_is_had_again_is_the_row_that_it_was(tmp_path, end, mark):
    path, count = tmp_path / "t.csv", 3 * BLOCK + 7
    lines = [f'é{n},"two{end}lines {n}"' + end * (1 + (n % 5 == 0)) for n in range(count)]
    path.write_bytes(mark + f"a,b{end}{''.join(lines)}".encode())
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        expected = [(f"{path}, line {reader.line_num}", row) for row in reader]
    table = TableFile(path)
    assert table.columns == ["a", "b"] and len(table) == count
    assert list(table.rows()) == expected
    for number in np.random.default_rng(0).permutation(count).tolist():
        assert table.row(number) == expected[number]
    with pytest.raises(SampleChanged, match="is gone"):
        table.row(count)
    path.write_bytes(path.read_bytes() + b"x,y\n")
    table._block.cache_clear()
    with pytest.raises(SampleChanged, match="has changed since its rows were counted"):
        table.row(0)


def test_a_cell_behind_the_last_column_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,x\nb,y,z\nc,x,z\n")
    source = open_source("csv", str(path), {})
    list(source.scan())
    assert source.unused() == [f"cells behind the last column ({path}, line 3)"]


CHILD = """
import re, sys
from pathlib import Path
import headstart as hs
import headstart.jobs.datasets.add

def peak():
    return int(re.findall(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024

ws = hs.open(sys.argv[1])
len(ws.datasets)
bare = peak()
ws.datasets.add("d", sys.argv[2])
assert ws.datasets.get("d").samples == int(sys.argv[3])
print(peak() - bare)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_large_table_is_added_in_little_memory(tmp_path):
    root, table = hs.init(tmp_path / "zoo").config.root, tmp_path / "t.csv"
    with table.open("w") as file:
        file.write("a,b,label\n")
        file.writelines(f"{n},{n % 7}.5,c{n % 10}\n" for n in range(ROWS))
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(root), str(table), str(ROWS)]
    ran = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < MOST
