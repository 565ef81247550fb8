"""Mixed passes after the first copy rows from where they lie, and give what the first gave."""

import os

import numpy as np
import pytest
from rows_in_shards import ROWS, damage, path_in, view_of

from headstart.errors import ShardDamaged
from headstart.storage import mapped_rows, row_reader, windows
from headstart.storage.encoding import Encoding
from headstart.storage.local_store import LocalReader
from headstart.storage.passes import one_pass
from headstart.storage.shards import own_memory

pytestmark = pytest.mark.skipif(not own_memory.can_copy(), reason="the system copies nothing")

SMALL = 300 * 400
"""Bytes of a window of some chunks."""


@pytest.fixture(autouse=True, params=[SMALL, 24 << 20])
def window(request, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", request.param)
    monkeypatch.setattr(one_pass, "PART_BYTES", request.param // 3)
    monkeypatch.setattr(row_reader, "WIDE_BYTES", 1)


@pytest.fixture
def calls(monkeypatch):
    """How many chunks were read."""
    seen, real = [], LocalReader.read_into

    def read(self, *given):
        seen.append(given)
        return real(self, *given)

    monkeypatch.setattr(LocalReader, "read_into", read)
    return seen


def batches(view, seed=0):
    return list(view.batches(37, shuffle=True, seed=seed))


def assert_same(some, others):
    assert len(some) == len(others)
    for (one, its), (other, those) in zip(some, others, strict=True):
        assert one.tobytes() == other.tobytes() and one.shape == other.shape
        assert one.dtype == other.dtype and its == those


@pytest.mark.parametrize("shape", [(), (100,), (3, 2, 5)])
@pytest.mark.parametrize("part", [slice(None), slice(0, None, 3), slice(0, 0), slice(5, 6)])
def test_a_later_pass_gives_bit_for_bit_what_a_first_one_gives(store, calls, shape, part):
    view, _ = view_of(store, shape)
    chosen = np.arange(ROWS)[part]
    firsts = [batches(view_of(store, shape)[0].take(chosen), seed) for seed in range(3)]
    view.to_numpy()  # all of which is checked
    del calls[:]
    for seed, first in enumerate(firsts):
        assert_same(batches(view.take(chosen), seed), first)
    assert calls == []


def test_a_chunk_that_nobody_checked_is_checked_before_a_row_of_it_is_given(store, calls):
    view, _ = view_of(store, (100,))
    chunks = view._reader.chunk_of(view._places)
    known = np.flatnonzero(chunks < 2)
    view.take(known).to_numpy()
    first = batches(view)
    del calls[:]
    assert_same(batches(view), first)
    assert calls == []
    again, _ = view_of(store, (100,))
    again.take(known).to_numpy()
    damage(path_in(again, store), again)
    with pytest.raises(ShardDamaged, match="not what was committed"):
        batches(again)


def test_packed_rows_and_narrow_ones_are_read_and_checked_each_time(store, calls, monkeypatch):
    packed, _ = view_of(store, (100,), Encoding("float32", "float32", "gzip"))
    narrow, _ = view_of(store, (100,))
    monkeypatch.setattr(row_reader, "WIDE_BYTES", 401)
    monkeypatch.setattr(row_reader, "CACHE_BYTES", 1)
    for view in (packed, narrow):
        first = batches(view)
        del calls[:]
        assert_same(batches(view), first)
        assert len(calls) > 0


def test_what_memory_cannot_hold_is_read_and_checked_each_time(store, calls, monkeypatch):
    view, _ = view_of(store, (100,))
    size = sum(shard.file.size for shard in view._reader._shards)
    first = batches(view)
    for free, is_read in ((2 * size, False), (2 * size - 2, True)):
        monkeypatch.setattr(mapped_rows, "free_memory", lambda free=free: free)
        del calls[:]
        assert_same(batches(view), first)
        assert (len(calls) > 0) == is_read


@pytest.mark.parametrize("how", ["written", "replaced", "deleted", "cut", "emptied"])
def test_what_was_done_to_a_shard_since_is_noticed(store, how):
    view, _ = view_of(store, (100,))
    for seed in range(2):
        batches(view, seed)
    path = path_in(view, store)
    if how == "written":
        damage(path, view)
    elif how == "replaced":
        other = path.with_name("other")
        other.write_bytes(path.read_bytes())
        damage(other, view)
        other.replace(path)
    elif how == "deleted":
        path.unlink()
    else:
        os.truncate(path, 5000 if how == "cut" else 0)
    with pytest.raises(ShardDamaged, match=str(path)):
        batches(view)


def test_a_shard_that_is_cut_while_it_is_copied_is_damaged_and_the_process_lives(
    store, monkeypatch
):
    view, _ = view_of(store, (2000,))
    for seed in range(2):
        batches(view, seed)
    path, real = path_in(view, store), own_memory.is_copied

    def is_copied(*given):
        os.truncate(path, 0)
        return real(*given)

    monkeypatch.setattr(mapped_rows, "is_copied", is_copied)
    with pytest.raises(ShardDamaged, match=f"{path} is damaged"):
        batches(view)


def test_what_is_written_while_a_window_is_copied_is_not_given_out(store, monkeypatch):
    view, _ = view_of(store, (100,))
    batches(view)
    real, done = own_memory.is_copied, []

    def is_copied(*given):
        done.append(real(*given))
        if len(done) == 1:
            damage(path_in(view, store), view)
        return done[-1]

    monkeypatch.setattr(mapped_rows, "is_copied", is_copied)
    with pytest.raises(ShardDamaged):
        batches(view)


def test_a_shard_that_was_written_as_it_was_is_read_and_given(store, calls):
    """Its mark is another one, so that its chunks are checked again."""
    view, _ = view_of(store, (100,))
    first = batches(view)
    path = path_in(view, store)
    path.write_bytes(path.read_bytes())
    del calls[:]
    assert_same(batches(view), first)
    assert len(calls) > 0


def test_batches_that_are_kept_and_written_to_are_their_own(store):
    view, plain = view_of(store, (100,))
    first = batches(view)
    for rows, _ in batches(view):
        rows[:] = 0
    assert_same(batches(view), first)
    np.testing.assert_array_equal(view.to_numpy(), plain)


def test_all_is_let_go_in_a_pass_over_more_than_may_be_mapped(store, monkeypatch):
    view, _ = view_of(store, (100,))
    first = batches(view)
    monkeypatch.setattr(mapped_rows, "MOST", 0)
    view._reader._mapped._looked_at = 0
    assert_same(batches(view), first)
    assert view._reader._mapped._known.buffers == {}


def test_joined_rows_are_copied_from_where_those_of_each_side_lie(store, calls):
    def joined(second):
        return view_of(store, (100,))[0].beside([second.take(np.arange(ROWS)[::-1])], [2.0, 0.5])

    firsts = [batches(joined(view_of(store, (3, 5))[0]), seed) for seed in range(3)]
    second, _ = view_of(store, (3, 5))
    view = joined(second)
    view.to_numpy()
    del calls[:]
    for seed, first in enumerate(firsts):
        assert_same(batches(view, seed), first)
    assert calls == []
    damage(path_in(second, store), second)
    with pytest.raises(ShardDamaged):
        batches(view)


def test_joined_rows_of_which_one_side_is_packed_are_read_each_time(store, calls):
    packed, _ = view_of(store, (3, 5), Encoding("float32", "float32", "gzip"))
    view = view_of(store, (100,))[0].beside([packed], [1.0, 1.0])
    first = batches(view)
    del calls[:]
    assert_same(batches(view), first)
    assert len(calls) > 0
