"""Shards: what is read is what was committed, or an error."""

import dataclasses
import io
import json

import h5py
import numpy as np
import pytest

from headstart.errors import ShardDamaged
from headstart.storage import files
from headstart.storage.files import written_aside
from headstart.storage.keys import digest_of_bytes
from headstart.storage.shards.format import shard_id
from headstart.storage.shards.shard import check_shard, read_shard, write_shard

KEY = "ab" * 32
DIGESTS = [digest_of_bytes(bytes([n])) for n in range(5)]
FEATURES = np.arange(20, dtype=np.float32).reshape(5, 4)


@pytest.fixture
def shard(store):
    return write_shard(store, KEY, DIGESTS, FEATURES, {"cut": "fc2", "view": 0}).file


def test_rows_come_back_with_their_digests(shard, store):
    content = read_shard(store, shard)
    assert content.digests == DIGESTS
    np.testing.assert_array_equal(content.features, FEATURES)
    assert content.features.dtype == np.float32
    assert check_shard(store, shard).digests.shape == (5, 32)


def test_a_shard_is_readable_with_plain_h5py_and_tells_where_it_comes_from(shard, store):
    with h5py.File(store.path_of(shard.name)) as file:
        attributes = {name: json.loads(value) for name, value in file.attrs.items()}
        assert file["digests"][2].tobytes().hex() == DIGESTS[2]
        assert file["digests"].fletcher32
        np.testing.assert_array_equal(file["features"][2], FEATURES[2])
    assert attributes == {
        "format": "headstart.shard",
        "format_version": 1,
        "feature_key": KEY,
        "shard_id": shard_id(KEY, DIGESTS),
        "cut": "fc2",
        "view": 0,
        "dtype": "float32",
        "storage": "float32",
        "compression": "none",
    }


def test_the_id_is_of_the_rows_and_the_file_name_is_unique(shard, store):
    again = write_shard(store, KEY, DIGESTS, FEATURES, {"cut": "fc2", "view": 0}).file
    assert again.name != shard.name
    assert again.sha256 == shard.sha256
    assert shard_id(KEY, DIGESTS) != shard_id(KEY, DIGESTS[::-1])


def test_large_rows_are_chunked_by_whole_rows(store):
    features = np.zeros((100, 30_000), np.float32)
    digests = [digest_of_bytes(bytes([n])) for n in range(100)]
    shard = write_shard(store, KEY, digests, features, {}).file
    with h5py.File(store.path_of(shard.name)) as file:
        assert file["features"].chunks == (4, 30_000)


def test_a_flipped_byte_anywhere_is_found(shard, store):
    content = store.path_of(shard.name).read_bytes()
    for offset in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[offset] ^= 0x10
        store.path_of(shard.name).write_bytes(damaged)
        with pytest.raises(ShardDamaged):
            read_shard(store, shard)
        with pytest.raises(ShardDamaged):
            check_shard(store, shard)


def test_every_truncation_is_found(shard, store):
    content = store.path_of(shard.name).read_bytes()
    for length in range(0, len(content), 97):
        store.path_of(shard.name).write_bytes(content[:length])
        with pytest.raises(ShardDamaged, match="bytes, not"):
            read_shard(store, shard)


def test_a_missing_file_is_an_error_that_says_what_to_do(shard, store):
    store.path_of(shard.name).unlink()
    with pytest.raises(ShardDamaged, match=r"is missing\. Run `headstart extract` again"):
        check_shard(store, shard)


def test_a_shard_of_another_feature_set_is_refused(shard, store):
    with pytest.raises(ShardDamaged, match="belongs to another feature set"):
        read_shard(store, dataclasses.replace(shard, feature_key="cd" * 32))


def test_a_file_written_aside_appears_whole_or_not_at_all(tmp_path, files_of):
    target = tmp_path / "deep" / "file"
    with pytest.raises(RuntimeError, match="midway"), written_aside(target) as file:
        file.write(b"half")
        raise RuntimeError("midway")
    assert files_of(tmp_path) == set()
    with written_aside(target) as file:
        file.write(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert files_of(tmp_path) == {"deep/file"}


def test_writing_the_same_rows_gives_the_same_bytes(shard, store):
    again = write_shard(store, KEY, DIGESTS, FEATURES, {"cut": "fc2", "view": 0}).file
    assert (
        io.BytesIO(store.path_of(again.name).read_bytes()).read()
        == store.path_of(shard.name).read_bytes()
    )


def test_new_folders_are_synced_into_the_folders_above_before_the_file_counts(
    tmp_path, monkeypatch
):
    synced = []
    monkeypatch.setattr(files, "sync_folder", lambda folder: synced.append(folder))
    with written_aside(tmp_path / "a" / "b" / "file") as file:
        file.write(b"x")
        assert synced == [tmp_path, tmp_path / "a"]
    assert synced[2:] == [tmp_path / "a" / "b"]
    with written_aside(tmp_path / "a" / "b" / "other") as file:
        file.write(b"x")
    assert synced[3:] == [tmp_path / "a" / "b"]
