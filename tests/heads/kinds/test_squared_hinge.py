"""Support vector machines of few rows are those of LIBLINEAR."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from headstart.heads.kind import Part
from headstart.heads.kinds.squared_hinge import MOST_ROWS, Products, are_few
from headstart.heads.kinds.svm import SVM


def rows(count=90, classes=3, width=60, apart=0.4, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    x = rng.normal(size=(count, width)) + apart * rng.normal(size=(classes, width))[y]
    return x.astype(np.float32), y


def scores(x, y, strength, weights=None):
    strengths = strength * (np.ones(len(x)) if weights is None else weights)
    signs = np.where(y[:, None] == np.unique(y), 1.0, -1.0)
    products = Products.of(x)
    return products.gram @ products.solve(signs, strengths)


@pytest.mark.parametrize("width", [12, 60, 300])
@pytest.mark.parametrize("strength", [1e-5, 1e-3, 0.1, 1.0])
def test_they_are_liblinears(width, strength):
    x, y = rows(width=width)
    theirs = LinearSVC(C=strength, tol=1e-9, dual=False, max_iter=10_000).fit(x, y)
    found = scores(x, y, strength)
    np.testing.assert_allclose(found, theirs.decision_function(x), atol=2e-4)


def test_weights_are_strengths_of_their_own():
    x, y = rows()
    weights = np.random.default_rng(1).uniform(0.1, 5, len(x))
    theirs = LinearSVC(C=0.01, tol=1e-9, dual=False).fit(x, y, weights)
    found = scores(x, y, 0.01, weights)
    np.testing.assert_allclose(found, theirs.decision_function(x), atol=2e-4)


def test_equal_rows_of_both_signs_and_easy_ones_are_no_trouble():
    x, y = rows(apart=5.0)
    both = np.concatenate([x, x[:20]]), np.concatenate([y, (y[:20] + 1) % 3])
    for x, y in (rows(apart=5.0), both):
        theirs = LinearSVC(C=1.0, tol=1e-9, dual=False, max_iter=10_000).fit(x, y)
        np.testing.assert_allclose(scores(x, y, 1.0), theirs.decision_function(x), atol=1e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_head_is_the_same_by_both_ways(monkeypatch, classes):
    x, y = rows(classes=classes)
    part = Part(x, y, np.random.default_rng(2).uniform(0.5, 2, len(x)).astype(np.float32))
    short = SVM((0.01,)).fit(part, part.rows(slice(0)), classes, 0)
    monkeypatch.setattr("headstart.heads.kinds.svm.are_few", lambda z: False)
    long = SVM((0.01,)).fit(part, part.rows(slice(0)), classes, 0)
    for one, other in zip(short.layers, long.layers, strict=True):
        np.testing.assert_allclose(one.kernel, other.kernel, atol=5e-3)
    assert short.details["temperature"] == pytest.approx(long.details["temperature"], rel=0.02)


def test_many_rows_take_the_way_of_liblinear():
    x, y = rows(count=300, width=60)
    assert are_few(x[:240]) and not are_few(x)
    assert not are_few(np.zeros((MOST_ROWS + 1, 4096), np.float32))
    part = Part(x, y)
    assert SVM().problem(x, part, 3, 0).products is None
    assert SVM().problem(x[:240], replace(part, features=x[:240], targets=y[:240]), 3, 0).products
