"""Neighbours of many rows vote as those of few do."""

import numpy as np

from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds, with_few
from headstart.heads.evaluation.ranking import cross_by_cells, needs_cells, rank_features
from headstart.heads.kind import Part
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.rows import ChosenRows

CLASSES = list("abcd")


def data(rows=3_000, width=24, inside=6, seed=0):
    """Clusters in few dimensions, folded as a network does."""
    rng = np.random.default_rng(seed)
    targets = np.arange(rows) % 4
    places = rng.normal(size=(20, inside))[5 * targets + rng.integers(0, 5, rows)]
    places += 0.5 * rng.normal(size=(rows, inside))
    return np.maximum(places @ rng.normal(size=(inside, width)), 0).astype(np.float32), targets


def test_they_are_nearly_all_the_same_neighbours():
    x, y = data()
    folds = split_into_folds(y, 4, classes=CLASSES, repeats=2)
    (exact,) = cross([Neighbours(10, calibrated=False)], Part(x, y), folds, jobs=1)
    found = cross_by_cells(Part(ChosenRows(x), y), folds, 10)
    assert found.settings == exact.settings and found.complexity == exact.complexity
    assert found.repeats == 2 and 0.75 < exact.accuracy < 0.99
    assert abs(found.accuracy - exact.accuracy) < 0.005
    assert np.abs(found.probabilities - exact.probabilities).mean() < 0.01
    np.testing.assert_array_equal(found.draws, exact.draws)


def test_rows_of_the_group_that_is_tried_have_no_vote():
    x, y = data(200)
    x, y, groups = np.repeat(x, 20, axis=0), np.repeat(y, 20), np.repeat(np.arange(200), 20)
    x = x + np.random.default_rng(1).normal(scale=1e-3, size=x.shape).astype(np.float32)
    names = [str(group) for group in groups]
    folds = split_into_folds(y, 4, classes=CLASSES, groups=names)
    part = Part(x, y, groups=groups)
    (exact,) = cross([Neighbours(10, calibrated=False)], part, folds, jobs=1)
    assert abs(cross_by_cells(part, folds, 10).accuracy - exact.accuracy) < 0.03


def test_a_column_far_from_zero_hides_no_neighbours(monkeypatch):
    x, y = data(1_000)
    x[:, 0] += 32_768
    folds = split_into_folds(y, 4, classes=CLASSES)
    told = {"backbone": "net", "cut": "gap", "size": 96, "seconds": None}
    exact = rank_features(Part(x, y), folds, **told).neighbours
    monkeypatch.setattr("headstart.heads.evaluation.ranking.MOST", 0)
    found = rank_features(Part(x, y), folds, **told).neighbours
    assert exact.accuracy > 0.75
    assert abs(found.accuracy - exact.accuracy) < 0.02


def test_cells_are_for_many_rows_that_are_all_trained_on():
    part = Part(np.zeros((60_000, 1), np.float32), np.arange(60_000) % 4)
    folds = split_into_folds(part.targets, 5, classes=CLASSES)
    assert needs_cells(60_000, folds)
    assert not needs_cells(60_000, [with_few(folds[0], part.targets, 3, CLASSES)] * 5)
    few = split_into_folds(part.targets[:20_000], 5, classes=CLASSES)
    assert not needs_cells(20_000, few)
