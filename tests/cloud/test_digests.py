"""What it costs to see who has what, where shards lie afar: their digests, and no features."""

from dataclasses import replace

import numpy as np
import pytest
from meddling_proxy import FLIP
from test_machines import SET, machine, own_digests

from headstart.errors import ShardDamaged
from headstart.extractors.cache.feature_cache import Rows
from headstart.storage.index_files import open_index
from headstart.storage.shards.digests import HEAD, check_digests
from headstart.storage.shards.format import CHUNK_BYTES
from headstart.storage.shards.shard import check_shard, write_shard

__all__ = ["machine"]
KEY = "ab" * 32
ROWS, WIDTH = 1200, 1024
"""Rows of 4 KiB: a shard of 4.7 MiB with 38 KiB of digests."""
OF_A_SHARD = HEAD + 32 * ROWS
SMALL = 32 << 10
"""Bytes of a listing, and of errors."""


@pytest.fixture
def write(open_store):
    """Writes a shard, as another machine; gives what its row in SQL says, and its digests."""
    store = open_store("writer")

    def written(seed, rows=ROWS, width=WIDTH):
        digests = own_digests(seed, rows)
        features = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
        return write_shard(store, KEY, digests, features, {}).file, digests

    return written


def read_by(proxy, look):
    """What it gives, and the bytes that came for it."""
    before = proxy.given
    return look(), proxy.given - before


def test_who_has_what_costs_the_digests_and_whoever_wants_rows_reads_all(write, open_store, proxy):
    files, digests = zip(*(write(seed) for seed in range(3)), strict=True)
    store = open_store("reader")
    (index, damaged), came = read_by(proxy, lambda: open_index(store, KEY, files, for_rows=False))
    assert damaged == [] and came <= 3 * OF_A_SHARD + SMALL
    for shard, own in zip(files, digests, strict=True):
        found = index.find(own)
        assert {index.shards[number].file.name for number in found.shard} == {shard.name}
        np.testing.assert_array_equal(found.row, np.arange(ROWS))
    _, came = read_by(proxy, lambda: open_index(store, KEY, files, for_rows=False))
    assert came <= SMALL  # its files are on this machine
    (index, damaged), came = read_by(proxy, lambda: open_index(store, KEY, files))
    assert damaged == [] and came >= sum(file.size for file in files)
    assert all(shard.is_read for shard in index.living)


def test_digests_of_many_chunks_are_those_of_the_whole_shard(write, open_store, proxy):
    file, digests = write(1, rows=40_000, width=64)
    store = open_store("reader")
    checked, came = read_by(proxy, lambda: check_digests(store, file))
    assert 32 * len(digests) < came <= 3 * CHUNK_BYTES + HEAD + SMALL < file.size / 4
    np.testing.assert_array_equal(checked.digests, check_shard(store, file).digests)


def test_of_a_small_shard_all_is_read_at_once(write, open_store, proxy):
    file, _ = write(2, rows=10, width=8)
    store = open_store("reader")
    check_digests(store, file)
    assert len([seen for seen in proxy.of("GET") if ".h5" in seen.path]) == 1


def test_workers_read_of_each_other_no_numbers(machine, proxy):
    """Three machines commit two shards each, and look behind each what the others have."""
    three = [machine(name).context for name in ("one", "other", "third")]
    wide = replace(SET, key="cd" * 32, shape=(WIDTH,))
    caches = [context.cache(reads_rows=False) for context in three]
    sets = [context.feature_sets.ensure_set(wide) for context in three]
    proxy.given = 0
    for turn in range(2):
        for number, (cache, own) in enumerate(zip(caches, sets, strict=True)):
            seed = 10 * turn + number
            features = np.random.default_rng(seed).normal(size=(ROWS, WIDTH)).astype(np.float32)
            cache.commit([Rows(own, own_digests(seed, ROWS), features)], "none", {})
            cache.open_index(wide.key, fresh=True)
    for cache in caches:
        assert len(cache.open_index(wide.key, fresh=True)) == 6 * ROWS
    assert proxy.given <= 3 * 4 * (OF_A_SHARD + SMALL)  # of four shards each; whole: 56 MiB
    with pytest.raises(ValueError, match="reads no rows"):
        caches[0].view_of(wide.key, [])


# What is not believed


def test_a_flipped_byte_is_asked_for_again(write, open_store, proxy):
    file, digests = write(3)
    proxy.once(FLIP, "GET")
    assert len(check_digests(open_store("reader"), file).digests) == len(digests)
    assert [seen.meddled for seen in proxy.of("GET")] == [FLIP, None]


def other_digests(file, content, write):
    """A shard of the same set, with as many rows, that somebody put in its place."""
    other, _ = write(99)
    return other


def nonsense(file, content, write):
    return np.random.default_rng(0).bytes(len(content))


def zeros(file, content, write):
    return bytes(len(content))


def cut_short(file, content, write):
    return content[: len(content) // 2]


@pytest.mark.parametrize("change", [other_digests, nonsense, zeros, cut_short, None])
def test_what_somebody_put_in_its_place_is_damaged(write, open_store, bucket, change):
    """Whoever may write to the bucket; what its digests hash to stands in the database."""
    file, _ = write(4)
    key = f"features/{file.name}"
    if change is None:
        bucket.delete([key])
    else:
        content = change(file, bytes(bucket.get(key)), write)
        is_file = not isinstance(content, bytes)
        bucket.put(key, bucket.get(f"features/{content.name}") if is_file else content)
    store = open_store("reader")
    with pytest.raises(ShardDamaged):
        check_digests(store, file)
    index, damaged = open_index(store, KEY, [file], for_rows=False)
    assert (len(index), damaged) == (0, [file])
