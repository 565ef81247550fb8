"""Rows of chunks of which a pass wants most are spread by way of memory that is used again."""

import numpy as np
import pytest
from rows_in_shards import ROWS, damage, path_in, view_of

from headstart.errors import ShardDamaged
from headstart.storage import row_reader, windows
from headstart.storage.local_store import LocalReader
from headstart.storage.row_reader import RowReader
from headstart.storage.shards.row_groups import PAGE, Scratch


@pytest.fixture(autouse=True)
def many_windows(monkeypatch):
    """Windows of some chunks, and nothing by itself."""
    monkeypatch.setattr(row_reader, "FEW_BYTES", 0)
    monkeypatch.setattr(windows, "WINDOW_BYTES", 300 * 400)


@pytest.fixture
def checked(monkeypatch):
    """The chunks whose checksum was looked at."""
    seen, real = [], RowReader._fill

    def fill(self, reader, shard, at, *parts):
        seen.append((shard.file.name, at))
        return real(self, reader, shard, at, *parts)

    monkeypatch.setattr(RowReader, "_fill", fill)
    return seen


def mixed(view, seed):
    return np.concatenate([rows for rows, _ in view.batches(37, shuffle=True, seed=seed)])


@pytest.mark.parametrize(
    "chosen", [slice(None), slice(0, 700), slice(0, None, 2), np.arange(0, ROWS, 7)]
)
@pytest.mark.parametrize("shape", [(100,), (3, 2, 5), ()])
def test_passes_give_each_row_of_a_part_once_bit_for_bit(store, shape, chosen):
    view, plain = view_of(store, shape)
    numbers = np.arange(ROWS)[chosen]
    part = view.take(numbers)
    known = {row.tobytes(): number for number, row in enumerate(plain)}
    for seed in range(3):
        found = [known[row.tobytes()] for row in mixed(part, seed)]
        assert sorted(found) == numbers.tolist()
    np.testing.assert_array_equal(part.to_numpy(), plain[numbers])


def test_rows_that_are_wanted_twice_or_in_any_order_are_right(store):
    view, plain = view_of(store, (100,))
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.integers(0, ROWS, rng.integers(1, 3 * ROWS))
        np.testing.assert_array_equal(view[rows], plain[rows])
        np.testing.assert_array_equal(view[np.unique(rows)], plain[np.unique(rows)])


def test_every_pass_checks_each_chunk_once_and_keeps_none_of_which_it_took_most(store, checked):
    view, _ = view_of(store, (100,))
    part = view.take(np.flatnonzero(np.random.default_rng(0).random(ROWS) < 0.9))
    chunks = len(np.unique(part._reader.chunk_of(part._places)))
    for seed in range(2):
        del checked[:]
        mixed(part, seed)
        assert len(checked) == len(set(checked)) == chunks
    assert len(view._reader._cache) <= 1  # the shard of one row, which is always in order


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("how", ["written", "cut"])
def test_what_was_done_to_a_shard_is_noticed_in_a_pass(store, monkeypatch, how, when):
    view, _ = view_of(store, (100,))
    mixed(view, 0)
    path, real = path_in(view, store), LocalReader.read_into

    def spoil():
        if how == "cut":
            path.write_bytes(path.read_bytes()[:5000])
        else:
            damage(path, view)

    def read_into(self, name, offset, parts):
        if store.path_of(name) == path and not spoilt:
            spoilt.append(True)
            spoil()
        return real(self, name, offset, parts)

    spoilt = []
    if when == "before":
        spoil()
    else:
        monkeypatch.setattr(LocalReader, "read_into", read_into)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        mixed(view, 1)


def test_a_chunk_lies_half_a_page_off_its_place_in_the_file():
    scratch = Scratch(5000)
    for offset in (0, 8, 1932, 2048, 4095, 75_660, (1 << 40) + 3):
        part = scratch.of(offset, 5000)
        address = np.frombuffer(part, np.uint8).ctypes.data
        assert len(part) == 5000 and (address - offset) % PAGE == PAGE // 2
