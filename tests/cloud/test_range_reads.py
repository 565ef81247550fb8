"""Reading rows from afar: what is fetched, what is kept, and what is not believed."""

import hashlib
import os

import numpy as np
import pytest
from meddling_proxy import FLIP, LOSE

from headstart.errors import ShardDamaged
from headstart.storage.encoding import Encoding
from headstart.storage.index import Places
from headstart.storage.index_files import open_index
from headstart.storage.objects.local_copies import LocalCopies
from headstart.storage.objects.outlay import REQUEST, Outlay
from headstart.storage.row_reader import RowReader
from headstart.storage.shards.shard import write_shard

KEY = "ab" * 32
ROWS, WIDTH = 1200, 1024
"""Rows of 4 KiB, in chunks of 128."""


@pytest.fixture
def written(open_store):
    """Three shards of 1,200 rows, 4.7 MiB each, written by another machine."""
    rng = np.random.default_rng(0)
    files, rows = [], []
    for _ in range(3):
        digests = [rng.bytes(32).hex() for _ in range(ROWS)]
        rows.append(rng.normal(size=(ROWS, WIDTH)).astype(np.float32))
        files.append(write_shard(open_store("writer"), KEY, digests, rows[-1], {}).file)
    return files, np.stack(rows)


class Reading:
    """A reader with an index, as a process has it that opened a view; copies are gone again."""

    def __init__(self, store, written, proxy):
        files, self.rows = written
        index, damaged = open_index(store, KEY, files)
        assert damaged == []
        self.files = files
        self.order = [files.index(shard.file) for shard in index.shards]
        self.store, self.reader = (
            store,
            RowReader(
                store, index, Encoding.choose("float32", None, None), (WIDTH,), self.on_damage
            ),
        )
        self.size = files[0].size
        self.damaged = []
        self.forget()
        self.proxy = proxy
        proxy.given = 0
        proxy.seen.clear()

    def forget(self):
        """No copy is here any more."""
        for file in self.files:
            self.store.distrust(file.name)
        self.reader._cache.clear()

    def on_damage(self, file):
        self.damaged.append(file)

    def read(self, shard, row):
        """Reads rows, compares them, and gives the bytes that came for them."""
        before = self.proxy.given
        shard, row = np.asarray(shard), np.asarray(row)
        out = np.empty((len(row), WIDTH), np.float32)
        self.reader.read(Places(shard, row), out)
        expected = self.rows[np.array(self.order)[shard], row]
        np.testing.assert_array_equal(out, expected)
        return self.proxy.given - before

    def all_places(self):
        return np.repeat(np.arange(3), ROWS), np.tile(np.arange(ROWS), 3)


@pytest.fixture
def reading(open_store, written, proxy):
    return lambda **more: Reading(open_store("reader", **more), written, proxy)


def test_a_few_rows_cost_their_chunks_and_no_more(reading):
    one = reading()
    assert one.read([0, 1, 1], [5, 700, 701]) <= 3 * (600 << 10)
    assert one.read([0], [6]) == 0  # its chunk is known


def test_a_pass_fetches_each_shard_once_and_a_second_one_nothing(reading):
    one = reading()
    places = Places(*one.all_places())
    one.reader.expect(places)
    total = one.read(places.shard, places.row)
    assert 3 * one.size <= total <= 1.01 * 3 * one.size
    one.reader.expect(places)
    assert one.read(places.shard, places.row) == 0
    assert one.read([2, 0], [77, 1100]) == 0
    one.forget()
    assert one.read([2, 0], [78, 1101]) <= 2 * (600 << 10)


def test_windows_of_a_pass_fetch_no_shard_twice(reading):
    """Each window asks for a part of each shard; said beforehand, all of it comes once."""
    one = reading()
    shard, row = one.all_places()
    mixed = np.random.default_rng(1).permutation(len(row))
    one.reader.expect(Places(shard, row))
    total = sum(one.read(shard[part], row[part]) for part in np.array_split(mixed, 12))
    assert total <= 1.01 * 3 * one.size


