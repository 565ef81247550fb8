"""Columns of texts that say the same are the same, however each numbers its texts."""

import numpy as np
import pyarrow as pa
import pytest

from headstart.storage.columns.arrays import are_same_texts
from headstart.storage.columns.block import Block, Lists

TEXTS = ["b", None, "a", "b", "a"]


def numbered(texts, order):
    codes = [None if text is None else order.index(text) for text in texts]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(order))


@pytest.mark.parametrize("order", [["a", "b"], ["b", "a"], ["z", "b", "a", "y"], ["b", "b", "a"]])
def test_the_order_of_the_different_texts_does_not_matter(order):
    one = numbered(TEXTS, ["a", "b"])
    assert are_same_texts(one, numbered(TEXTS, order))
    assert are_same_texts(numbered(TEXTS, order), one)
    assert are_same_texts(one[1:4], numbered(TEXTS, order)[1:4])


@pytest.mark.parametrize("other", [["b", None, "a", "b", "b"], ["b", "a", "a", "b", "a"], ["b"]])
def test_other_texts_are_others(other):
    assert not are_same_texts(numbered(TEXTS, ["a", "b"]), numbered(other, ["b", "a"]))


def test_columns_without_numbers_are_compared_as_they_are():
    assert are_same_texts(pa.array(TEXTS), pa.array(TEXTS))
    assert are_same_texts(pa.array(TEXTS), numbered(TEXTS, ["b", "a"]))
    assert not are_same_texts(pa.array(TEXTS), pa.array(TEXTS[::-1]))


def block_of(stats):
    ids = [str(number) for number in range(len(stats))]
    return Block.of(
        Lists(ids, None, [None] * len(ids), [], list(ids), stats, [None] * len(ids)), "/s"
    )


def test_slices_joined_keep_by_what_each_change_is_seen():
    stats = [(1, 2), (3, 4), (3, 4), (3, 4), (5, 6)]
    block = block_of(stats)
    for start, stop in ((0, 5), (1, 4), (2, 5)):
        parts = [block.slice(start, start + 1), block.slice(start + 1, stop)]
        joined = Block.joined(parts, "/s")
        assert joined.stats == stats[start:stop]
        assert (joined.same_stat is not None) == (len(set(stats[start:stop])) == 1)
    assert block.take(np.arange(5)) is block
