"""A view gives the rows of its samples, by digest, however they lie in the shards."""

import numpy as np
import pytest

from headstart.errors import FeatureError, ShardDamaged
from headstart.storage.index import Index
from headstart.storage.keys import digest_of_bytes
from headstart.storage.manifest import Sample
from headstart.storage.shards import read_digests, write_shard
from headstart.storage.views import FeatureView

KEY = "ab" * 32


def features_of(number: int) -> np.ndarray:
    return np.full(3, number, np.float32)


@pytest.fixture
def index(tmp_path):
    """Contents 0 to 39 in seven shards, in an order of their own."""
    order = np.random.default_rng(0).permutation(40)
    shards = []
    for part in np.array_split(order, 7):
        digests = [digest_of_bytes(bytes([n])) for n in part]
        shards.append(
            write_shard(tmp_path, KEY, digests, np.stack([features_of(n) for n in part]), {})
        )
    return Index(shards, [read_digests(shard) for shard in shards])


def sample(number: int, name: str, split: str = "train") -> Sample:
    return Sample(name, digest_of_bytes(bytes([number])), number % 2, split, name)


@pytest.fixture
def numbers():
    return [5, 3, 3, 39, 0, 17, 5]


@pytest.fixture
def view(index, numbers):
    splits = ["train", "test", "train", "train", "validation", "test", "train"]
    samples = [
        sample(number, f"s{place}", split)
        for place, (number, split) in enumerate(zip(numbers, splits, strict=True))
    ]
    return FeatureView(KEY, index, samples, (3,), "float32")


def test_rows_are_in_the_order_of_the_samples_duplicates_included(view, numbers):
    assert view.shape == (7, 3)
    np.testing.assert_array_equal(view.to_numpy()[:, 0], numbers)
    assert view.ids == [f"s{place}" for place in range(7)]
    assert view.labels == [number % 2 for number in numbers]


def test_indexing_is_that_of_an_array(view):
    whole = view.to_numpy()
    np.testing.assert_array_equal(view[2], whole[2])
    np.testing.assert_array_equal(view[-1], whole[-1])
    np.testing.assert_array_equal(view[1:6:2], whole[1:6:2])
    np.testing.assert_array_equal(view[[4, 0, 4]], whole[[4, 0, 4]])
    with pytest.raises(IndexError):
        view[7]


def test_a_split_keeps_rows_and_labels_together(view, numbers):
    assert view.split("test").to_numpy()[:, 0].tolist() == [3, 17]
    assert view.split("test").ids == ["s1", "s5"]
    with pytest.raises(FeatureError, match="no split 'dev'"):
        view.split("dev")


def test_batches_give_every_row_once_with_its_label(view, numbers):
    for shuffle in (False, True):
        rows = [
            (row[0], label)
            for features, labels in view.batches(3, shuffle=shuffle, seed=1)
            for row, label in zip(features, labels, strict=True)
        ]
        assert sorted(rows) == sorted((number, number % 2) for number in numbers)
    one = [labels for _, labels in view.batches(3, shuffle=True, seed=1)]
    assert one == [labels for _, labels in view.batches(3, shuffle=True, seed=1)]


def test_to_numpy_writes_into_an_array_that_is_given(view, numbers):
    out = np.zeros((7, 3), np.float32)
    assert view.to_numpy(out) is out
    assert out[:, 0].tolist() == numbers
    with pytest.raises(FeatureError, match="out has shape"):
        view.to_numpy(np.zeros((2, 3), np.float32))


def test_a_tf_pipeline_gives_the_same_rows(view, numbers):
    rows = [(x, y) for xs, ys in view.to_tf(4) for x, y in zip(xs.numpy(), ys.numpy(), strict=True)]
    assert [x[0] for x, _ in rows] == numbers
    assert [y for _, y in rows] == [number % 2 for number in numbers]


def test_a_sample_without_a_row_is_an_error(index):
    with pytest.raises(FeatureError, match="'gone' has no row"):
        FeatureView(KEY, index, [sample(99, "gone")], (3,), "float32")


def test_damage_after_the_index_was_built_is_an_error_not_a_number(index, view):
    for shard in index.shards:
        content = bytearray(shard.path.read_bytes())
        content[len(content) // 2] ^= 1
        shard.path.write_bytes(content)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        view.to_numpy()
