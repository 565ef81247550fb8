"""Features that lie far from zero: a head says of them what it says of the same near it."""

import numpy as np
import pytest
from task_rows import KINDS

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.kind import Part
from headstart.heads.origins import FAR, fit_near_zero, origin_of
from headstart.heads.tasks import Classification, MultiLabel, Ordinal
from headstart.sklearn import HeadClassifier

SAME = 0.015
"""Of 1,000 samples that are tried, so many may be decided otherwise."""
CLOSE = {"mlp": 0.05}
"""Between probabilities; an mlp takes its steps in float32."""


def base(rows, width=12, classes=3, seed=0):
    """Eighths, so that a sum with up to 2^20 is exact in float32; their mean is near 0."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, rows)
    centres = np.random.default_rng(99).normal(size=(classes, width)) * 0.55
    x = rng.normal(size=(rows, width)) + centres[targets]
    return (np.round(x * 8) / 8).astype(np.float32), targets


def around_the_mean(x):
    """Around the mean of the train part, as float32 has it at 2^20."""
    mean = base(400)[0].mean(axis=0, dtype=np.float64)
    return x - ((mean + 2**20).astype(np.float32) - 2.0**20)


def parts(moved):
    return [
        Part(moved(x).astype(np.float32), y)
        for x, y in (base(400), base(150, seed=1), base(1000, seed=2))
    ]


def accuracy(task, kind, moved, classes=3):
    given, targets = said(task, kind, moved, classes)
    return float((given.argmax(axis=1) == targets).mean())


def said(task, kind, moved, classes=3):
    train, validation, test = parts(moved)
    fitted = fit_near_zero(
        lambda train, validation: task.fit(kind, train, validation, classes, 0), train, validation
    )
    stack = DenseStack(fitted.layers, tuple(range(classes)))
    return stack.predict_proba(test.features), test.targets


OFFSETS = {f"2^{power}": 2.0**power for power in (20, 16, 12, 8, 4)}


@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_costs_no_kind_any_accuracy(kind):
    plain = accuracy(Classification(), KINDS[kind], around_the_mean)
    assert plain > 0.68
    found = {
        name: accuracy(Classification(), KINDS[kind], lambda x, by=by: x + np.float32(by))
        for name, by in OFFSETS.items()
        if kind != "neighbours" or by > FAR  # else angles are those seen from zero
    }
    assert found == pytest.approx(dict.fromkeys(found, plain), abs=SAME)


@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_changes_no_probability(kind):
    near, _ = said(Classification(), KINDS[kind], around_the_mean)
    far, _ = said(Classification(), KINDS[kind], lambda x: x + np.float32(2**20))
    assert np.abs(near - far).max() < CLOSE.get(kind, 1e-3)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"neighbours"}))
def test_columns_in_other_units_and_far_away_cost_none_either(kind):
    units = np.array([2.0**17, 1, 2.0**-17] * 4)
    plain = accuracy(Classification(), KINDS[kind], lambda x: x)
    found = accuracy(Classification(), KINDS[kind], lambda x: x * units + units * 2.0**20)
    assert found == pytest.approx(plain, abs=SAME)


def test_an_offset_costs_an_ordinal_head_none():
    found = [
        accuracy(Ordinal(), hs.Linear((0.01, 0.1)), lambda x, by=by: x + np.float32(by))
        for by in (0.0, 2.0**20)
    ]
    assert found[1] == pytest.approx(found[0], abs=SAME)


@pytest.mark.parametrize("kind", ["linear", "ridge", "mlp"])
def test_an_offset_costs_several_labels_none(kind):
    found = []
    for by in (0.0, 2.0**20):
        train, validation, test = (
            Part(one.features, np.eye(3, dtype=np.float32)[one.targets])
            for one in parts(lambda x, by=by: x + np.float32(by))
        )
        fitted = fit_near_zero(
            lambda train, validation: MultiLabel().fit(KINDS[kind], train, validation, 3, 0),
            train,
            validation,
        )
        given = DenseStack(fitted.layers, (0, 1, 2)).predict_proba(test.features)
        found.append(float(((given > 0.5) == (test.targets > 0)).mean()))
    assert found[1] == pytest.approx(found[0], abs=SAME) and found[0] > 0.7


def test_numbers_are_found_from_features_far_away():
    rng = np.random.default_rng(0)
    x = (np.round(rng.normal(size=(300, 5)) * 8) / 8).astype(np.float32)
    y = x @ np.array([1.0, -2, 0.5, 0, 3])[:, None]
    far = x + np.float32(2**20)
    fitted = fit_near_zero(
        lambda train, validation: hs.Regression().fit(hs.Ridge(), train, validation, 0, 0),
        Part(far, y),
        Part(far[:0], y[:0]),
    )
    given = DenseStack(fitted.layers, ()).predict_proba(far)
    assert np.abs(given - y).max() < 1e-3


def test_heads_that_are_tried_on_folds_do_not_mind_an_offset():
    x, y = base(300)
    folds = split_into_folds(y, 3, classes=(0, 1, 2))
    kinds = [hs.Linear((0.01,)), hs.Neighbours(10), hs.Prototype()]
    found = [
        [one.accuracy for one in cross(kinds, Part(x + np.float32(by), y), folds, jobs=1)]
        for by in (0.0, 2.0**20)
    ]
    assert found[1] == pytest.approx(found[0], abs=2 * SAME)


def test_the_classifier_of_scikit_learn_does_not_mind_an_offset():
    x, y = base(400)
    found = [
        HeadClassifier("linear").fit(x + by, y).score(x + by, y)
        for by in (np.float32(0), np.float32(2**20))
    ]
    assert found[1] == pytest.approx(found[0], abs=SAME)


def test_only_columns_far_from_zero_are_moved():
    x, _ = base(600)
    assert origin_of(x) is None
    assert origin_of(np.abs(x)) is None  # as behind a relu
    x[:, 3] += 1000
    x[:, 5] = 0.5  # a constant, as a flag that is the same everywhere
    x[:, 6] = 1e6
    origin = origin_of(x)
    assert origin is not None and origin.dtype == np.float32
    assert np.flatnonzero(origin).tolist() == [3, 6]
    assert origin[3] == pytest.approx(1000, abs=1) and origin[6] == 1e6


def test_a_head_near_zero_is_stored_as_ever_and_one_with_an_origin_is_not(tmp_path):
    for by, version in ((0, 1), (2**20, 2)):
        train, validation, test = parts(lambda x, by=by: x + np.float32(by))
        fitted = fit_near_zero(
            lambda train, validation: hs.Linear((0.01,)).fit(train, validation, 3, 0),
            train,
            validation,
        )
        stack = DenseStack(fitted.layers, ("a", "b", "c"))
        file = tmp_path / f"{version}.npz"
        file.write_bytes(stack.to_bytes())
        with np.load(file) as arrays:
            assert f'"headstart.dense-stack/{version}"' in str(arrays["head"])
            assert ("origin" in arrays) == (version == 2)
        again = DenseStack.read(file)
        np.testing.assert_array_equal(
            again.predict_proba(test.features), stack.predict_proba(test.features)
        )


def test_an_unknown_format_is_refused(tmp_path):
    from headstart.heads.layers.archives import archive

    file = tmp_path / "later.npz"
    file.write_bytes(archive("headstart.dense-stack/7", {}, {}))
    with pytest.raises(HeadError, match="dense-stack/7"):
        DenseStack.read(file)
