"""The contract of `ShardStore`, held against every implementation."""

import errno
import gc
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from memory_store import MemoryStore
from object_servers import GivenBucket

from headstart.config import create_config
from headstart.errors import ShardExists, StorageError, UnsafeName
from headstart.registry.database import Database
from headstart.registry.holds import SqlHolds
from headstart.registry.tables import metadata
from headstart.storage import files
from headstart.storage.local_store import LocalStore
from headstart.storage.locks import LifeSigns
from headstart.storage.objects.address import parse
from headstart.storage.objects.local_copies import LocalCopies
from headstart.storage.objects.object_store import ObjectStore
from headstart.storage.shard_store import ShardStore, watch
from headstart.storage.shards.names import in_set, new_token

KEY, OTHER = "ab" * 32, "cd" * 32
CONTENT = bytes(range(256)) * 40


@dataclass(frozen=True)
class Kind:
    """An implementation in a test.

    Attributes:
        store: the store.
        again: opens it as another part of the program would.
        full: while it lasts, the medium refuses what is written, half way.
        put: writes under a name past the contract.
        refused: what is said then.
        turns: how often threads take turns: a hold may cost a transaction.
    """

    store: ShardStore
    again: Callable[[], ShardStore]
    full: Callable[[], AbstractContextManager[None]]
    put: Callable[[str, bytes], object]
    refused: str = "no space is left to write"
    turns: int = 50


def local(tmp_path):
    folder = tmp_path / "deep" / "features"

    @contextmanager
    def full():
        def refuse(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files.os, "fsync", refuse)
            yield

    def opened():
        return LocalStore(folder, tmp_path / "deep" / "locks")

    return Kind(opened(), opened, full, lambda name, data: (folder / name).write_bytes(data))


def memory(tmp_path):
    store = MemoryStore(tmp_path / "cache")

    @contextmanager
    def full():
        store.capacity = 0
        yield
        store.capacity = None

    return Kind(store, lambda: store, full, store.put)


def objects(tmp_path, bucket):
    """An `ObjectStore`, its holds in a database."""
    database = Database(create_config(tmp_path / "zoo"))
    metadata.create_all(database.engine)

    def opened():
        holds = SqlHolds(database, LifeSigns(tmp_path / "locks"))
        copies = LocalCopies(tmp_path / "copies", 1 << 30)
        return ObjectStore(bucket, holds, copies, tmp_path / "indexes", remembered=0)

    @contextmanager
    def full():
        bucket.is_full = True
        yield
        bucket.is_full = False

    def put(name, content):
        bucket.put(f"features/{name}", content)

    return Kind(opened(), opened, full, put, "is not allowed to these credentials", turns=3)


def object_memory(tmp_path, request):
    from obstore.store import MemoryStore

    return objects(tmp_path, GivenBucket(MemoryStore()))


def object_folder(tmp_path, request):
    return objects(tmp_path, GivenBucket(None, parse(f"file://{tmp_path / 'bucket'}")))


def object_s3(tmp_path, request):
    return objects(tmp_path, GivenBucket(None, parse(request.getfixturevalue("own_bucket"))))


KINDS = {
    "LocalStore": lambda tmp_path, request: local(tmp_path),
    "MemoryStore": lambda tmp_path, request: memory(tmp_path),
    "ObjectStore-memory": object_memory,
    "ObjectStore-folder": object_folder,
    "ObjectStore-S3": object_s3,
}


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    return KINDS[request.param](tmp_path, request)


@pytest.fixture
def store(kind):
    return kind.store


def put(store, content=CONTENT, key=KEY):
    return store.create(key, memoryview(content), new_token()).name


def shards_of(store, key=KEY):
    return [entry.name for entry in store.entries(key) if entry.kind == "shard"]


# Creating


def test_what_was_created_is_there_under_its_set_its_hash_and_its_token(kind, store):
    name, sha256 = store.create(KEY, memoryview(CONTENT), "0123abcd")
    assert sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert name == f"ab/{KEY}/{sha256}-0123abcd.h5"
    for one in (store, kind.again()):
        assert one.read(name) == CONTENT
        assert one.stat_of(name) == store.stat_of(name) != ()
        assert one.stat_of(name)[0] == len(CONTENT)
        assert one.entries(KEY) == [(name, len(CONTENT), "shard")]
        assert one.entries() == one.entries(KEY)
        assert one.sets() == [KEY]
        assert not one.is_empty()
    assert store.entries(OTHER) == []
    assert name in store.place_of(name)
    assert store.place_of() in store.place_of(name)


