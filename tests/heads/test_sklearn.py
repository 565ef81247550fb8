"""Heads as scikit-learn's estimators."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import headstart as hs
from headstart.errors import HeadError
from headstart.sklearn import HeadClassifier

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
