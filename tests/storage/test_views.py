"""A view gives the rows of its samples, by digest, however they lie in the shards."""

import numpy as np
import pytest

from conftest import keras
from headstart.errors import FeatureError, ShardDamaged
from headstart.storage import row_reader, windows
from headstart.storage.encoding import Encoding
from headstart.storage.index import Index
from headstart.storage.keys import digest_of_bytes
from headstart.storage.local_store import LocalReader, LocalStore
from headstart.storage.manifest import Sample
from headstart.storage.row_reader import RowReader
from headstart.storage.shards import format as shard_format
from headstart.storage.shards.names import last_of
from headstart.storage.shards.shard import write_shard
from headstart.storage.views import FeatureView

KEY = "ab" * 32
PLAIN = Encoding("float32", "float32")


def features_of(number: int) -> np.ndarray:
    return np.full(3, number, np.float32)


@pytest.fixture
def index(store):
    """Contents 0 to 39 in seven shards, in an order of their own."""
    order = np.random.default_rng(0).permutation(40)
    written = []
    for part in np.array_split(order, 7):
        digests = [digest_of_bytes(bytes([n])) for n in part]
        written.append(
            write_shard(store, KEY, digests, np.stack([features_of(n) for n in part]), {})
        )
    return Index.of(written)


def reader_of(store: LocalStore, index: Index) -> RowReader:
    return RowReader(store, index, PLAIN, (3,))


def sample(number: int, name: str, split: str = "train") -> Sample:
    return Sample(name, digest_of_bytes(bytes([number])), number % 2, split, name)


@pytest.fixture
def numbers():
    return [5, 3, 3, 39, 0, 17, 5]


@pytest.fixture
def view(index, numbers, store):
    splits = ["train", "test", "train", "train", "validation", "test", "train"]
    samples = [
        sample(number, f"s{place}", split)
        for place, (number, split) in enumerate(zip(numbers, splits, strict=True))
    ]
    return FeatureView(KEY, index, samples, reader_of(store, index))


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
    with pytest.raises(FeatureError, match="out is float32 of shape"):
        view.to_numpy(np.zeros((2, 3), np.float32))


def test_a_tf_pipeline_gives_the_same_rows(view, numbers):
    rows = [(x, y) for xs, ys in view.to_tf(4) for x, y in zip(xs.numpy(), ys.numpy(), strict=True)]
    assert [x[0] for x, _ in rows] == numbers
    assert [y for _, y in rows] == [number % 2 for number in numbers]


def test_keras_fits_a_tf_pipeline_for_several_epochs_without_a_warning(view):
    data = view.to_tf(4, shuffle=True)
    assert int(data.cardinality()) == 2
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    told = model.fit(data, validation_data=view.to_tf(7), epochs=3, shuffle=False, verbose=0)
    assert len(told.history["val_loss"]) == 3


def test_a_sample_without_a_row_is_an_error(index, store):
    with pytest.raises(FeatureError, match="'gone' has no row"):
        FeatureView(KEY, index, [sample(99, "gone")], reader_of(store, index))


def test_damage_after_the_index_was_built_is_an_error_not_a_number(index, view, store):
    for shard in index.shards:
        content = bytearray(store.path_of(shard.file.name).read_bytes())
        content[int(shard.layout.offsets[0])] ^= 1
        store.path_of(shard.file.name).write_bytes(content)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        view.to_numpy()


# Passes over many rows


ROWS, WIDTH = 3000, 100


@pytest.fixture
def wide(store):
    """3,000 rows in 4 shards with chunks of 64 rows; row i holds i; the samples in that order."""
    digests = [digest_of_bytes(str(n).encode()) for n in range(ROWS)]
    features = np.repeat(np.arange(ROWS, dtype=np.float32)[:, None], WIDTH, axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shard_format, "CHUNK_BYTES", 64 * WIDTH * 4)
        written = [
            write_shard(store, KEY, digests[part], features[part], {})
            for part in (slice(0, 700), slice(700, 1500), slice(1500, 2999), slice(2999, ROWS))
        ]
    index = Index.of(written)
    samples = [Sample(str(n), digest, n % 2, "train", n) for n, digest in enumerate(digests)]
    return FeatureView(KEY, index, samples, RowReader(store, index, PLAIN, (WIDTH,)))


