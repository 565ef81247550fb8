"""Folds of several labels: each has its share of each, and groups stay together."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.descent import folds_of as folds_asked
from headstart.heads.evaluation.folds import held_out_labels, label_folds
from headstart.heads.kind import Part
from headstart.heads.labelled import Labelled
from headstart.heads.trials.by_task import folds_of, mixed_folds

ROWS = 400
SHARES = (0.5, 0.3, 0.05, 0.02, 0.98)


@pytest.fixture
def targets():
    """Labels of which some are on few rows, and one on nearly all."""
    rng = np.random.default_rng(0)
    return (rng.random((ROWS, len(SHARES))) < SHARES).astype(np.float32)


def off(targets, folds):
    """By how many samples a fold's count of a label is off its share, at most."""
    counts = np.array([targets[fold.test].sum(axis=0) for fold in folds])
    return np.abs(counts - targets.sum(axis=0) / len(folds)).max()


@pytest.mark.parametrize("seed", range(5))
def test_each_fold_has_its_share_of_each_label(targets, seed):
    labelled = Labelled(np.arange(ROWS), targets, list("abcde"), None)
    folds = folds_of(hs.MultiLabel(), labelled, 5, seed=seed)
    assert off(targets, folds) <= 1.5 < 3 < off(targets, mixed_folds(ROWS, 5, seed=seed))
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 2
    tested = np.concatenate([fold.test for fold in folds])
    assert np.array_equal(np.sort(tested), np.arange(ROWS))
    for fold in folds:
        assert np.array_equal(np.setdiff1d(np.arange(ROWS), fold.test), fold.train)


def test_repeats_deal_anew_and_a_seed_deals_alike(targets):
    one, other = label_folds(targets, 2, repeats=2, seed=3)[::2]
    assert one.test.tolist() != other.test.tolist()
    assert label_folds(targets, 2, seed=4)[0].test.tolist() == other.test.tolist()


def test_groups_stay_together_and_each_fold_has_its_share_all_the_same(targets):
    groups = [f"patient {n % 150}" for n in range(ROWS)]
    folds = label_folds(targets, 4, groups)
    for fold in folds:
        assert not {groups[n] for n in fold.test} & {groups[n] for n in fold.train}
    assert off(targets, folds) <= 4


def test_a_label_on_two_samples_is_never_held_out_whole():
    targets = np.zeros((20, 2), np.float32)
    targets[:10, 0], targets[[3, 7], 1] = 1, 1
    for seed in range(20):
        for fold in label_folds(targets, 5, seed=seed):
            assert targets[fold.train, 1].sum() >= 1
        fold = held_out_labels(targets, None, seed)
        assert targets[fold.train, 1].sum() >= 1 and len(fold.test) == 4


def test_the_only_sample_of_a_label_is_not_held_out():
    targets = np.zeros((20, 2), np.float32)
    targets[:10, 0], targets[3, 1] = 1, 1
    assert all(3 in held_out_labels(targets, None, seed).train for seed in range(20))


@pytest.mark.parametrize("has_groups", [False, True])
def test_what_is_trained_on_has_and_lacks_each_label_wherever_all_do(has_groups):
    rng = np.random.default_rng(0)
    for seed in range(400):
        rows, labels = rng.integers(6, 80), rng.integers(1, 12)
        targets = (rng.random((rows, labels)) < rng.uniform(0.02, 0.98, labels)).astype(np.float32)
        groups = [str(one) for one in rng.integers(0, max(5, rows // 3), rows)]
        fold = held_out_labels(targets, groups if has_groups else None, seed)
        for sides in (targets > 0, targets == 0):
            assert (sides[fold.train].any(axis=0) == sides.any(axis=0)).all(), seed
        units = groups if has_groups else range(rows)
        assert not {units[n] for n in fold.train} & {units[n] for n in fold.test}
        # Of none but where each of few groups alone has a label, or alone is without one.
        assert len(fold.test) or rows < 20, seed


def test_too_few_groups_are_refused(targets):
    with pytest.raises(HeadError, match="there are 2 groups to try heads on, fewer than the 3"):
        label_folds(targets, 3, ["a", "b"] * (ROWS // 2))


def test_a_network_is_asked_of_each_label_in_proportion_and_never_of_the_only_one(targets):
    targets[:, 3] = 0
    targets[17, 3] = 1
    train = Part(np.random.default_rng(1).normal(size=(ROWS, 3)).astype(np.float32), targets)
    empty = Part(train.features[:0], targets[:0])
    for seed in range(5):
        asked = folds_asked(train, empty, seed)
        assert asked[17] == -1
        counts = np.array([targets[asked == fold].sum(axis=0) for fold in range(asked.max() + 1)])
        assert np.abs(counts[:, :3] - targets[:, :3].sum(axis=0) / 5).max() <= 1.5
