"""Answers of yes, no and unknown about labels are wrong no more often than was asked."""

import numpy as np
import pytest

from headstart.heads.calibration.label_answers import NO, UNKNOWN, YES, Between, fewest_for


def drawn(rng, count, share):
    """A head that is too sure of itself, of a label that a share of samples has."""
    has = rng.random(count) < share
    scores = rng.normal(size=count) + has + np.log(share / (1 - share))
    return (1 / (1 + np.exp(-3 * scores))).astype(np.float32), has


@pytest.mark.parametrize("level", [0.7, 0.9])
@pytest.mark.parametrize("share", [0.5, 0.15])
def test_with_and_without_a_label_coverage_is_what_was_asked_on_ten_seeds(level, share):
    """Each within 99.9 % of the beta-binomial of so many samples; of those that the head itself
    tells right more often than was asked, from below alone."""
    from scipy.stats import betabinom

    for seed in range(10):
        rng = np.random.default_rng(seed)
        said, has = drawn(rng, 400, share)
        between = Between.of(said, has, level, 0.5)
        new, truth = drawn(rng, 2000, share)
        yes, no = between.may_be(new)
        for own, held, told, calibrated in (
            (truth, yes, new >= 0.5, int(has.sum())),
            (~truth, no, new < 0.5, int((~has).sum())),
        ):
            rank = int(np.ceil((calibrated + 1) * level))
            fits = betabinom(own.sum(), rank, calibrated + 1 - rank)
            low, high = fits.interval(0.999)
            assert low <= held[own].sum() <= max(high, told[own].sum())


def test_what_the_head_says_is_never_contradicted():
    said, has = drawn(np.random.default_rng(0), 400, 0.3)
    between = Between.of(said, has, 0.8, 0.5)
    answers = between.answers(said)
    assert set(answers) == {YES, NO, UNKNOWN}
    assert (said[answers == YES] >= 0.5).all() and (said[answers == NO] < 0.5).all()
    yes, no = between.may_be(said)
    assert (yes | no).all()


def test_a_sample_has_its_answer_in_whatever_batch_it_is_asked_of():
    said, has = drawn(np.random.default_rng(0), 400, 0.3)
    between = Between.of(said, has, 0.9, 0.5)
    held = np.where(has, *between.may_be(said))
    apart = np.abs(said - 0.5) > 1e-6
    other = np.where(has, *between.may_be(said * np.float32(1 - 3e-7)))
    assert np.array_equal(held[apart], other[apart])


def test_samples_of_one_group_count_as_one():
    said = np.array([0.1, 0.2, 0.3, 0.4] * 3, np.float32)
    has, numbers = np.ones(12, bool), np.arange(12) % 4
    assert Between.of(said, has, 0.8, 0.5, numbers).yes_from == pytest.approx(0.1)
    assert np.isinf(Between.of(said, has, 0.9, 0.5, numbers).yes_from)
    assert Between.of(said, has, 0.9, 0.5).yes_from == pytest.approx(0.1)  # as twelve: enough


@pytest.mark.parametrize(("level", "count"), [(0.9, 9), (0.75, 3), (0.95, 19), (0.5, 1)])
def test_so_many_samples_are_needed(level, count):
    said = np.full(count, 0.2, np.float32)
    assert fewest_for(level) == count
    assert not np.isinf(Between.of(said, np.ones(count, bool), level, 0.5).yes_from)
    assert np.isinf(Between.of(said[1:], np.ones(count - 1, bool), level, 0.5).yes_from)
