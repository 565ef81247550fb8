"""Several machines with one bucket and one database: what one holds, no other collects."""

import hashlib
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest

from headstart.config import Config, create_config
from headstart.context import Context
from headstart.errors import FeaturesMissing, LeaseLost, RegistryError, ShardDamaged, StorageError
from headstart.extractors.cache.feature_cache import Rows
from headstart.extractors.cache.gc import Choice
from headstart.jobs.features.compact import compact
from headstart.jobs.features.gc import collect, find_garbage
from headstart.registry import tables as t
from headstart.registry.database import Database
from headstart.registry.entities import FeatureSet
from headstart.storage.objects.address import parse
from headstart.storage.objects.bucket import Bucket
from headstart.storage.objects.probe import claim
from headstart.storage.samples import Sample

KEY, WIDTH = "ab" * 32, 64
SET = FeatureSet(
    key=KEY,
    cut="features",
    cut_fingerprint="1" * 64,
    trunk_fingerprint="2" * 64,
    preprocessing={"steps": []},
    preprocessing_fingerprint="3" * 64,
    precision="float32",
    view=0,
    shape=(WIDTH,),
    dtype="float32",
    backbone="net",
)


def digest_of(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def own_digests(seed, rows):
    """Of samples that nobody else has."""
    return [digest_of(f"{seed}/{number}") for number in range(rows)]


def row_of(number):
    return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)


def rows_of(numbers):
    return np.stack([row_of(number) for number in numbers])


def samples_of(numbers):
    return [Sample(str(n), digest_of(n), None, "train", f"/none/{n}", ()) for n in numbers]


@dataclass
class Machine:
    """A folder of its own, with the database and the bucket of all."""

    context: Context

    def __post_init__(self):
        self.cache = self.context.cache()
        self.set = self.context.feature_sets.ensure_set(SET)

    def commit(self, numbers):
        digests = [digest_of(number) for number in numbers]
        self.cache.commit([Rows(self.set, digests, rows_of(numbers))], "none", {})

    def view(self, numbers):
        """The rows of those that have some; gives their numbers too."""
        at, view = self.context.cache().open_present(KEY, samples_of(numbers))
        return [numbers[place] for place in at], view

    def names(self):
        return [entry.name for entry in self.context.shard_store.entries(KEY)]

    def collect(self, choice=None):
        return collect(self.context, find_garbage(self.context, choice))


def eventually(look):
    """What it gives: a view that is garbage is given back by a thread."""
    deadline = time.monotonic() + 120
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@pytest.fixture
def machine(tmp_path, own_bucket, request):
    """Makes machines, whose database is SQLite; that of `own_database` where it was asked for."""
    made = []
    plain = create_config(tmp_path / "zoo")

    def make(name, url=None, store=own_bucket):
        address = url or f"sqlite:///{plain.root / 'headstart.db'}"
        root = tmp_path / name
        root.mkdir(exist_ok=True)
        config = Config(root, address, plain.id, store)
        if not made:
            database = Database(config)
            t.metadata.create_all(database.engine)
            database.close()
            claim(Bucket(parse(store), makes=True), str(plain.id))
        made.append(Machine(Context(config)))
        return made[-1]

    yield make
    for one in made:
        one.context.database.close()


def test_gc_of_one_machine_leaves_what_another_reads(machine):
    one, other = machine("one"), machine("other")
    one.commit(range(0, 10))
    one.commit(range(10, 20))
    numbers, view = other.view(range(20))
    before = one.names()
    assert compact(one.context).after == 1
    assert one.collect() == []
    assert set(before) < set(one.names())
    np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))
    del view
    assert len(eventually(one.collect)) == 2
    assert len(one.names()) == 1
    numbers, view = other.view(range(20))
    np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))


def test_a_writer_that_was_stopped_for_longer_than_its_hold_commits_nothing(machine, monkeypatch):
    """Its shard was put, and had no row when another machine collected what has none."""
    one, other = machine("one"), machine("other")
    one.commit(range(10))
    commit_shards = one.context.feature_sets.commit_shards

    def stopped(shards, **more):
        with one.context.database.writing() as connection:  # an hour passes for it
            holds = t.holds.c
            connection.execute(t.holds.update().values(expires_at=holds.expires_at - 3600))
        assert len(other.collect()) == 1
        return commit_shards(shards, **more)

    monkeypatch.setattr(one.context.feature_sets, "commit_shards", stopped)
    with pytest.raises(LeaseLost, match="what this process held ran out"):
        one.commit(range(10, 20))
    monkeypatch.undo()
    assert len(other.names()) == len(one.context.feature_sets.find_all_shards()) == 1
    one.commit(range(10, 20))
    numbers, view = other.view(range(20))
    assert len(numbers) == 20
    np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))