def test_nothing_at_all_is_an_empty_store(store):
    assert store.is_empty()
    assert (store.sets(), store.entries(), store.entries(KEY)) == ([], [], [])
    store.tidy(KEY)
    free = store.free_bytes()
    assert free is None or free > 0


def test_the_content_may_change_once_it_was_created(store):
    buffer = bytearray(CONTENT)
    name = store.create(KEY, memoryview(buffer), new_token()).name
    buffer[:] = bytes(len(buffer))
    assert store.read(name) == CONTENT


def test_a_second_shard_of_the_same_name_is_refused_and_changes_nothing(kind, store):
    name = store.create(KEY, memoryview(CONTENT), "0123abcd").name
    before = store.stat_of(name)
    for one in (store, kind.again()):
        with pytest.raises(ShardExists, match="is there already"):
            one.create(KEY, memoryview(CONTENT), "0123abcd")
    assert (store.stat_of(name), store.read(name)) == (before, CONTENT)
    assert store.entries(KEY) == [(name, len(CONTENT), "shard")]


def test_of_many_that_create_one_name_at_once_one_succeeds(kind):
    start = threading.Barrier(8)

    def create(_number):
        store = kind.again()
        start.wait()
        try:
            return store.create(KEY, memoryview(CONTENT), "0123abcd").name
        except ShardExists:
            return None

    for round_ in range(5):
        with ThreadPoolExecutor(8) as pool:
            (name,) = [found for found in pool.map(create, range(8)) if found]
        assert kind.store.read(name) == CONTENT
        assert kind.store.entries(KEY) == [(name, len(CONTENT), "shard")], round_
        kind.store.delete(name)


def test_two_that_write_the_same_rows_write_two_shards(kind, store):
    one, other = put(store), put(kind.again())
    assert shards_of(store) == sorted([one, other])
    store.delete(one)
    assert store.read(other) == CONTENT


def test_what_could_not_be_written_is_not_there_and_may_be_tried_again(kind, store):
    kept = put(store, b"kept")
    with kind.full(), pytest.raises(StorageError, match=kind.refused):
        store.create(KEY, memoryview(CONTENT), "0123abcd")
    assert shards_of(store) == [kept]
    assert store.read(kept) == b"kept"
    name = put(store)
    assert store.read(name) == CONTENT


def test_whoever_looks_sees_all_of_a_shard_or_none(kind):
    """A writer creates and deletes, while others list and read."""
    contents = [bytes([number]) * 300_000 for number in range(30)]
    is_done = threading.Event()

    def write():
        store = kind.again()
        for content in contents:
            name = put(store, content)
            if content[0] % 3:
                store.delete(name)
        is_done.set()

    def look():
        store, seen = kind.again(), 0
        while not is_done.is_set() or not seen:
            for name in shards_of(store):
                try:
                    content = store.read(name)
                except FileNotFoundError:
                    continue
                assert hashlib.sha256(content).hexdigest() in name
                seen += 1
        return seen

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(write), pool.submit(look), pool.submit(look)]
        assert all(job.result(timeout=240) for job in jobs[1:])
    assert len(shards_of(kind.store)) == 10


# Reading


def test_ranges_go_straight_into_memory(store):
    one, other = put(store), put(store, CONTENT[::-1])
    with store.reader() as reader:
        for name, content in ((one, CONTENT), (other, CONTENT[::-1]), (one, CONTENT)):
            first, second = bytearray(100), bytearray(7)
            assert reader.read_into(name, 1000, [memoryview(first), memoryview(second)]) == 107
            assert first + second == content[1000:1107]
        short = bytearray(100)
        assert reader.read_into(one, len(CONTENT) - 30, [memoryview(short)]) == 30
        assert short == CONTENT[-30:] + bytes(70)
        assert reader.read_into(one, len(CONTENT) + 5, [memoryview(short)]) == 0


