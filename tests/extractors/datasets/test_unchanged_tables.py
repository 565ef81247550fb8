"""A table of values that nobody has written to is not read again; one that names files is."""

import os

import pytest

from headstart.extractors import datasets
from headstart.extractors.datasets.sources.tables.tables import TableSource


@pytest.fixture
def rows_read(monkeypatch):
    """How often a table was gone through."""
    seen, real = [], TableSource.scan

    def scan(self):
        seen.append(self.source)
        return real(self)

    monkeypatch.setattr(TableSource, "scan", scan)
    return seen


def opened(path, **options):
    return datasets.open_source("csv", str(path), options)


def manifest_of(path, **options):
    return datasets.scan(opened(path, **options), options)


def again(path, manifest, **options):
    return datasets.rescan(opened(path, **options), options, manifest)


TABLES = {
    "numbers": ("t.csv", "a,b,label\n1,2,x\n3,4,y\n", {}),
    "texts": ("t.csv", "body,label\none,x\ntwo,y\n", {"text_column": "body"}),
    "json": ("t.jsonl", '{"text": "one", "label": 1}\n{"text": "two", "label": 2}\n', {}),
    "several": ("t.csv", "a,t,label\n1,u,x\n2,v,y\n", {"values": ["n=number:a", "t=text:t"]}),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_values_is_read_again_only_when_somebody_wrote_to_it(tmp_path, rows_read, name):
    file, content, options = TABLES[name]
    path = tmp_path / file
    path.write_text(content)
    before = manifest_of(path, **options)
    del rows_read[:]
    assert again(path, before, **options) is before
    assert rows_read == []
    path.write_text(content.replace("2", "5").replace("two", "six"))
    changed = again(path, before, **options)
    assert changed == manifest_of(path, **options) and changed != before
    os.utime(path, ns=(1, 1))
    assert again(path, changed, **options).digest == changed.digest
    assert len(rows_read) == 3


@pytest.mark.parametrize("options", [{}, {"values": ["p=path:path", "n=number:n"]}])
def test_a_table_that_names_files_is_gone_through_as_they_may_change_without_it(tmp_path, options):
    path, picture = tmp_path / "t.csv", tmp_path / "one.txt"
    path.write_text("path,n,label\none.txt,1,x\n")
    picture.write_bytes(b"one")
    before = manifest_of(path, **options)
    picture.write_bytes(b"other")
    assert again(path, before, **options).samples[0].digest != before.samples[0].digest


def test_a_table_that_lists_itself_and_others_is_one_that_names_files(tmp_path):
    path, other = tmp_path / "t.csv", tmp_path / "other.txt"
    path.write_text("path,label\nt.csv,x\nother.txt,y\n")
    other.write_bytes(b"one")
    before = manifest_of(path)
    other.write_bytes(b"other")
    assert again(path, before).samples[1].digest != before.samples[1].digest
