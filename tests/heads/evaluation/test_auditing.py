"""Wrong labels and near duplicates that were put in are found; others hardly ever."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from headstart.errors import HeadError
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import in_turn, split_into_folds, with_few
from headstart.heads.evaluation.label_errors import find_near_duplicates, find_wrong_labels
from headstart.heads.kind import Part
from headstart.heads.kinds.linear import Linear


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return found.data.astype(np.float32), found.target


def by_the_paper(probabilities, targets):
    """Northcutt et al., equations 1 and 2, sample by sample."""
    classes = probabilities.shape[1]
    limits = [
        np.mean([p[j] for p, t in zip(probabilities, targets, strict=True) if t == j])
        for j in range(classes)
    ]
    found = {}
    for row, (shares, label) in enumerate(zip(probabilities, targets, strict=True)):
        reached = [j for j in range(classes) if shares[j] >= limits[j]]
        if reached:
            guess = max(reached, key=lambda j: shares[j])
            if guess != label:
                found[row] = guess
    return found


def test_labels_that_were_flipped_are_found(digits):
    x, truth = digits
    rng = np.random.default_rng(0)
    flipped = rng.choice(len(x), 54, replace=False)
    labels = truth.copy()
    labels[flipped] = (truth[flipped] + rng.integers(1, 10, 54)) % 10
    folds = split_into_folds(labels, 5, classes=list(range(10)))
    (judged,) = cross([Linear((0.1,))], Part(x, labels), folds, jobs=1)
    found = find_wrong_labels(judged.probabilities, labels)
    assert {one.row: one.guess for one in found} == by_the_paper(judged.probabilities, labels)
    rows = [one.row for one in found]
    true = len(set(rows) & set(flipped))
    assert true >= 0.75 * len(flipped)  # the heads themselves are right in 93 of 100
    assert true >= 0.85 * len(rows)
    assert all(one.given == labels[one.row] != one.guess for one in found)
    assert [one.margin for one in found] == sorted(one.margin for one in found)


def test_a_class_without_a_sample_is_never_a_guess():
    shares = np.array([[0.2, 0.3, 0.5], [0.1, 0.6, 0.3], [0.6, 0.1, 0.3]])
    assert find_wrong_labels(shares, np.array([0, 1, 0])) == []


def test_copies_with_a_little_noise_are_found_and_nothing_else(digits):
    x, _ = digits
    rng = np.random.default_rng(0)
    originals = rng.choice(len(x), 40, replace=False)
    copies = x[originals] + rng.normal(0, 0.05, (40, 64)).astype(np.float32)
    found = find_near_duplicates(np.concatenate([x, copies]))
    pairs = {(pair.first, pair.second) for pair in found}
    expected = {(int(one), len(x) + n) for n, one in enumerate(originals)}
    assert expected <= pairs
    assert len(pairs) <= len(expected) + 3
    assert all(0 <= pair.distance < 0.05 for pair in found)


@pytest.mark.parametrize("count", [0, 1])
def test_one_row_has_no_duplicate(count):
    assert find_near_duplicates(np.ones((count, 3), np.float32)) == []


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
