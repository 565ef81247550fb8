"""Heads of folds that are alike: what one run of cross-validation says of how sure it is."""

import numpy as np
import pytest

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.bootstrap import Unseen
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.winner import winner_of

APART, SURE = 3.0, 6.0


def crossed(rng, samples, folds, candidates=1, width=None, shots=None):
    """Least squares of as many features as samples, cross-validated once on stratified folds, each
    candidate with features of its own: where it is right, and its log losses."""
    y, width = np.arange(samples) % 2, width or samples
    signs = 2.0 * y - 1
    x = signs[:, None] * APART / 2**0.5 / width**0.5 * np.ones(width)
    x = x + rng.standard_normal((candidates, samples, width))
    products = x @ x.swapaxes(1, 2)
    mixed, numbers = rng.permutation(samples), np.empty(samples, int)
    numbers[mixed[np.argsort(y[mixed], kind="stable")]] = np.arange(samples) % folds
    outputs, taken = np.zeros((candidates, samples)), 1 - 1 / folds
    for fold in range(folds):
        test, train = numbers == fold, np.flatnonzero(numbers != fold)
        if shots is not None:
            train = np.concatenate([rng.permutation(train[y[train] == c])[:shots] for c in (0, 1)])
            taken = len(train) / samples
        known = products[:, train][:, :, train] + np.eye(len(train))
        ones = np.broadcast_to(signs[train, None] / 2, (candidates, len(train), 1))
        weights = np.linalg.solve(known, ones)
        outputs[:, test] = (products[:, test][:, :, train] @ weights)[..., 0]
    logits = 2 * SURE * outputs * signs
    losses = np.minimum(np.logaddexp(0, -logits), 36.04)
    numbers = numbers[None]
    unseen = [Unseen(0.0, float(np.logaddexp(0, np.abs(one)).mean())) for one in logits]
    return [
        (
            Outcomes(logits[one : one + 1] > 0, numbers, taken),
            Outcomes(losses[one : one + 1].astype(np.float32), numbers, taken, unseen=unseen[one]),
        )
        for one in range(candidates)
    ]


def held(found):
    """In which share of the intervals the mean over all runs lies, and the runs' means."""
    truth = np.mean([mean for mean, _ in found])
    return np.mean([low <= truth <= high for _, (low, high) in found])


def test_a_log_loss_that_was_cross_validated_once_is_known_as_well_as_that_of_one_fold():
    """Nadeau and Bengio's widening held the mean in .88."""
    rng, ends = np.random.default_rng(21), []
    for _ in range(200):
        ((_, losses),) = crossed(rng, 80, 10)
        assert losses.alike == pytest.approx(10)
        ends.append((losses.mean, losses.interval))
    assert held(ends) >= 0.95


def test_of_equally_good_heads_whose_log_losses_were_tried_once_none_is_worse():
    """One was called worse in .18 of such runs."""
    rng, worse, ends = np.random.default_rng(22), [], []
    for _ in range(150):
        losses = [loss for _, loss in crossed(rng, 80, 10, candidates=2)]
        worse.append(worse_than_best(losses, is_loss=True).any())
        winner = winner_of(losses, "log_loss", is_loss=True)
        ends.append((np.mean([one.mean for one in losses]), winner.corrected_interval))
    assert np.mean(worse) <= 0.05
    assert held(ends) >= 0.95


def test_more_folds_do_not_make_an_accuracy_surer():
    """Of ten folds the interval held in .92, and was narrower than that of five."""
    rng, ends = np.random.default_rng(23), []
    for _ in range(300):
        ((right, _),) = crossed(rng, 80, 10, width=90)
        ends.append((right.mean, right.share_interval))
    assert held(ends) >= 0.94
    values, numbers = np.arange(200)[None] % 4 > 0, np.arange(200)[None]
    wide = [
        np.ptp(Outcomes(values, numbers % folds, 1 - 1 / folds).share_interval)
        for folds in (5, 10, 20)
    ]
    assert wide == sorted(wide)


def test_shots_that_take_nearly_all_samples_have_no_narrower_interval_than_all():
    """What one sample fewer a class changes: with it the variance between the folds counts, of few
    degrees of freedom. Both hold; the one of fewer samples is wider, and never narrower."""
    rng, few, whole, wider = np.random.default_rng(24), [], [], []
    for _ in range(200):
        ((right, losses),) = crossed(rng, 100, 5, width=50, shots=39)
        assert right.are_few and losses.are_few
        few.append((right.mean, right.share_interval))
        ((every, _),) = crossed(rng, 100, 5, width=50)
        assert not every.are_few
        whole.append((every.mean, every.share_interval))
        same = Outcomes(right.values, right.draws, 0.8)
        wider.append(np.ptp(right.share_interval) / np.ptp(same.share_interval))
    assert held(few) >= 0.93 and held(whole) >= 0.93
    assert min(wider) >= 1
