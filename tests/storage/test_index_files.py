"""The index's files are a cache: right, made anew, or not there; never wrong."""

import os
import threading

import numpy as np
import pytest

from headstart.storage import index_files
from headstart.storage.index import ABSENT, as_words
from headstart.storage.index_files import BASE, RECENT, load_segment, open_index
from headstart.storage.keys import digest_of_bytes, pack_digests
from headstart.storage.shards.shard import check_shard, write_shard

KEY = "ab" * 32


def digests_of(start, rows):
    return [digest_of_bytes(str(n).encode()) for n in range(start, start + rows)]


@pytest.fixture
def write(store):
    """Writes rows `start` and following as a shard."""

    def call(start, rows):
        features = np.arange(start, start + rows, dtype=np.float32)[:, None].repeat(3, axis=1)
        return write_shard(store, KEY, digests_of(start, rows), features, {}).file

    return call


@pytest.fixture
def checked(monkeypatch):
    """The shards that are read as a whole."""
    seen = []

    def check(store, file):
        seen.append(file)
        return check_shard(store, file)

    monkeypatch.setattr(index_files, "check_shard", check)
    return seen


@pytest.fixture
def folder(tmp_path):
    return tmp_path / KEY[:2] / KEY


def rows_of(index, start, rows):
    places = index.find(digests_of(start, rows))
    return places.present.all(), places.row.tolist()


def test_shards_are_read_once_then_the_index_comes_from_its_file(write, folder, checked, store):
    files = [write(0, 100), write(100, 50)]
    index, damaged = open_index(store, KEY, files)
    assert (len(index), damaged, len(checked)) == (150, [], 2)
    again, _ = open_index(store, KEY, files)
    assert len(checked) == 2
    assert rows_of(again, 100, 50) == (True, list(range(50)))
    assert not again.find(digests_of(150, 5)).present.any()
    assert again.segments[0].mapping is not None


def test_later_shards_lie_in_the_recent_file_until_they_are_many(write, folder, checked, store):
    files = [write(0, 800)]
    open_index(store, KEY, files)
    base = (folder / BASE).read_bytes()
    files.append(write(800, 50))
    open_index(store, KEY, files)
    assert (folder / BASE).read_bytes() == base
    assert (folder / RECENT).exists()
    files.append(write(850, 100))
    index, _ = open_index(store, KEY, files)
    assert not (folder / RECENT).exists()
    assert len(checked) == 3  # each once
    assert rows_of(index, 0, 950)[0]
    assert len(load_segment(folder / BASE)) == 950


def test_shards_that_the_database_no_longer_has_are_not_served(write, folder, checked, store):
    files = [write(0, 100), write(100, 100), write(200, 100)]
    open_index(store, KEY, files)
    index, _ = open_index(store, KEY, [files[0], files[2]])
    assert not index.find(digests_of(100, 100)).present.any()
    assert rows_of(index, 200, 100)[0]
    index, _ = open_index(store, KEY, [files[2]])
    assert len(index) == 100
    assert len(checked) == 3
    index, _ = open_index(store, KEY, [])
    assert len(index) == 0


def test_a_shard_in_both_files_counts_once(write, folder, store):
    files = [write(0, 800)]
    open_index(store, KEY, files)
    files.append(write(800, 50))
    open_index(store, KEY, files)
    kept = (folder / RECENT).read_bytes()
    files.append(write(850, 100))
    open_index(store, KEY, files)
    (folder / RECENT).write_bytes(kept)  # as a crash between the two files leaves it
    index, _ = open_index(store, KEY, files)
    assert len(index) == 950
    assert rows_of(index, 800, 150)[0]


def test_a_file_whose_times_changed_is_hashed_again(write, folder, checked, store):
    files = [write(0, 10), write(10, 10)]
    open_index(store, KEY, files)
    os.utime(store.path_of(files[0].name))
    assert open_index(store, KEY, files)[1] == []
    assert checked[2:] == [files[0]]
    assert open_index(store, KEY, files)[1] == []
    assert len(checked) == 3
    content = bytearray(store.path_of(files[1].name).read_bytes())
    content[-1] ^= 1
    store.path_of(files[1].name).write_bytes(content)
    index, damaged = open_index(store, KEY, files)
    assert damaged == [files[1]]
    assert not index.find(digests_of(10, 10)).present.any()


def test_a_damaged_index_file_is_made_anew(write, folder, checked, store):
    files = [write(0, 40)]
    open_index(store, KEY, files)
    path, good = folder / BASE, (folder / BASE).read_bytes()
    for offset in range(len(good)):
        content = bytearray(good)
        content[offset] ^= 0x40
        path.write_bytes(content)
        assert load_segment(path) is None, offset
    for length in range(0, len(good), 13):
        path.write_bytes(good[:length])
        assert load_segment(path) is None, length
    index, _ = open_index(store, KEY, files)
    assert rows_of(index, 0, 40)[0]
    assert load_segment(path) is not None


def test_where_nothing_can_be_written_the_index_is_in_memory(write, folder, monkeypatch, store):
    files = [write(0, 40)]

    def refuse(path):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(index_files, "written_aside", refuse)
    index, damaged = open_index(store, KEY, files)
    assert rows_of(index, 0, 40)[0]
    assert damaged == []
    assert not (folder / BASE).exists()


def test_the_index_takes_less_than_40_bytes_a_row(write, folder, store):
    open_index(store, KEY, [write(0, 50_000)])
    assert (folder / BASE).stat().st_size < 40 * 50_000


def test_an_index_file_that_is_replaced_while_it_is_opened_is_mapped_as_it_was_checked(
    write, folder, monkeypatch, store
):
    """Another process may write the same file at any moment; found by four extracting at once."""
    files = [write(0, 100), write(100, 100)]
    open_index(store, KEY, files)
    larger = (folder / BASE).read_bytes()
    open_index(store, KEY, files[:1])
    real = index_files.json.loads

    def replaced(text):
        (folder / "new").write_bytes(larger)
        (folder / "new").replace(folder / BASE)
        return real(text)

    monkeypatch.setattr(index_files.json, "loads", replaced)
    segment = load_segment(folder / BASE)
    assert len(segment) == 100
    wanted = as_words(pack_digests(digests_of(0, 100)))
    assert (segment.find(wanted[np.argsort(wanted[:, 0])])[0] != ABSENT).all()


@pytest.mark.parametrize("is_known", [False, True])
def test_shards_are_read_several_at_once_whether_the_index_knew_them_or_not(
    write, folder, monkeypatch, store, is_known
):
    files = [write(20 * number, 20) for number in range(6)]
    if is_known:
        open_index(store, KEY, files)
        for file in files:
            os.utime(store.path_of(file.name))
    both = threading.Barrier(2, timeout=60)

    def check(store, file):
        both.wait()
        return check_shard(store, file)

    monkeypatch.setattr(index_files, "check_shard", check)
    index, damaged = open_index(store, KEY, files)
    assert (rows_of(index, 0, 120)[0], damaged) == (True, [])
    monkeypatch.setattr(index_files, "check_shard", lambda *_: pytest.fail("read again"))
    assert rows_of(open_index(store, KEY, files)[0], 0, 120)[0]
