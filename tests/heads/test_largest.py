"""The largest of many values are those of a sort, and votes those of a product, ties included."""

import numpy as np
import pytest

from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.largest import GROUP, largest, ranked, votes_of

SHAPES = [(5, 1, 1), (7, 40, 3), (3, 40 * GROUP, 39), (4, 40 * GROUP + 5, 7), (2, 300, 300)]


@pytest.mark.parametrize(("rows", "width", "count"), SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_they_are_those_of_a_sort(rows, width, count, seed):
    values = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    expected = np.sort(values, axis=1)[:, ::-1][:, :count]
    which, some = ranked(values, count)
    np.testing.assert_array_equal(some, expected)
    np.testing.assert_array_equal(np.take_along_axis(values, which, axis=1), expected)
    assert all(len({*own}) == count for own in largest(values, count).tolist())


def plain(values, count, weights):
    least = np.sort(values, axis=1)[:, -count, None]
    return ((values >= least) & np.isfinite(values)).astype(np.float32) @ weights


@pytest.mark.parametrize("different", [2, 30, 10_000])
def test_votes_are_those_of_all_that_are_as_large(different):
    """Of few different values most rows have ties, also beyond what was taken."""
    rng = np.random.default_rng(different)
    values = rng.integers(0, different, (50, 400)).astype(np.float32)
    values[rng.random(values.shape) < 0.3] = -np.inf
    values[0] = -np.inf
    values[1, 3:] = -np.inf
    weights = rng.integers(0, 5, (400, 3)).astype(np.float32)
    found = votes_of(values, (1, 2, 50, 400), weights)
    for count, votes in found.items():
        np.testing.assert_array_equal(votes, plain(values, count, weights))


@pytest.mark.parametrize("rows", [0, 1, 90])
@pytest.mark.parametrize("activation", ["shares", "softmax"])
def test_a_head_of_neighbours_says_what_its_layers_say_one_after_the_other(
    rows, activation, monkeypatch
):
    monkeypatch.setattr("headstart.heads.dense_stack.BLOCK", 5_000)
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (rows, 6)).astype(np.float32)
    near = Layer(rng.integers(0, 3, (6, 200)).astype(np.float32), np.zeros(200, "f4"), "top_9")
    votes = Layer(rng.random((200, 4)).astype(np.float32), np.zeros(4, np.float32), activation)
    said = DenseStack((near, votes), tuple("abcd")).predict_proba(x)
    np.testing.assert_allclose(said, votes.run(near.run(x)), rtol=1e-5)
    assert said.shape == (rows, 4)