def test_many_ranges_of_a_shard_are_read_each_from_its_own_place(store):
    name, offsets = put(store), [1000, 3, 2000, 3]
    parts = [bytearray(size) for size in (10, 1, 30, 5)]
    with store.reader() as reader:
        assert reader.read_each(name, offsets, [memoryview(part) for part in parts]) == 46
        for offset, part in zip(offsets, parts, strict=True):
            assert part == CONTENT[offset : offset + len(part)]
        short = [bytearray(4), bytearray(4)]
        places = [0, len(CONTENT) - 1]
        assert reader.read_each(name, places, [memoryview(part) for part in short]) == 5


def test_threads_read_at_once_each_with_a_reader_of_its_own(store):
    names = {put(store, bytes([number]) * 100_000): number for number in range(6)}

    def read(name):
        with store.reader() as reader:
            for offset in range(0, 100_000, 9_999):
                part = bytearray(1)
                assert reader.read_into(name, offset, [memoryview(part)]) == 1
                assert part[0] == names[name]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(read, [*names] * 5))


def test_what_is_missing_is_said_to_be_missing(store):
    name = in_set(KEY, "0" * 64 + "-0123abcd.h5")
    assert store.stat_of(name) == ()
    with pytest.raises(FileNotFoundError):
        store.read(name)
    with store.reader() as reader, pytest.raises(FileNotFoundError):
        reader.read_into(name, 0, [memoryview(bytearray(1))])


def test_a_mark_changes_when_somebody_writes(kind, store):
    name = put(store)
    before = store.stat_of(name)
    assert all(type(number) is int for number in before)
    kind.put(name, CONTENT[::-1])
    assert store.stat_of(name) != before
    assert store.stat_of(name) == kind.again().stat_of(name)


def test_who_watches_a_shard_sees_its_mark_and_that_it_changes(kind, store):
    name, deleted = put(store), put(store, b"other")
    looks = watch(store, name), watch(store, deleted)
    before = [look() for look in looks]
    assert before == [store.stat_of(name), store.stat_of(deleted)]
    kind.put(name, CONTENT[::-1])
    store.delete(deleted)
    assert all(look() != mark for look, mark in zip(looks, before, strict=True))


# Deleting


def test_deleting_may_be_repeated(store):
    one, other = put(store), put(store, b"other")
    for _ in range(2):
        store.delete(one)
        assert shards_of(store) == [other]
    assert store.stat_of(one) == ()
    assert store.read(other) == b"other"


def test_a_read_that_is_under_way_when_its_shard_is_deleted_never_gives_other_bytes(kind, store):
    name = put(store)
    with store.reader() as reader:
        part = bytearray(100)
        reader.read_into(name, 0, [memoryview(part)])
        kind.again().delete(name)
        put(store, CONTENT[::-1])
        try:
            assert reader.read_into(name, 100, [memoryview(part)]) == 100
            assert part == CONTENT[100:200]
        except FileNotFoundError:
            pass
    with store.reader() as reader, pytest.raises(FileNotFoundError):
        reader.read_into(name, 0, [memoryview(part)])


def test_a_set_without_anything_leaves_nothing_behind(store):
    names = [put(store), put(store, b"other")]
    elsewhere = put(store, key=OTHER)
    folder = store.index_folder(KEY)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.index").write_bytes(b"rows")
    store.delete(names[0])
    store.tidy(KEY)  # it is not empty yet
    assert store.read(names[1]) == b"other"
    assert (folder / "base.index").exists()
    for entry in store.entries(KEY):
        store.delete(entry.name)
    store.tidy(KEY)
    store.tidy(KEY)
    assert not folder.exists()
    assert store.sets() == [OTHER]
    assert store.read(elsewhere) == CONTENT


def test_the_index_of_each_set_has_a_folder_of_its_own(kind, store):
    assert store.index_folder(KEY) != store.index_folder(OTHER)
    assert store.index_folder(KEY) == kind.again().index_folder(KEY)


# Names


@pytest.mark.parametrize(
    "name", ["", "..", "../x", "/etc/passwd", f"ab/{KEY}/..", "ab/../x", "a\0"]
)
def test_a_name_that_leads_elsewhere_is_refused(store, name):
    for call in (store.read, store.stat_of, store.delete):
        with pytest.raises(UnsafeName):
            call(name)
    with store.reader() as reader, pytest.raises(UnsafeName):
        reader.read_into(name, 0, [memoryview(bytearray(1))])