def test_a_reader_whose_hold_ran_out_gets_its_own_rows_or_an_error(machine):
    one, other = machine("one"), machine("other")
    one.commit(range(300))
    numbers, view = other.view(range(300))
    with one.context.database.writing() as connection:
        holds = t.holds.c
        connection.execute(t.holds.update().values(expires_at=holds.expires_at - 3600))
    (gone,) = one.collect(Choice(sets=(KEY,)))
    assert gone.feature_set is not None
    with suppress(ShardDamaged):
        np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))


def test_a_store_that_is_empty_all_of_a_sudden_is_not_believed(machine, own_bucket):
    one = machine("one")
    one.commit(range(10))
    other = machine("other")
    other.context.shard_store.bucket.delete(
        [found.key for found in other.context.shard_store.bucket.listed("features")]
    )
    with pytest.raises(StorageError, match="is empty, and the registry knows 1 shard in it"):
        other.view(range(10))


def everything_at_once(machines, seconds, writers=2):
    """Writers, readers, compaction and collection on machines of their own; gives what went
    wrong, and how often each was done."""
    done, wrong, stop = {}, [], threading.Event()

    def repeat(name, turn):
        number = 0
        while not stop.is_set():
            try:
                turn(number)
            except Exception as error:
                wrong.append(f"{name}: {error!r}")
                return
            number += 1
            done[name] = number

    def write(which, number):
        first = (number * writers + which) * 8
        machines[which].commit(range(first, first + 8))

    def read(number):
        machine = machines[writers]
        numbers, view = machine.view(range(400))
        if view is not None:
            if number % 3 == 0:
                held.append((numbers, view))
            np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))
        if len(held) > 3:
            numbers, view = held.pop(random.Random(number).randrange(len(held)))
            np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))

    def merge(_number):
        with suppress(RegistryError):  # another compacts the same just now
            compact(machines[writers + 1].context)

    def collect_all(_number):
        machines[writers + 2].collect()

    held = []
    jobs = [(f"write {w}", lambda n, w=w: write(w, n)) for w in range(writers)]
    jobs += [("read", read), ("compact", merge), ("collect", collect_all)]
    threads = [threading.Thread(target=repeat, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    for numbers, view in held:
        np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))
    return wrong, done


@pytest.mark.slow
def test_everything_at_once_on_many_machines_deletes_nothing_that_is_held(machine, own_database):
    machines = [machine(f"machine {number}", own_database) for number in range(5)]
    wrong, done = everything_at_once(machines, 40)
    assert wrong == []
    assert min(done.values()) >= 3, done
    last = machine("last", own_database)
    count = 8 * (done["write 0"] + done["write 1"])
    written = [
        number
        for number in range(16 * max(done["write 0"], done["write 1"]))
        if number // 8 // 2 < done[f"write {number // 8 % 2}"]
    ]
    assert len(written) == count
    numbers, view = last.view(written)
    assert numbers == written
    np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))
    assert last.context.cache().check_all(KEY, lambda *_: None) == 0
    del view
    eventually(last.collect)
    shards = last.context.feature_sets.find_all_shards()
    assert sorted(last.names()) == sorted(shard.file for shard in shards)
    with pytest.raises(FeaturesMissing):
        last.context.cache().view_of(KEY, samples_of([10**6]))


def test_credentials_that_run_out_end_a_run_and_new_ones_go_on(machine, proxy):
    """A process that was told new ones by the environment goes on where the first one ended."""
    one = machine("one")
    one.commit(range(10))
    said = b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"
    proxy.refusal = 400, said
    line = r"the credentials are not taken .*ExpiredToken.* continues from there"
    with pytest.raises(StorageError, match=line):
        one.commit(range(10, 20))
    with pytest.raises(StorageError, match=line):
        machine("other").view(range(10))
    proxy.refusal = None
    again = machine("again")
    assert len(again.context.feature_sets.find_all_shards()) == 1
    again.commit(range(10, 20))
    numbers, view = machine("other").view(range(20))
    assert len(numbers) == 20
    np.testing.assert_array_equal(view.to_numpy(), rows_of(numbers))


def test_a_bucket_that_is_away_for_a_while_stops_no_commit_and_no_reader(machine, proxy):
    one, other = machine("one"), machine("other")
    one.commit(range(10))
    timer = threading.Timer(1.0, lambda: setattr(proxy, "is_away", False))
    proxy.is_away = True
    timer.start()
    one.commit(range(10, 20))
    proxy.is_away = True
    timer = threading.Timer(1.0, lambda: setattr(proxy, "is_away", False))
    timer.start()
    _, view = other.view(range(20))
    np.testing.assert_array_equal(view.to_numpy(), rows_of(range(20)))
    timer.join()
    assert one.context.feature_sets.find_all_shards()[0].status == "committed"
