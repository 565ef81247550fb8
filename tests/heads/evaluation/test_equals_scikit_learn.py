"""Fits, folds and their null distribution beside scikit-learn's on fixed arrays."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression, RidgeClassifier, RidgeCV
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    LeaveOneOut,
    PredefinedSplit,
    cross_val_score,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headstart as hs
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.kind import Part

STRENGTH = 0.05


def wine():
    found = load_wine()
    return found.data.astype(np.float32), found.target


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, tol=1e-8, max_iter=5000))


def same_folds(y, folds):
    where = np.empty(len(y), int)
    for number, fold in enumerate(folds):
        where[fold.test] = number
    return PredefinedSplit(where)


def accuracy(x, y, folds):
    (found,) = cross([hs.Linear((STRENGTH,))], Part(x, y), folds, jobs=1)
    return np.array([found.right[fold.test].mean() for fold in folds])


def test_a_cross_validation_is_cross_val_score():
    x, y = wine()
    noisy = x + np.random.default_rng(0).normal(size=x.shape).astype(np.float32) * x.std(axis=0) * 2
    folds = split_into_folds(y, 5, classes=(0, 1, 2))
    theirs = cross_val_score(logistic(), noisy, y, cv=same_folds(y, folds))
    np.testing.assert_allclose(accuracy(noisy, y, folds), theirs, atol=1e-12)
    assert 0.6 < theirs.mean() < 0.95


def test_labels_that_are_permuted_have_the_null_distribution_of_permutation_test_score():
    x, y = wine()
    folds = split_into_folds(y, 4, classes=(0, 1, 2))
    count, seed = 12, 3
    real, null, value = permutation_test_score(
        logistic(), x, y, cv=same_folds(y, folds), n_permutations=count, random_state=seed
    )
    chance = np.random.RandomState(seed)
    permuted = [y[chance.permutation(len(y))] for _ in range(count)]
    ours = [accuracy(x, labels, folds).mean() for labels in permuted]
    # a sample on the border may fall to either side by the stop of one of the two solvers
    np.testing.assert_allclose(sorted(ours), sorted(null), atol=0.006)
    assert np.median(np.abs(np.sort(ours) - np.sort(null))) < 1e-12
    mean = accuracy(x, y, folds).mean()
    assert mean == pytest.approx(real, abs=1e-12)
    assert (sum(one >= mean for one in ours) + 1) / (count + 1) == pytest.approx(value)


def test_the_penalty_of_ridge_is_that_of_ridge_cv_row_by_row():
    x, y = wine()
    target = y[:, None].astype(np.float32) - 1
    penalties = (0.1, 1.0, 10.0, 100.0)
    fitted = hs.Ridge(penalties).fit_numbers(Part(x, target), Part(x[:0], target[:0]))
    z = StandardScaler().fit_transform(x)
    theirs = RidgeCV(penalties, cv=LeaveOneOut(), scoring="neg_mean_squared_error").fit(z, target)
    assert fitted.details["chosen"] == theirs.alpha_
    given = DenseStack(fitted.layers, ()).predict_proba(x)
    np.testing.assert_allclose(given[:, 0], theirs.predict(z).ravel(), atol=1e-4)


def test_calibrated_probabilities_are_near_those_of_calibrated_classifier_cv():
    found = load_digits()
    x, y = found.data.astype(np.float32), found.target
    wide = found.data
    train, test = slice(0, 900), slice(900, None)
    fitted = hs.Ridge((10.0,)).fit(Part(x[train], y[train]), Part(x[:0], y[:0]), 10, 0)
    ours = DenseStack(fitted.layers, tuple(range(10))).predict_proba(x[test])
    plain = make_pipeline(StandardScaler(), RidgeClassifier(10.0))
    theirs = CalibratedClassifierCV(plain, method="temperature", cv=5, ensemble=False)
    theirs = theirs.fit(wide[train], y[train]).predict_proba(wide[test])
    ours = ours.astype(np.float64) / ours.sum(axis=1, keepdims=True, dtype=np.float64)
    assert log_loss(y[test], ours) == pytest.approx(log_loss(y[test], theirs), abs=0.03)
    assert np.abs(ours - theirs).mean() < 0.02
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.99
