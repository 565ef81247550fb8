"""Numbers come back as they were, or rounded as promised; anybody with h5py can read them."""

import json

import h5py
import ml_dtypes
import numpy as np
import pytest

from headstart.errors import FeatureError, ShardDamaged
from headstart.storage.encoding import COMPRESSIONS, STORAGES, Encoding
from headstart.storage.index import Index, Places
from headstart.storage.keys import digest_of_bytes
from headstart.storage.row_reader import RowReader
from headstart.storage.shards.shard import find_shard, read_shard, write_shard

KEY = "ab" * 32
RNG = np.random.default_rng(0)
FEATURES = np.maximum(RNG.standard_normal((700, 5, 50)), 0).astype(np.float32)
DIGESTS = [digest_of_bytes(str(n).encode()) for n in range(len(FEATURES))]


def rounded(features, storage):
    """The reference: NumPy's and ml_dtypes' own rounding."""
    if storage == "bfloat16":
        return features.astype(ml_dtypes.bfloat16).astype(np.float32)
    return features.astype(storage).astype(np.float32)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("storage", STORAGES)
def test_rows_come_back_as_float32_rounded_to_what_is_stored(storage, compression, store):
    encoding = Encoding.choose("float32", storage, compression)
    written = write_shard(store, KEY, DIGESTS, FEATURES, {}, encoding)
    expected = rounded(FEATURES, storage)
    np.testing.assert_array_equal(read_shard(store, written.file).features, expected)
    reader = RowReader(store, Index.of([written]), encoding, FEATURES.shape[1:])
    for rows in (np.arange(700), np.arange(700)[::-1], RNG.integers(0, 700, 90)):
        out = np.empty((len(rows), *FEATURES.shape[1:]), np.float32)
        reader.read(Places(np.zeros(len(rows), np.int64), rows), out)
        np.testing.assert_array_equal(out, expected[rows])
    found = find_shard(store, written.file.name)
    assert found.attributes["storage"] == storage
    assert found.attributes["shape"] == [5, 50]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_flipped_byte_in_a_chunk_is_found_before_it_is_decoded(compression, store):
    encoding = Encoding.choose("float32", "float16", compression)
    written = write_shard(store, KEY, DIGESTS, FEATURES, {}, encoding)
    content = bytearray(store.path_of(written.file.name).read_bytes())
    content[int(written.layout.offsets[-1]) + 40] ^= 4
    store.path_of(written.file.name).write_bytes(content)
    reader = RowReader(store, Index.of([written]), encoding, FEATURES.shape[1:])
    out = np.empty(FEATURES.shape, np.float32)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        reader.read(Places(np.zeros(700, np.int64), np.arange(700)), out)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_shard_is_read_with_h5py_and_the_document_alone(storage, compression, store):
    """What docs/format.md tells a reader to do, and nothing else."""
    encoding = Encoding.choose("float32", storage, compression)
    path = store.path_of(write_shard(store, KEY, DIGESTS, FEATURES, {}, encoding).file.name)
    with h5py.File(path) as shard:
        stored = shard["features"][()]
        if json.loads(shard.attrs["storage"]) == "bfloat16":
            assert stored.dtype == np.dtype("<u2")
            features = (stored.astype(np.uint32) << 16).view(np.float32)
        else:
            assert stored.dtype == np.dtype(storage)
            features = stored.astype(json.loads(shard.attrs["dtype"]))
        row_of = {digest.tobytes().hex(): row for row, digest in enumerate(shard["digests"][()])}
    np.testing.assert_array_equal(features[row_of[DIGESTS[3]]], rounded(FEATURES[3], storage))


def test_compression_and_half_the_width_make_files_smaller(store):
    def size(*given):
        encoding = Encoding.choose("float32", *given)
        return write_shard(store, KEY, DIGESTS, FEATURES, {}, encoding).file.size

    assert size("float16", None) < 0.6 * size(None, None)
    assert size(None, "gzip") < 0.7 * size(None, None)
    assert size(None, "blosc2") < 0.7 * size(None, None)


def test_what_cannot_be_stored_is_said():
    with pytest.raises(FeatureError, match="dtype int32 cannot be stored as float16"):
        Encoding.choose("int32", "float16", None)
    with pytest.raises(FeatureError, match="no compression 'zip'"):
        Encoding.choose("float32", None, "zip")
    fits = Encoding.choose("float32", "float16", None).fits(
        np.array([[1.0], [65505.0]], np.float32)
    )
    assert fits.tolist() == [True, False]


def test_blosc2_without_its_package_says_which_one(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "hdf5plugin", None)
    with pytest.raises(FeatureError, match=r"pip install 'headstart\[compress\]'"):
        Encoding.choose("float32", None, "blosc2")


class OldReader:
    """A reader of a store that was written before there was `ShardReader.read_each`."""

    def __init__(self, reader):
        self._reader = reader

    def __enter__(self):
        self._reader.__enter__()
        return self

    def __exit__(self, *error):
        self._reader.__exit__(*error)

    def read_into(self, name, offset, parts):
        return self._reader.read_into(name, offset, parts)


def test_single_rows_are_read_of_a_store_that_knows_no_ranges(store, monkeypatch):
    features = np.arange(64 * 20_000, dtype=np.float32).reshape(64, 20_000)
    encoding = Encoding.choose("float32", "float32", "none")
    written = write_shard(store, KEY, DIGESTS[:64], features, {}, encoding)
    reader = RowReader(store, Index.of([written]), encoding, (20_000,))
    made = type(store).reader
    monkeypatch.setattr(type(store), "reader", lambda self: OldReader(made(self)))
    out = np.empty((1, 20_000), np.float32)
    for row in (3, 1, 0, 2):
        reader.read(Places(np.zeros(1, np.int64), np.array([row])), out)
        np.testing.assert_array_equal(out[0], features[row])