def test_where_not_all_can_be_kept_a_pass_rents_and_keeps_nothing(reading, tmp_path):
    one = reading(quota=8 << 20)
    shard, row = one.all_places()
    one.reader.expect(Places(shard, row))
    total = sum(one.read(shard[part], row[part]) for part in np.array_split(np.arange(3600), 9))
    assert 3 * ROWS * WIDTH * 4 <= total <= 1.15 * 3 * one.size
    assert [path for path in (tmp_path / "reader" / "copies").rglob("*") if path.is_file()] == []


def test_whoever_does_not_say_pays_twice_at_most(reading):
    one = reading()
    rng = np.random.default_rng(2)
    total = 0
    for _ in range(60):
        one.reader._cache.clear()
        total += one.read([0], [rng.integers(ROWS)])
    assert one.size < total <= 2.2 * one.size
    assert one.read([0], [3]) == 0


def test_the_rule():
    outlay = Outlay(quota=100 * REQUEST)
    size = 10 * REQUEST
    assert [outlay.is_whole("a", [REQUEST], size) for _ in range(6)] == [False] * 4 + [True] * 2
    outlay.fetched("a")
    assert not outlay.is_whole("a", [REQUEST], size)
    outlay.expect([("b", 6 * REQUEST, size), ("c", 4 * REQUEST, size)])
    assert outlay.is_whole("b", [1], size)
    assert not outlay.is_whole("c", [1], size)
    outlay.expect([("d", 200 * REQUEST, 200 * REQUEST)])
    assert not outlay.is_whole("d", [200 * REQUEST], 200 * REQUEST)
    outlay.used("b", 2 * REQUEST)
    assert outlay.is_whole("b", [1], size)
    outlay.used("b", 4 * REQUEST)
    assert not outlay.is_whole("b", [1], size)  # the pass is over


def test_copies_that_were_used_longest_ago_make_room(tmp_path):
    copies = LocalCopies(tmp_path / "copies", 1000)
    names = [f"{number:064x}" for number in range(4)]
    for name in names[:3]:
        assert copies.keep(name, memoryview(bytes(300))) is not None
    assert copies.find(names[0], 300) is not None  # used just now
    assert copies.keep(names[3], memoryview(bytes(300))) is not None
    assert [copies.find(name, 300) is not None for name in names] == [True, False, True, True]
    assert copies.keep("f" * 64, memoryview(bytes(1001))) is None
    assert copies.find(names[0], 299) is None  # it is not what was kept
    assert copies.find(names[0], 300) is None


def test_two_processes_fill_one_folder_of_copies(tmp_path):
    """What the other one put there is neither written again nor taken for one that was spoilt."""
    one, other = LocalCopies(tmp_path / "copies", 1000), LocalCopies(tmp_path / "copies", 1000)
    content = bytes(range(250))
    sha256 = hashlib.sha256(content).hexdigest()
    path = one.keep(sha256, memoryview(content))
    inode = path.stat().st_ino
    assert other.keep(sha256, memoryview(content)) == path
    assert path.stat().st_ino == inode
    assert one.is_intact(sha256) and other.is_intact(sha256)
    with path.open("rb"):  # as one that is mapped: its inode is not given again
        other.forget(sha256)
        other.keep(sha256, memoryview(content))
    assert one.spoilings(sha256) == 0 and not one.is_intact(sha256)
    assert one.find(sha256, hashed=True) == path and one.is_intact(sha256)
    for copies in (one, other, one):
        assert copies.find(sha256) == path  # a use is no spoiling
    assert one.is_intact(sha256) and other.is_intact(sha256)
    path.write_bytes(content[::-1])
    assert one.spoilings(sha256) == other.spoilings(sha256) == 1
    assert other.keep(sha256, memoryview(content)) == path
    assert path.read_bytes() == content


