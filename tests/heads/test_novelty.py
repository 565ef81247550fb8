"""How new samples are: by the angle to the tenth nearest, as a conformal p-value."""

import numpy as np
import pytest
from scipy.stats import binom

from headstart.heads.calibration.novelty import AROUND, NoveltyScale, vectors_of


def drawn(rng, count, shift=0.0):
    rows = np.abs(rng.normal(size=(count, 24))) * (np.arange(1, 25) ** -0.5)
    rows[:, 12:] += shift
    return rows.astype(np.float32)


def test_the_distance_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    train, asked = drawn(rng, 300), drawn(rng, 20)
    unit, own = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (train, asked))
    expected = 1 - np.sort(own @ unit.T, axis=1)[:, -AROUND]
    found = NoveltyScale.of(train, asked).distances(asked)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_of_samples_like_the_held_out_ones_so_many_are_new_as_was_said(level):
    """On ten seeds together within 99.9 % of the binomial; one seed's held-out samples vary, too,
    which the number of samples asked leaves out, so each seed has as many of them."""
    new = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        scale = NoveltyScale.of(drawn(rng, 400), drawn(rng, 400))
        new += int((scale.novelty(drawn(rng, 400)) >= level).sum())
    low, high = binom(4000, 1 - level).interval(0.9999)
    assert low <= new <= high * 1.2


def test_zeros_are_as_near_zeros_as_copies_are():
    rng = np.random.default_rng(1)
    train, zeros = drawn(rng, 100), np.zeros((2, 24), np.float32)
    train[:AROUND] = 0
    assert NoveltyScale.of(train, drawn(rng, 50)).novelty(zeros).tolist() == [0, 0]
    train[0] = 1
    np.testing.assert_array_equal(NoveltyScale.of(train, train[:1]).distances(zeros), 1)


def test_what_is_unlike_all_others_is_new():
    rng = np.random.default_rng(1)
    scale = NoveltyScale.of(drawn(rng, 400), drawn(rng, 199))
    assert (scale.novelty(drawn(rng, 50, shift=3.0)) == 199 / 200).all()
    assert scale.novelty(drawn(rng, 400)).mean() == pytest.approx(0.5, abs=0.1)


def test_features_far_from_zero_have_directions_too():
    rng = np.random.default_rng(2)
    train, held, near = (drawn(rng, n) + np.float32(500) for n in (300, 200, 100))
    scale = NoveltyScale.of(train, held)
    odd = drawn(rng, 50, shift=3.0) + np.float32(500)
    assert scale.novelty(odd).min() > 0.9 and scale.novelty(near).mean() < 0.65


def test_maps_are_compared_by_their_means():
    maps = np.random.default_rng(3).normal(size=(5, 2, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(vectors_of(maps), maps.mean(axis=(1, 2)), atol=1e-6)
    assert vectors_of(maps[:, 0, 0]).shape == (5, 4)