def test_a_set_that_is_none_is_refused(store):
    for call in (store.entries, store.tidy, store.index_folder):
        with pytest.raises(UnsafeName):
            call("../" * 20 + "abcd")
    with pytest.raises(UnsafeName):
        store.create("../" * 20 + "abcd", memoryview(CONTENT), new_token())
    assert store.entries() == []


# Holds


def is_free(store, key=KEY):
    with store.alone(key) as lock:
        return lock.is_held


def test_what_is_held_nobody_has_alone(kind, store):
    hold = store.hold(KEY, OTHER)
    with kind.again().hold(KEY):
        assert not is_free(kind.again())
    assert not is_free(store)  # the first still has it
    assert not is_free(store, OTHER)
    assert is_free(store, "ef" * 32)
    hold.release()
    hold.release()
    assert is_free(store)
    assert is_free(store, OTHER)


def test_a_hold_ends_with_its_object(store):
    hold = store.hold(KEY)
    assert not is_free(store)
    del hold
    gc.collect()
    assert is_free(store)


def test_two_are_not_alone_together(kind, store):
    with store.alone(KEY) as first, kind.again().alone(KEY) as second:
        assert (first.is_held, second.is_held) == (True, False)
        assert is_free(store, OTHER)
    assert is_free(store)


def test_holds_reach_across_threads(kind):
    """Threads that hold, and one that wants to be alone: never both."""
    inside, seen = [], []

    def hold():
        store = kind.again()
        for _ in range(kind.turns):
            with store.hold(KEY):
                inside.append(1)
                inside.pop()

    def be_alone():
        store = kind.again()
        for _ in range(4 * kind.turns):
            with store.alone(KEY) as lock:
                if lock.is_held:
                    seen.append(len(inside))

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(job) for job in (hold, hold, hold, be_alone)]
        for job in jobs:
            job.result(timeout=240)
    assert set(seen) <= {0}
    assert is_free(kind.store)


def test_a_hold_waits_for_whoever_is_alone_and_for_nobody_else(kind, store):
    got = threading.Event()

    def hold():
        with kind.again().hold(KEY):
            got.set()

    with store.hold(OTHER), store.alone(KEY) as lock:
        assert lock.is_held
        waiting = threading.Thread(target=hold)
        waiting.start()
        assert not got.wait(0.2)
    assert got.wait(120)
    waiting.join()


# What local files add


def test_what_lies_beside_shards_is_told_apart(tmp_path):
    kind = local(tmp_path)
    name = put(kind.store)
    folder = kind.store.path_of(name).parent
    for last in (".new.h5.0123.partial", "base.index", "nötes.txt"):
        (folder / last).write_bytes(b"12345")
    found = {entry.name.rpartition("/")[2]: entry[1:] for entry in kind.store.entries(KEY)}
    assert found.pop(name.rpartition("/")[2]) == (len(CONTENT), "shard")
    assert found == {
        ".new.h5.0123.partial": (5, "unfinished"),
        "base.index": (5, "other"),
        "nötes.txt": (5, "other"),
    }
    for entry in kind.store.entries(KEY):
        kind.store.delete(entry.name)
    assert list(folder.iterdir()) == []


def test_folders_that_are_no_sets_are_none_and_their_shards_are_listed(tmp_path):
    kind = local(tmp_path)
    name = put(kind.store)
    folder = kind.store.path_of(name).parent
    for other in ("notes", "ff" * 32):  # not a key; not where a set of that key lies
        folder.with_name(other).mkdir()
    (folder.with_name("ff" * 32) / "x.h5").write_bytes(b"1")
    assert kind.store.sets() == [KEY]
    assert [entry.name for entry in kind.store.entries()] == [name, f"ab/{'ff' * 32}/x.h5"]


def test_what_cannot_be_deleted_is_an_error_that_names_it(tmp_path, monkeypatch):
    kind = local(tmp_path)
    name = put(kind.store)

    def refuse(path, missing_ok=False):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(StorageError, match=rf"cannot delete .*{name}: Permission denied"):
        kind.store.delete(name)
    assert kind.store.read(name) == CONTENT
