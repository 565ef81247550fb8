"""LogME and the H-score against other ways to compute the same."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from headstart.heads.evaluation.transferability import h_score, log_me

EXACT = 1e-6


def data(rows, width, classes=3, seed=0, apart=1.0):
    rng = np.random.default_rng(seed)
    targets = np.arange(rows) % classes
    centres = rng.normal(size=(classes, width)) * apart
    x = np.maximum(rng.normal(size=(rows, width)) + centres[targets], 0)
    return x * rng.uniform(0.2, 3, width), targets


def log_me_by_search(x, targets):
    """The evidence as the density of a normal distribution, its two precisions searched."""
    found = []
    for number in np.unique(targets):
        y = (targets == number).astype(float)

        def negative(logs, y=y):
            alpha, beta = np.exp(np.clip(logs, -15, 15))
            covariance = np.eye(len(y)) / beta + x @ x.T / alpha
            return -multivariate_normal(np.zeros(len(y)), covariance).logpdf(y)

        starts = [(a, b) for a in (-2.0, 2.0, 6.0) for b in (0.0, 3.0)]
        options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
        best = min(
            (minimize(negative, s, method="Nelder-Mead", options=options) for s in starts),
            key=lambda one: one.fun,
        )
        found.append(-best.fun / len(y))
    return np.mean(found)


@pytest.mark.parametrize(
    ("rows", "width"), [(60, 8), (30, 50), pytest.param(40, 40, marks=pytest.mark.slow)]
)
def test_log_me_is_the_maximum_of_the_evidence(rows, width):
    x, targets = data(rows, width)
    assert log_me(x, targets) == pytest.approx(log_me_by_search(x, targets), abs=EXACT)


def test_log_me_is_higher_where_features_tell_the_classes_apart():
    scores = [log_me(*data(300, 20, apart=apart)) for apart in (0.0, 0.3, 1.0, 3.0)]
    assert scores == sorted(scores)


def test_log_me_takes_features_that_are_constant_or_doubled():
    x, targets = data(60, 8)
    wider = np.hstack([x, x, np.ones((60, 1)), np.zeros((60, 3))])
    assert np.isfinite(log_me(wider, targets))


def h_score_by_definition(x, targets):
    centred = x - x.mean(axis=0)
    means = np.array([centred[targets == t].mean(axis=0) for t in targets])
    n = len(x)
    return float(np.trace(np.linalg.pinv(centred.T @ centred / n) @ (means.T @ means / n)))


@pytest.mark.parametrize(("rows", "width"), [(90, 7), (400, 30)])
def test_the_h_score_is_that_of_its_definition(rows, width):
    x, targets = data(rows, width)
    assert h_score(x, targets, 0.0) == pytest.approx(h_score_by_definition(x, targets), abs=EXACT)


def test_the_shrunk_h_score_is_that_of_the_shrunk_covariance():
    from sklearn.covariance import LedoitWolf

    x, targets = data(50, 80)
    model = LedoitWolf().fit(x)
    centred = x - x.mean(axis=0)
    means = np.array([centred[targets == t].mean(axis=0) for t in targets])
    between = (1 - model.shrinkage_) * means.T @ means / len(x)
    expected = np.trace(np.linalg.inv(model.covariance_) @ between)
    assert h_score(x, targets) == pytest.approx(expected, rel=EXACT)


def test_the_h_score_does_not_depend_on_the_features_units():
    x, targets = data(200, 10)
    mixed = x @ np.random.default_rng(5).normal(size=(10, 10)) + 7
    assert h_score(mixed, targets, 0.0) == pytest.approx(h_score(x, targets, 0.0), abs=EXACT)


def test_the_h_score_lies_between_nothing_and_one_less_than_the_classes():
    x, targets = data(400, 6, classes=4, apart=40.0)
    assert 2.9 < h_score(x, targets, 0.0) <= 3 + EXACT
    noise = np.random.default_rng(0).normal(size=(4000, 6))
    assert 0 <= h_score(noise, np.arange(4000) % 4, 0.0) < 0.05
