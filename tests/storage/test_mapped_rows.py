"""Rows that are read from the mapped shard are those that a checked chunk gives."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from rows_in_shards import ROWS, damage, path_in, view_of

from conftest import clean_environment
from headstart.errors import ShardDamaged
from headstart.storage import mapped_rows, row_reader, windows
from headstart.storage.encoding import Encoding
from headstart.storage.index import Index, IndexedShard, Segment
from headstart.storage.local_store import LocalReader, LocalStore
from headstart.storage.row_reader import RowReader
from headstart.storage.shards import format as shard_format
from headstart.storage.shards import own_memory
from headstart.storage.shards.shard import ShardFile


@pytest.fixture
def calls(monkeypatch):
    """How many reads were asked of the system."""
    seen = []
    for name in ("read_into", "read_each"):
        real = getattr(LocalReader, name)

        def read(self, *given, real=real):
            seen.append(given)
            return real(self, *given)

        monkeypatch.setattr(LocalReader, name, read)
    return seen


def drawn(rng):
    return rng.integers(0, ROWS, rng.integers(1, 300))


@pytest.mark.parametrize("shape", [(), (1,), (100,), (3, 2, 5)])
def test_any_rows_are_bit_for_bit_those_of_the_checked_chunks(store, calls, shape):
    view, plain = view_of(store, shape)
    rng = np.random.default_rng(2)
    first = drawn(rng)
    np.testing.assert_array_equal(view[first], plain[first])  # by way of chunks
    view.to_numpy()
    del calls[:]
    for _ in range(20):
        rows = drawn(rng)
        np.testing.assert_array_equal(view[rows], plain[rows])
    assert view[-1].tobytes() == plain[-1].tobytes()
    np.testing.assert_array_equal(view[100:700:7], plain[100:700:7])
    np.testing.assert_array_equal(view[np.arange(ROWS) % 3 == 0], plain[::3])
    np.testing.assert_array_equal(view[[3, -5, 3]], plain[[3, -5, 3]])
    assert view[[]].shape == (0, *shape)
    np.testing.assert_array_equal(view[np.array([3, -5, 3])], plain[[3, -5, 3]])
    for number in (ROWS, -ROWS - 1):
        with pytest.raises(IndexError):
            view[[number]]
        with pytest.raises(IndexError):
            view[np.array([number])]
    assert calls == []


def test_packed_rows_are_never_mapped(store):
    view, plain = view_of(store, (20,), Encoding("float32", "float32", "gzip"))
    np.testing.assert_array_equal(view.to_numpy(), plain)
    np.testing.assert_array_equal(view[[5, 700]], plain[[5, 700]])
    assert view._reader._mapped._known.buffers == {}


def test_all_is_let_go_after_many_rows_and_mapped_again(store, monkeypatch):
    monkeypatch.setattr(mapped_rows, "MOST", 1000)
    view, plain = view_of(store, (100,))
    view.to_numpy()
    for row in (5, 600, 5):
        np.testing.assert_array_equal(view[row], plain[row])
        assert view._reader._mapped._known.buffers == {}


@pytest.mark.parametrize("shuffle", [False, True])
def test_what_a_pass_maps_is_let_go(store, monkeypatch, shuffle):
    monkeypatch.setattr(row_reader, "FEW_BYTES", 0)
    monkeypatch.setattr(mapped_rows, "MOST", 0)
    view, plain = view_of(store, (100,))
    for _ in range(2):
        np.testing.assert_array_equal(view.to_numpy(), plain)
        np.testing.assert_array_equal(view[np.arange(0, ROWS, 9)], plain[::9])
        assert sum(len(rows) for rows, _ in view.batches(32, shuffle=shuffle)) == ROWS
    assert view._reader._mapped._known.buffers == {}


def test_a_second_pass_in_another_order_reads_its_chunks_again(store, monkeypatch, calls):
    monkeypatch.setattr(row_reader, "FEW_BYTES", 0)
    view, plain = view_of(store, (100,))
    chunks = sum(len(shard.layout.offsets) for shard in view._reader._shards)
    for _ in range(2):
        del calls[:]
        np.testing.assert_array_equal(view.to_numpy(), plain)
        assert len(calls) == chunks and view._reader._mapped._known.buffers == {}
    aside = np.zeros((ROWS, 200), np.float32)[:, ::2]
    view._reader.read(view._places, aside)  # which is no block of memory
    np.testing.assert_array_equal(aside, plain)


# What somebody did to a shard


def rows_of_shard(view, number=2):
    return np.flatnonzero(view._places.shard == number)


def test_a_chunk_that_was_not_read_yet_is_checked_before_a_row_of_it_is_mapped(store):
    view, _ = view_of(store, (100,))
    damage(path_in(view, store), view)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        view[rows_of_shard(view)]


@pytest.mark.parametrize("how", ["written", "replaced", "deleted", "cut", "emptied"])
def test_what_was_done_to_a_mapped_shard_is_noticed_at_the_next_read(store, how):
    view, plain = view_of(store, (100,))
    view.to_numpy()
    rows = rows_of_shard(view)[:50]
    np.testing.assert_array_equal(view[rows], plain[rows])
    path = path_in(view, store)
    if how == "written":
        damage(path, view)
    elif how == "replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        damage(other, view)
        other.replace(path)
    elif how == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:5000] if how == "cut" else b"")
    with pytest.raises(ShardDamaged):
        view[rows_of_shard(view)]
    elsewhere = rows_of_shard(view, 0)[:9]
    np.testing.assert_array_equal(view[elsewhere], plain[elsewhere])


def test_a_shard_that_is_another_when_it_is_mapped_is_not_served(store, monkeypatch):
    view, _ = view_of(store, (100,))
    view.to_numpy()
    path, real = path_in(view, store), LocalStore.mapped

    def mapped(self, name):
        if name == view._reader._shards[2].file.name:
            damage(path, view)
        return real(self, name)

    monkeypatch.setattr(LocalStore, "mapped", mapped)
    with pytest.raises(ShardDamaged):
        view[rows_of_shard(view)]


def test_a_shard_that_was_cut_before_it_is_mapped_is_not_mapped(store):
    view, plain = view_of(store, (100,))
    view.to_numpy()
    path = path_in(view, store)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ShardDamaged):
        view[rows_of_shard(view)]
    assert view._reader._mapped._known.buffers == {}
    rows = rows_of_shard(view, 0)[:9]
    np.testing.assert_array_equal(view[rows], plain[rows])


def test_of_two_threads_that_map_a_shard_the_first_counts():
    """What it maps stays: the other may be copying from there already."""
    known = mapped_rows.Mapped(np.array([0, 2, 3]), np.array([100, 300, 7]))
    first, second = (pa.py_buffer(bytes(1000)) for _ in range(2))
    known.add(0, first, tuple)
    known.add(0, second, lambda: (1,))
    assert known.buffers == {0: first} and known.looks == {0: tuple}
    np.testing.assert_array_equal(known.start, [first.address + 100, first.address + 300, 0])
    assert known.emptied().buffers == {} and not known.emptied().start.any()


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_second_pass_notices_what_was_written_meanwhile(store, monkeypatch, shuffle):
    monkeypatch.setattr(windows, "WINDOW_BYTES", 300 * 400)
    monkeypatch.setattr(row_reader, "CACHE_BYTES", 1)  # what is kept in memory stays right
    view, _ = view_of(store, (100,))
    for seed in range(2):
        assert sum(len(rows) for rows, _ in view.batches(32, shuffle=shuffle, seed=seed)) == ROWS
    damage(path_in(view, store), view)
    with pytest.raises(ShardDamaged):
        list(view.batches(32, shuffle=shuffle))


def test_rows_beyond_two_gibibytes_of_a_shard_are_their_own(store, tmp_path):
    """A sparse file: of each row the first numbers are written. Places have 32 bits, bytes more."""
    rows, width = 3000, (1 << 20) // 4
    name = "aa/bb/s.h5"
    path = store.path_of(name)
    path.parent.mkdir(parents=True)
    asked = [0, 2, 2047, 2048, 2999]
    plain = np.zeros((len(asked), width), np.float32)
    plain[:, :8] = np.array(asked, np.float32)[:, None] + 1
    hashes = np.zeros(rows, np.uint64)
    with path.open("wb") as file:
        file.truncate(rows << 20)
        for number, content in zip(asked, plain, strict=True):
            file.seek(number << 20)
            file.write(content[:8].tobytes())
            hashes[number] = xxhash.xxh3_64(content.tobytes()).intdigest()
    offsets = np.arange(rows, dtype=np.int64) << 20
    layout = shard_format.Layout(1, offsets, np.full(rows, 1 << 20, np.int64), hashes)
    digests = np.random.default_rng(0).integers(0, 256, (rows, 32), np.uint8)
    shard = IndexedShard(ShardFile(name, "k", rows, rows << 20, "0"), layout, store.stat_of(name))
    index = Index([Segment.build([shard], [digests])])
    reader = RowReader(store, index, Encoding("float32", "float32"), (width,))
    places = index.find_packed(digests[asked])
    assert places.row.dtype == np.int32
    for _ in range(3):  # checked by chunk, and then by themselves
        out = np.empty_like(plain)
        reader.read(places, out)
        np.testing.assert_array_equal(out, plain)


def test_what_is_written_while_it_is_copied_is_not_served(store, monkeypatch):
    view, plain = view_of(store, (100,))
    view.to_numpy()
    np.testing.assert_array_equal(view[[3, 500]], plain[[3, 500]])
    known = view._reader._mapped._known
    monkeypatch.setitem(known.looks, 0, lambda: (1, 2, 3, 4))
    monkeypatch.setitem(known.looks, 2, lambda: (1, 2, 3, 4))
    checked = []
    groups = RowReader._groups
    monkeypatch.setattr(
        RowReader,
        "_groups",
        lambda self, *given: checked.append(len(given[0])) or groups(self, *given),
    )
    np.testing.assert_array_equal(view[[3, 3]], plain[[3, 3]])
    assert checked == [2]


@pytest.fixture
def cut(monkeypatch):
    """Makes a file empty at the last moment before rows are copied from where it is mapped."""

    def set_up(path):
        real = own_memory.is_copied

        def is_copied(*given):
            os.truncate(path, 0)
            return real(*given)

        monkeypatch.setattr(mapped_rows, "is_copied", is_copied)

    return set_up


@pytest.mark.skipif(not own_memory.can_copy(), reason="nothing is mapped here")
def test_a_file_that_is_cut_under_a_view_is_damage_of_the_shard_it_names(store, cut):
    view, plain = view_of(store, (2000,))
    view.to_numpy()
    rows = rows_of_shard(view)[:200]
    np.testing.assert_array_equal(view[rows], plain[rows])
    cut(path_in(view, store))
    with pytest.raises(ShardDamaged, match=f"{path_in(view, store)} is damaged: a chunk of it is"):
        view[rows]


def test_where_the_system_copies_nothing_rows_are_read(store, monkeypatch, calls):
    monkeypatch.setattr(mapped_rows, "can_copy", lambda: False)
    monkeypatch.setattr(row_reader, "CALL_BYTES", 0)
    view, plain = view_of(store, (100,))
    view.to_numpy()
    del calls[:]
    np.testing.assert_array_equal(view[[3, 500]], plain[[3, 500]])
    assert len(calls) == 1 and view._reader._mapped._known.buffers == {}


def test_more_rows_than_a_call_takes_are_copied_and_narrow_ones_in_passes(store, calls):
    view, plain = view_of(store, ())
    view.to_numpy()
    for count in (own_memory.AT_ONCE + 5, row_reader.FEW_ROWS):
        rows = np.random.default_rng(0).integers(0, ROWS, count)
        del calls[:]
        np.testing.assert_array_equal(view[rows], plain[rows])
        assert calls == []
    rows = np.random.default_rng(0).integers(0, ROWS, row_reader.FEW_ROWS + 1)
    np.testing.assert_array_equal(view[rows], plain[rows])
    assert len(calls) > 0


CUT = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from rows_in_shards import path_in, view_of
from headstart.errors import ShardDamaged
from headstart.storage import mapped_rows, row_reader
from headstart.storage.local_store import LocalReader, LocalStore

store = LocalStore(Path(sys.argv[2]) / "features", Path(sys.argv[2]) / "locks")
view, _ = view_of(store, (100,))
view.to_numpy()
few = view[:9]
path, copy = path_in(view, store), mapped_rows.is_copied

def cut(*given):
    os.truncate(path, 0)
    return copy(*given)

mapped_rows.is_copied = cut
try:
    view[:9]
except ShardDamaged as error:
    print(error)
mapped_rows.is_copied = copy
row_reader.FEW_BYTES = 0
path, stat_of, read_into = path_in(view, store), LocalStore.stat_of, LocalReader.read_into

def looked(self, name):
    found = stat_of(self, name)
    if store.path_of(name) == path:
        os.truncate(path, 0)
    return found

def read(self, name, *given):
    if store.path_of(name) == path:
        os.truncate(path, 0)
    return read_into(self, name, *given)

LocalStore.stat_of, LocalReader.read_into = looked, read
try:
    view.to_numpy()
except ShardDamaged as error:
    print(error)
"""


def test_a_shard_that_is_cut_between_two_looks_is_damaged_and_the_process_lives(tmp_path):
    tests = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", CUT, tests, tmp_path],
        env=clean_environment(PYTHONPATH=str(tests)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is damaged: a chunk of it is not what was committed") == 2
