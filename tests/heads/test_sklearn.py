"""Heads as scikit-learn's estimators."""

import dataclasses
import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.kinds.every_kind import KINDS
from headstart.sklearn import HeadClassifier, HeadRegressor

WAIVERS = {
    "check_sample_weight_equivalence_on_dense_data": "to 1e-7, and features are float32",
}
"""What `check_estimator` asks and is not held; docs/heads.md says so."""


@pytest.mark.parametrize("kind", ["linear", "prototype", "ridge", "svm"])
def test_scikit_learn_takes_it_for_one_of_its_own(kind):
    results = check_estimator(
        HeadClassifier(kind), on_fail=None, on_skip=None, expected_failed_checks=WAIVERS
    )
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"}
    assert not failed


def test_scikit_learn_takes_the_regressor_for_one_of_its_own():
    results = check_estimator(
        HeadRegressor(), on_fail=None, on_skip=None, expected_failed_checks=WAIVERS
    )
    failed = {r["check_name"]: str(r["exception"]) for r in results if r["status"] == "failed"}
    assert not failed


OURS = ("linear", "mlp", "neighbours", "prototype", "ridge", "svm")


def test_every_setting_of_our_kinds_is_a_parameter():
    for made, kinds in ((HeadClassifier, OURS), (HeadRegressor, ("ridge", "mlp"))):
        known = set(inspect.signature(made).parameters)
        fields = {field.name for kind in kinds for field in dataclasses.fields(KINDS[kind])}
        assert fields - known <= ({"label_smoothing"} if made is HeadRegressor else set())


def test_settings_are_given_one_by_one_or_together():
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = (rng.normal(size=(90, 8)) + rng.normal(size=(3, 8))[y]).astype(np.float32)
    one = HeadClassifier("linear", strengths=(0.03,)).fit(x, y)
    other = HeadClassifier("linear", {"strengths": (0.03,)}).fit(x, y)
    np.testing.assert_array_equal(one.predict_proba(x), other.predict_proba(x))
    assert clone(one).get_params()["strengths"] == (0.03,)
    with pytest.raises(HeadError, match="strengths is given twice"):
        HeadClassifier("linear", {"strengths": (1,)}, strengths=(2,)).fit(x, y)
    with pytest.raises(HeadError, match="kind linear has no setting 'hidden'"):
        HeadClassifier("linear", hidden=(4,)).fit(x, y)
    search = GridSearchCV(HeadClassifier(), {"strengths": [(1e-4,), (1e-1,)]}, cv=3).fit(x, y)
    assert search.best_params_["strengths"] in [(1e-4,), (1e-1,)]


def test_the_regressor_says_what_scikit_learns_ridge_says():
    data = load_diabetes()
    x, y = data.data[:300].astype(np.float32), data.target[:300]
    both = np.stack([y, -2 * y + 5], axis=1)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = RidgeCV((1.0, 10.0, 100.0)).fit(scaled, y)
    ours = HeadRegressor(penalties=(1.0, 10.0, 100.0)).fit(x, y)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(scaled), rtol=1e-3)
    assert ours.score(x, y) == pytest.approx(theirs.score(scaled, y), abs=1e-4)
    two = HeadRegressor(penalties=(10.0,)).fit(x, both).predict(x)
    assert two.shape == (300, 2)
    np.testing.assert_allclose(two[:, 1], -2 * two[:, 0] + 5, rtol=1e-3, atol=1e-2)
    mlp = HeadRegressor("mlp", hidden=(16,), epochs=60, learning_rate=0.01)
    assert cross_val_score(mlp, x, y, cv=3).mean() > 0.2
    with pytest.raises(HeadError, match="gives no numbers"):
        HeadRegressor("prototype").fit(x, y)


def test_it_gives_what_the_head_gives(ready):
    view = ready.extract("net", "pics")
    train, test = view.split("train"), view.split("test")
    model = HeadClassifier("linear", {"strengths": (1.0,)})
    found = model.fit(train.to_numpy(), np.array(train.labels)).predict_proba(test.to_numpy())
    (one,) = ready.sweep(
        "pics", ["net"], [hs.Linear((1.0,))], trying=hs.CrossValidation(folds=3), jobs=1
    ).trials
    assert found.shape == (len(test), 3) and one.crossed.settings["strength"] == 1.0
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_weight_of_two_is_two_rows():
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = (rng.normal(size=(150, 8)) + rng.normal(size=(3, 8))[y]).astype(np.float32)
    twice = rng.random(150) < 0.3
    weighted = HeadClassifier("linear", {"strengths": (0.1,)})
    weighted.fit(x, y, sample_weight=np.where(twice, 2, 1))
    copied = HeadClassifier("linear", {"strengths": (0.1,)})
    copied.fit(np.concatenate([x, x[twice]]), np.concatenate([y, y[twice]]))
    plain = HeadClassifier("linear", {"strengths": (0.1,)}).fit(x, y)
    expected = copied.predict_proba(x)
    np.testing.assert_allclose(weighted.predict_proba(x), expected, atol=1e-3)
    assert np.abs(plain.predict_proba(x) - expected).max() > 0.01


def test_it_works_in_searches():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = rng.normal(size=(120, 10)) + 2 * rng.normal(size=(3, 10))[y]
    grid = {"settings": [{"strengths": (c,)} for c in (1e-4, 1e-1)]}
    search = GridSearchCV(HeadClassifier(), grid, cv=3).fit(x, y)
    assert search.best_score_ > 0.9
    mlp = HeadClassifier("mlp", {"epochs": 150, "hidden": (16,)})
    assert cross_val_score(mlp, x, y, cv=3).mean() > 0.8


def test_a_setting_that_the_kind_does_not_have_is_refused_with_the_nearest_one():
    x, y = np.eye(4, dtype=np.float32), [0, 1, 0, 1]
    with pytest.raises(HeadError, match=r"kind linear has no setting 'strenghts'\. Did you mean"):
        HeadClassifier("linear", {"strenghts": (0.1,)}).fit(x, y)
    with pytest.raises(HeadError, match="no head kind 'forest'"):
        HeadClassifier("forest").fit(x, y)


@pytest.mark.parametrize("estimator", [HeadRegressor(), HeadClassifier("ridge")])
@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (-1, "row 3 is -1: give 0, or"),
        (1e-300, "row 3 is 1e-300"),
        (1e300, r"row 3 is 1e\+300"),
        (0, "at least one non-zero number"),
    ],
)
def test_weights_that_are_none_are_refused(estimator, weight, said):
    """Those below 0 were left out without a word."""
    weights = np.full(20, weight) if weight <= 0 else np.ones(20)
    weights[:3], weights[3] = (1 if weight else 0), weight
    with pytest.raises(ValueError, match=said):
        estimator.fit(np.eye(20), np.arange(20) % 2, sample_weight=weights)


def test_numbers_that_float32_does_not_hold_are_refused():
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0)
    for factor in (1e40, 1e200):
        with pytest.raises(ValueError, match="a number to learn is as large as"):
            HeadRegressor().fit(x, y * factor)
    with pytest.raises(ValueError, match=r"row 0 of the features holds .*e\+36, beyond"):
        HeadRegressor().fit(x * 1e37, y)