def test_a_copy_that_is_spoilt_again_has_another_mark_again(reading, tmp_path):
    """Whoever opened a view since the first time is to notice the second."""
    one = reading()
    name, marks = one.files[0].name, []
    for _ in range(3):
        one.store.fetch(name)
        marks.append(one.store.stat_of(name))
        assert one.store.stat_of(name) == marks[-1]
        path = one.store.local_copy(name)
        path.write_bytes(bytes(path.stat().st_size))
    assert len(set(marks)) == 3


def test_no_copy_is_kept_on_a_disk_that_is_nearly_full(tmp_path, monkeypatch):
    monkeypatch.setattr("headstart.storage.objects.local_copies.free_bytes", lambda _: 1 << 20)
    copies = LocalCopies(tmp_path / "copies", 1 << 30)
    assert copies.keep("a" * 64, memoryview(b"1")) is None


def test_where_no_copy_can_be_kept_ranges_are_read(reading, monkeypatch):
    monkeypatch.setattr("headstart.storage.objects.local_copies.free_bytes", lambda _: 1 << 20)
    one = reading()
    places = Places(*one.all_places())
    for _ in range(2):
        one.reader.expect(places)
        total = one.read(places.shard, places.row)
        assert 3 * ROWS * WIDTH * 4 <= total <= 1.15 * 3 * one.size


# What is not believed


def test_a_flipped_byte_of_a_range_is_asked_for_again(reading, proxy):
    one = reading()
    proxy.once(FLIP, "GET")
    one.read([0], [5])
    assert one.damaged == []
    assert [seen.meddled for seen in proxy.of("GET")] == [FLIP, None]


def test_a_flipped_byte_of_a_whole_shard_is_asked_for_again(reading, proxy):
    one = reading()
    places = Places(*one.all_places())
    one.reader.expect(places)
    proxy.once(FLIP, "GET", times=2)
    one.read(places.shard, places.row)
    assert one.damaged == []
    assert len(proxy.of("GET")) == 5


def test_an_answer_that_breaks_off_is_asked_for_again(reading, proxy):
    one = reading()
    proxy.once(LOSE, "GET", times=2)
    one.read([0, 1], [5, 6])
    assert one.damaged == []


def test_what_is_flipped_each_time_is_damaged(reading, proxy):
    one = reading()
    proxy.meddle = lambda seen: FLIP if seen.method == "GET" else None
    with pytest.raises(ShardDamaged, match="a chunk of it is not what was committed"):
        one.read([0], [5])
    assert len(one.damaged) == 1


@pytest.mark.parametrize("keeps_times", [False, True])
def test_a_copy_here_that_somebody_wrote_to_is_given_up(reading, tmp_path, keeps_times):
    """Also one that is mapped, of which all chunks were found right before."""
    one = reading()
    places = Places(*one.all_places())
    one.reader.expect(places)
    one.read(places.shard, places.row)
    assert one.read([0, 1, 2], [7, 8, 9]) == 0
    for path in (tmp_path / "reader" / "copies").rglob("*"):
        if path.is_file():
            before = path.stat()
            path.write_bytes(bytes(before.st_size))
            if keeps_times:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    one.reader._cache.clear()
    taken = one.reader.take(Places(np.array([0, 1, 2]), np.array([7, 8, 9])))
    np.testing.assert_array_equal(taken, one.rows[np.array(one.order), [7, 8, 9]])
    one.read([0, 1, 2], [7, 8, 9])
    one.read([0, 1, 2], [7, 8, 9])
    one.read(places.shard, places.row)
    assert one.damaged == []


def test_an_overwritten_object_is_damaged_and_not_served(reading, bucket, written):
    one = reading(remembered=0)
    one.read([0], [5])
    name = written[0][one.order[0]].name
    bucket.put(f"features/{name}", bytes(one.size))
    one.reader._cache.clear()
    with pytest.raises(ShardDamaged):
        one.read([0], [5])


@pytest.mark.parametrize("remembered", [0, 30])
def test_an_object_that_somebody_deleted_is_damaged(reading, bucket, written, remembered):
    one = reading(remembered=remembered)
    bucket.delete([f"features/{file.name}" for file in written[0]])
    with pytest.raises(ShardDamaged):
        one.read([0], [5])