@pytest.fixture
def reads(monkeypatch):
    """The (file, place) of every chunk that is read."""
    seen = []
    real = RowReader._fill

    def fill(self, files, shard, at, *parts):
        seen.append((last_of(shard.file.name), at))
        real(self, files, shard, at, *parts)

    monkeypatch.setattr(RowReader, "_fill", fill)
    return seen


@pytest.mark.parametrize("window", [64 * WIDTH * 4 * 3, 1 << 30])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_pass_gives_every_row_once_and_reads_every_chunk_once(
    wide, reads, monkeypatch, window, shuffle
):
    monkeypatch.setattr(windows, "WINDOW_BYTES", window)
    monkeypatch.setattr(
        row_reader, "CACHE_BYTES", 1
    )  # nothing is kept, so that a second read shows
    if not shuffle:
        monkeypatch.setattr(windows, "WINDOW_BYTES", 1 << 30)
    batches = list(wide.batches(37, shuffle=shuffle, seed=3))
    assert [len(rows) for rows, _ in batches] == [37] * (ROWS // 37) + [ROWS % 37]
    rows = np.concatenate([rows for rows, _ in batches])
    assert (rows == rows[:, :1]).all()
    assert sorted(rows[:, 0]) == list(range(ROWS))
    assert [label for _, labels in batches for label in labels] == (rows[:, 0] % 2).tolist()
    assert len(reads) == len(set(reads)) == 11 + 13 + 24 + 1


def test_the_same_seed_gives_the_same_order_and_each_epoch_another(wide, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", 64 * WIDTH * 4 * 3)

    def order(**given):
        return np.concatenate([rows[:, 0] for rows, _ in wide.batches(50, shuffle=True, **given)])

    np.testing.assert_array_equal(order(seed=1), order(seed=1))
    assert (order(seed=1) != order(seed=2)).any()
    two = order(seed=1, epochs=2)
    np.testing.assert_array_equal(two[:ROWS], order(seed=1))
    assert (two[:ROWS] != two[ROWS:]).any()
    assert sorted(two[ROWS:]) == list(range(ROWS))


def test_rows_in_any_order_and_number_are_right(wide):
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.integers(0, ROWS, rng.integers(1, 400))
        np.testing.assert_array_equal(wide[rows][:, 0], rows)
    np.testing.assert_array_equal(wide[100:2900:7][:, 0], np.arange(100, 2900, 7))
    np.testing.assert_array_equal(wide[::-1][:, 0], np.arange(ROWS)[::-1])
    np.testing.assert_array_equal(wide.to_numpy()[:, 0], np.arange(ROWS))


def test_a_tf_pipeline_has_another_order_each_time(wide):
    data = wide.to_tf(100, shuffle=True, seed=5)
    one, two = (np.concatenate([xs[:, 0] for xs, _ in data.as_numpy_iterator()]) for _ in range(2))
    assert sorted(one) == sorted(two) == list(range(ROWS))
    assert (one != two).any()


@pytest.mark.parametrize("given", [{"epochs": 0}, {"epochs": -1}, {"batch_size": 0}])
def test_batches_of_nothing_are_refused(view, given):
    (name,) = given
    with pytest.raises(FeatureError, match=f"{name} is "):
        next(view.batches(**given))
    if "batch_size" in given:
        with pytest.raises(FeatureError, match="batch_size is 0"):
            view.to_tf(0)


def test_an_empty_view_has_no_batches(wide):
    assert list(wide.split("test").batches()) == []
    assert wide.split("test").to_numpy().shape == (0, WIDTH)


# Single rows of chunks that were found right


@pytest.fixture
def read_bytes(monkeypatch):
    """How many bytes each read from a shard asked for."""
    seen = []
    into, each = LocalReader.read_into, LocalReader.read_each

    def read_into(self, name, offset, parts):
        seen.append(sum(map(len, parts)))
        return into(self, name, offset, parts)

    def read_each(self, name, offsets, parts):
        seen.extend(map(len, parts))
        return each(self, name, offsets, parts)

    monkeypatch.setattr(LocalReader, "read_into", read_into)
    monkeypatch.setattr(LocalReader, "read_each", read_each)
    monkeypatch.setattr(row_reader, "CALL_BYTES", 0)
    monkeypatch.setattr(row_reader, "CACHE_BYTES", 1)
    return seen


@pytest.fixture
def unmapped(monkeypatch):
    """A store as others write it, that maps nothing."""
    monkeypatch.delattr(LocalStore, "mapped")


def test_a_chunk_that_was_found_right_is_not_read_again_for_a_row(wide, read_bytes, unmapped):
    wide.to_numpy()
    del read_bytes[:]
    rows = np.random.default_rng(0).choice(ROWS, 30)
    np.testing.assert_array_equal(wide[rows][:, 0], rows)
    assert read_bytes == [WIDTH * 4] * 30


def test_many_rows_may_all_be_read_by_themselves(wide, read_bytes, monkeypatch):
    """32 MB and more of such rows were no error of anybody's, but a crash."""
    wide.to_numpy()
    monkeypatch.setattr(row_reader, "LARGE", 1000)
    rows = np.arange(0, ROWS, 50)
    np.testing.assert_array_equal(wide[rows][:, 0], rows)


def test_rows_of_a_shard_that_somebody_wrote_to_are_checked_again(wide, read_bytes, store):
    whole = wide.to_numpy()
    shard = wide._reader._shards[1].file
    path = store.path_of(shard.name)
    path.write_bytes(path.read_bytes())  # the same, but who knows
    del read_bytes[:]
    np.testing.assert_array_equal(wide[710], whole[710])
    assert read_bytes == [64 * WIDTH * 4 + read_bytes[0] % (WIDTH * 4)]
    content = bytearray(path.read_bytes())
    content[int(wide._reader._shards[1].layout.offsets[3])] ^= 1
    path.write_bytes(content)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        wide[700 + 3 * 64]


@pytest.mark.parametrize("size", [0, 5000])
def test_a_shard_that_was_cut_short_is_an_error_and_no_crash(wide, read_bytes, store, size):
    wide.to_numpy()
    path = store.path_of(wide._reader._shards[0].file.name)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ShardDamaged):
        wide[650]


def test_of_narrow_rows_the_chunk_is_read_where_that_costs_less(
    wide, read_bytes, unmapped, monkeypatch
):
    wide.to_numpy()
    monkeypatch.setattr(row_reader, "CALL_BYTES", 16 << 10)
    del read_bytes[:]
    assert wide[[5, 9]][:, 0].tolist() == [
        5,
        9,
    ]  # as long as 32,768 bytes take, of a chunk's 25,600
    assert len(read_bytes) == 1 and read_bytes[0] >= 64 * WIDTH * 4


def test_what_is_no_row_is_an_index_error_that_says_so(view):
    for rows in (None, True, np.array([[1, 2]]), np.array(3)):
        with pytest.raises(IndexError, match="rows are one-dimensional"):
            view[rows]
    for row in (7, -8, np.int64(7)):
        with pytest.raises(IndexError, match=f"there is no row {row} among 7"):
            view[row]
    np.testing.assert_array_equal(view[-7], view[0])


def test_what_cannot_be_written_to_takes_no_rows(view):
    out = np.zeros(view.shape, np.float32)
    out.flags.writeable = False
    with pytest.raises(FeatureError, match="out is read-only"):
        view.to_numpy(out)
