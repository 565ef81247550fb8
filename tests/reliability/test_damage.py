"""One byte flipped anywhere in a shard, and every length of a truncated one."""

import numpy as np
import pytest

from headstart.errors import ShardDamaged
from headstart.storage.encoding import Encoding
from headstart.storage.index import Index, Places
from headstart.storage.index_files import open_index
from headstart.storage.keys import digest_of_bytes
from headstart.storage.row_reader import RowReader
from headstart.storage.shards.shard import check_shard, find_shard, write_shard

KEY = "ab" * 32
ROWS = 24
FEATURES = np.random.default_rng(0).standard_normal((ROWS, 6)).astype(np.float32)
DIGESTS = [digest_of_bytes(bytes([n])) for n in range(ROWS)]
PLACES = Places(np.zeros(ROWS, np.int64), np.arange(ROWS))
EVERY = [pytest.param(1, marks=pytest.mark.slow), 37]


@pytest.fixture(params=[("float32", "none"), ("bfloat16", "gzip")], ids="/".join)
def written(request, store):
    encoding = Encoding.choose("float32", *request.param)
    attributes = {"cut": "x", "preprocessing": {"steps": []}, "view": 0, "engine": "tensorflow"}
    return encoding, write_shard(store, KEY, DIGESTS, FEATURES, attributes, encoding)


def read(store, encoding, index):
    out = np.empty(FEATURES.shape, np.float32)
    RowReader(store, index, encoding, (6,)).read(PLACES, out)
    return out


def must_be_found(store, shard):
    """A whole look at the file finds it, and so does an index that sees that it was touched."""
    for look in (lambda: check_shard(store, shard), lambda: find_shard(store, shard.name)):
        with pytest.raises(ShardDamaged):
            look()
    index, damaged = open_index(store, KEY, [shard])
    assert (len(index), damaged) == (0, [shard])


@pytest.mark.parametrize("every", EVERY)
def test_a_flipped_byte_anywhere_gives_an_error_or_the_right_numbers(written, every, store):
    """Also where the file's times say nothing of it: the index is the one from before."""
    encoding, checked = written
    path, index = store.path_of(checked.file.name), Index.of([checked])
    good, expected = path.read_bytes(), read(store, encoding, index)
    refused = 0
    for offset in range(0, len(good), every):
        content = bytearray(good)
        content[offset] ^= 1 << (offset % 8)
        path.write_bytes(content)
        try:
            np.testing.assert_array_equal(read(store, encoding, index), expected)
        except ShardDamaged:
            refused += 1
        must_be_found(store, checked.file)
    assert refused >= int(checked.layout.sizes.sum()) // every - 1
    path.write_bytes(good)
    assert open_index(store, KEY, [checked.file])[1] == []


@pytest.mark.parametrize("every", EVERY)
def test_every_truncation_gives_an_error_or_the_right_numbers(written, every, store):
    encoding, checked = written
    path, index = store.path_of(checked.file.name), Index.of([checked])
    good, expected = path.read_bytes(), read(store, encoding, index)
    for length in range(0, len(good), every):
        path.write_bytes(good[:length])
        try:
            np.testing.assert_array_equal(read(store, encoding, index), expected)
        except ShardDamaged:
            pass
        else:
            assert length >= int((checked.layout.offsets + checked.layout.sizes).max())
        must_be_found(store, checked.file)
