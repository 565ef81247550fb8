"""Batches of mixed passes: which rows they hold, in which order, for a seed."""

import numpy as np
import pytest
from rows_in_shards import ROWS, view_of

from headstart.storage import row_reader, windows
from headstart.storage.encoding import Encoding

SMALL = 300 * 400
"""Bytes of a window of some chunks."""


@pytest.fixture(params=[SMALL, 24 << 20])
def window(request, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", request.param)
    return request.param


def rows_in_order(view, window, seed):
    """The order of a pass as it has been from the first: chunks in any order, and rows mixed among
    those that fit into a window."""
    rng = np.random.default_rng((seed, 0))
    chunks = view._reader.chunk_of(view._places)
    blocks = [np.flatnonzero(chunks == chunk) for chunk in np.unique(chunks)]
    found, gathered = [], []
    for number in [*rng.permutation(len(blocks)), None]:
        is_full = number is None or (
            sum(map(len, gathered)) + len(blocks[number]) > window // view._reader.row_bytes
        )
        if gathered and is_full:
            rows = np.concatenate(gathered)
            found.append(rows[rng.permutation(len(rows))])
            gathered = []
        if number is not None:
            gathered.append(blocks[number])
    return np.concatenate(found)


@pytest.mark.parametrize("packed", ["none", "gzip"])
@pytest.mark.parametrize("is_in_order", [False, True])
@pytest.mark.parametrize("part", [slice(None), slice(0, None, 3)])
def test_a_seed_gives_the_batches_that_it_always_gave_bit_for_bit(
    store, window, part, is_in_order, packed
):
    view, plain = view_of(store, (100,), Encoding("float32", "float32", packed))
    chosen = np.arange(ROWS)
    if is_in_order:
        chosen = np.lexsort((view._places.row, view._places.shard))
    view, plain = view.take(chosen[part]), plain[chosen[part]]
    for seed in range(3):
        order = rows_in_order(view, window, seed)
        batches = list(view.batches(37, shuffle=True, seed=seed))  # each is kept
        assert [len(rows) for rows, _ in batches[:-1]] == [37] * (len(view) // 37)
        np.testing.assert_array_equal(np.concatenate([rows for rows, _ in batches]), plain[order])
        labels = [label for _, labels in batches for label in labels]
        assert labels == [view.labels[row] for row in order]


def test_a_batch_larger_than_a_window_is_made_of_several(store, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", SMALL)
    view, plain = view_of(store, (100,))
    order = rows_in_order(view, SMALL, 5)
    first, second = view.batches(800, shuffle=True, seed=5)
    np.testing.assert_array_equal(first[0], plain[order[:800]])
    np.testing.assert_array_equal(second[0], plain[order[800:]])
    in_order = [rows for rows, _ in view.batches(800)]
    np.testing.assert_array_equal(np.concatenate(in_order), plain)


def test_rows_that_were_given_out_are_the_callers_own(store, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", SMALL)
    monkeypatch.setattr(row_reader, "FEW_BYTES", 0)
    view, plain = view_of(store, (3, 5))
    order = rows_in_order(view, SMALL, 0)
    found = []
    for rows, _ in view.batches(50, shuffle=True):
        found.append(rows.copy())
        rows[:] = -1
    np.testing.assert_array_equal(np.concatenate(found), plain[order])


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("packed", ["none", "gzip"])
@pytest.mark.parametrize("size", [1, 301, 899, ROWS, 10**12])
def test_batches_of_any_size_hold_each_row_once_with_its_label(
    store, monkeypatch, packed, shuffle, size
):
    monkeypatch.setattr(windows, "WINDOW_BYTES", SMALL)
    view, plain = view_of(store, (100,), Encoding("float32", "float32", packed))
    order = rows_in_order(view, SMALL, 4) if shuffle else np.arange(ROWS)
    batches = list(view.batches(size, shuffle=shuffle, seed=4))
    size = min(size, ROWS)
    assert [len(rows) for rows, _ in batches] == [
        size, *[size] * (ROWS // size - 1), *([ROWS % size] if ROWS % size else [])
    ]  # fmt: skip
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in batches]), plain[order])
    labels = [label for _, labels in batches for label in labels]
    assert labels == [view.labels[row] for row in order]
