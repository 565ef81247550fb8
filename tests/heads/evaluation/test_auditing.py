"""Wrong labels and near duplicates that were put in are found; others hardly ever."""

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from sklearn.datasets import load_digits

from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import in_turn, split_into_folds, with_few
from headstart.heads.evaluation.label_errors import find_wrong_labels
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return found.data.astype(np.float32), found.target


def by_cleanlab(probabilities, targets):
    found = find_label_issues(targets, probabilities, filter_by="confident_learning", n_jobs=1)
    return set(np.flatnonzero(found).tolist())


def flipped_and_found(x, truth, share, classes):
    """Which labels were flipped, and which are called worth a look, of heads that were not trained
    on the sample."""
    rng = np.random.default_rng(0)
    flipped = rng.choice(len(x), int(share * len(x)), replace=False)
    labels = truth.copy()
    labels[flipped] = (truth[flipped] + rng.integers(1, classes, len(flipped))) % classes
    folds = split_into_folds(labels, 5, classes=list(range(classes)))
    (judged,) = cross([Linear((0.1,))], Part(x, labels), folds, jobs=1)
    found = find_wrong_labels(judged.probabilities, labels)
    assert {one.row for one in found} == by_cleanlab(judged.probabilities, labels)
    assert all(one.given == labels[one.row] != one.guess for one in found)
    assert all(one.guess == judged.probabilities[one.row].argmax() for one in found)
    assert [one.margin for one in found] == sorted(one.margin for one in found)
    return set(flipped.tolist()), {one.row for one in found}


def test_labels_that_were_flipped_are_found(digits):
    flipped, found = flipped_and_found(*digits, 0.03, 10)
    true = len(flipped & found)
    assert true >= 0.75 * len(flipped)  # the heads themselves are right in 93 of 100
    assert true >= 0.85 * len(found)


def test_of_a_rare_class_those_that_look_like_their_own_label_are_not_named():
    """A rare class is reached with little: 117 of 2,000 were named, 11 of them wrong."""
    rng = np.random.default_rng(1)
    truth = (rng.random(2000) < 0.05).astype(int)
    x = rng.normal(size=(2000, 8)) + truth[:, None] * np.array([1.2, *[0.4] * 7])
    flipped, found = flipped_and_found(x.astype(np.float32), truth, 0.01, 2)
    assert len(flipped & found) >= 0.5 * len(flipped) and len(found) < 40


def test_suspects_are_cleanlabs_on_unbalanced_classes(digits):
    x, truth = digits
    rng = np.random.default_rng(1)
    sizes = [170, 170, 100, 60, 40, 30, 25, 20, 15, 15]
    kept = [rng.permutation(np.flatnonzero(truth == k))[:size] for k, size in enumerate(sizes)]
    rows = np.concatenate(kept)
    flipped, found = flipped_and_found(x[rows], truth[rows], 0.03, 10)
    assert len(flipped & found) >= 0.9 * len(found) > 10


@pytest.mark.parametrize("seed", range(4))
def test_suspects_are_cleanlabs_whatever_the_probabilities(seed):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([6, 1, 0.5, 0.2], 3000).astype([np.float32, np.float64][seed % 2])
    targets = np.array([rng.choice(4, p=row / row.sum()) for row in shares.astype(float)])
    wrong = rng.random(3000) < 0.1
    targets[wrong] = rng.integers(0, 4, wrong.sum())
    found = {one.row for one in find_wrong_labels(shares, targets)}
    assert found == by_cleanlab(shares, targets) and len(found) > 30


def test_a_class_without_a_sample_is_never_a_guess():
    shares = np.array([[0.2, 0.3, 0.5], [0.1, 0.6, 0.3], [0.6, 0.1, 0.3]])
    assert find_wrong_labels(shares, np.array([0, 1, 0])) == []


def test_growing_parts_have_as_many_of_each_class():
    targets = np.array([0] * 50 + [1] * 5 + [2] * 20)
    order = in_turn(targets, 3)
    assert sorted(order) == list(range(75))
    assert np.bincount(targets[order[:15]]).tolist() == [5, 5, 5]
    assert np.bincount(targets[order[:45]]).tolist() == [20, 5, 20]
    assert in_turn(targets, 4).tolist() != order.tolist()


def test_few_shots_are_so_many_of_each_class(digits):
    _, y = digits
    folds = split_into_folds(y, 3, classes=list(range(10)))
    for fold in folds:
        few = with_few(fold, y, 5, list(range(10)), seed=1)
        assert np.bincount(y[few.train]).tolist() == [5] * 10
        assert set(few.train) <= set(fold.train) and few.test is fold.test
        other = with_few(fold, y, 5, list(range(10)), seed=2)
        assert set(other.train) != set(few.train)
    with pytest.raises(HeadError, match="fewer than the 500 shots"):
        with_few(folds[0], y, 500, list(range(10)))
    with pytest.raises(HeadError, match="shots is 0"):
        with_few(folds[0], y, 0, list(range(10)))
