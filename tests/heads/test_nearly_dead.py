"""Features that hardly varied while a head was fitted: what they say of others is bounded."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits
from task_rows import KINDS

import headstart as hs
from headstart.heads.bounds import BEYOND
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.evaluation.label_errors import find_wrong_labels
from headstart.heads.kind import Part
from headstart.heads.origins import bounds_of, fit_near_zero
from headstart.heads.rows import ChosenRows
from headstart.heads.tasks import MultiLabel, Ordinal
from headstart.jobs.heads.reproduce import tell_of_bounds
from headstart.notices import HeadstartNote

NOISE, VALUE = 1e-6, 0.02
"""The spread of a feature that is nearly dead, and what it is in another sample."""


def digits(rows=600):
    """Pictures of digits with a nearly dead feature behind their pixels."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:rows]
    dead = np.random.default_rng(1).normal(size=(rows, 1)) * NOISE
    return np.hstack([x[order], dead]).astype(np.float32), y[order]


def fitted(fit, train, validation):
    found = fit_near_zero(fit, train, validation)
    return DenseStack(found.layers, tuple(range(10)))


def head(kind, x, y, validation=0):
    nobody = Part(x[:validation], y[:validation])
    return fitted(
        lambda train, judging: kind.fit(train, judging, 10, 0),
        Part(x[validation:], y[validation:]),
        nobody,
    )


def said_format(stored):
    with np.load(io.BytesIO(stored)) as arrays:
        return json.loads(str(arrays["head"]))["format"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_a_dead_feature_never_had_decides_nothing(kind):
    x, y = digits()
    stack = head(KINDS[kind], x[:400], y[:400])
    asked = x[400:].copy()
    before = stack.predict_proba(asked)
    asked[:, -1] = VALUE
    after = stack.predict_proba(asked)
    right = [(given.argmax(axis=1) == y[400:]).mean() for given in (before, after)]
    assert right[0] > 0.8 and right[1] > right[0] - 0.05
    assert np.abs(after - before).mean() < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_one_such_row_among_those_that_judge_costs_no_head_its_sureness(kind):
    x, y = digits()
    plain = head(KINDS[kind], x[:400], y[:400], validation=50)
    x[7, -1] = VALUE  # in the validation split
    judged = head(KINDS[kind], x[:400], y[:400], validation=50)
    said = [stack.predict_proba(x[400:]).max(axis=1).mean() for stack in (plain, judged)]
    assert said[1] == pytest.approx(said[0], abs=0.02)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_nor_does_one_that_is_trained_on_and_left_out_in_its_turn(kind):
    x, y = digits()
    plain = head(KINDS[kind], x[:400], y[:400])
    x[7, -1] = VALUE
    judged = head(KINDS[kind], x[:400], y[:400])
    said = [stack.predict_proba(x[400:]).max(axis=1).mean() for stack in (plain, judged)]
    assert said[1] == pytest.approx(said[0], abs=0.02)


def test_nor_are_they_copied_to_choose_a_strength(monkeypatch):
    x, y = digits(400)
    seen = []

    def find(rows):
        seen.append(rows)
        return bounds_of(rows)

    monkeypatch.setattr("headstart.heads.rows.COPIED", 0)
    monkeypatch.setattr("headstart.heads.calibration.strength.bounds_of", find)
    KINDS["linear"].fit(Part(x, y), Part(x[:0], y[:0]), 10, 0)
    assert [isinstance(rows, ChosenRows) for rows in seen] == [True] * 5
    assert all(len(rows) < 400 for rows in seen)


@pytest.mark.parametrize("kind", ["linear", "prototype", "ridge", "svm"])
def test_a_right_label_is_not_accused_for_it(kind):
    x, y = digits()
    x[5, -1] = VALUE
    folds = split_into_folds(y, 5, classes=tuple(range(10)))
    (*_, found) = cross([KINDS[kind]], Part(x, y), folds, jobs=1)
    assert found.probabilities[5].argmax() == y[5]
    assert 5 not in [one.row for one in find_wrong_labels(found.probabilities, y)]


def test_heads_for_other_tasks_hold_it_too():
    x, y = digits()
    asked = x[400:].copy()
    asked[:, -1] = VALUE
    nobody = Part(x[:0], y[:0])
    order = fitted(
        lambda train, judging: Ordinal().fit(hs.Linear((0.01,)), train, judging, 10, 0),
        Part(x[:400], y[:400]),
        nobody,
    )
    several = fitted(
        lambda train, judging: MultiLabel().fit(hs.Ridge(), train, judging, 10, 0),
        Part(x[:400], np.eye(10, dtype=np.float32)[y[:400]]),
        Part(x[:0], np.zeros((0, 10), np.float32)),
    )
    number = fitted(
        lambda train, judging: hs.Regression().fit(hs.Ridge(), train, judging, 0, 0),
        Part(x[:400], y[:400, None].astype(np.float32)),
        Part(x[:0], np.zeros((0, 1), np.float32)),
    )
    for stack, most in ((order, 0.05), (several, 0.05), (number, 1.0)):
        away = np.abs(stack.predict_proba(asked) - stack.predict_proba(x[400:]))
        assert away.mean() < most


def test_rows_that_were_fitted_are_never_held():
    x, _ = digits()
    x[::50, -1] = VALUE / 100  # two hundred times the spread of the others
    bounds = bounds_of(x)
    assert bounds is not None
    np.testing.assert_array_equal(bounds.hold(x), x)


def test_rows_that_are_fitted_are_not_copied_for_it(monkeypatch):
    x, y = digits()
    seen = []

    def fit(train, validation):
        seen.append((train.features, validation.features))
        return hs.Prototype().fit(train, validation.rows(slice(0)), 10, 0)

    monkeypatch.setattr("headstart.heads.rows.COPIED", 0)
    x[0, -1] = VALUE
    stack = fitted(fit, Part(x[50:], y[50:]), Part(x[:50], y[:50]))
    ((train, validation),) = seen
    assert np.shares_memory(train, x) and not isinstance(validation, np.ndarray)
    bounds = stack.layers[0].bounds
    assert bounds is not None and validation[:][0, -1] == bounds.upper[-1]


def test_ordinary_features_have_no_bounds_and_heads_are_what_they_were():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 300)
    x = (rng.normal(size=(300, 12)) * rng.uniform(0.3, 3, 12)).astype(np.float32)
    assert bounds_of(x) is None
    stack = head(hs.Ridge(), x, y)
    plain = hs.Ridge().fit(Part(x, y), Part(x[:0], y[:0]), 10, 0).layers
    np.testing.assert_array_equal(stack.layers[0].kernel, plain[0].kernel)
    assert said_format(stack.to_bytes()) == "headstart.dense-stack/1"


@pytest.mark.parametrize(
    "units",
    [
        [1, 1e3],
        [1, 1, 1, 1, 1e3],
        [1, 1, 1, 1e3, 1e3],
        [1, 1e3, 1e3],
        [1, 1, 1, 1, 1, 1, 1, 1, 1e5, 1e5],
        [1] * 600 + [1e-3] * 600,  # features of two backbones beside each other
        np.geomspace(0.1, 10, 1280).tolist(),
    ],
)
def test_features_in_several_units_are_not_held(units):
    x = np.random.default_rng(0).normal(size=(300, len(units))) * units
    assert bounds_of(x.astype(np.float32)) is None


def test_a_regression_goes_on_where_another_column_is_in_a_larger_unit():
    x = np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)
    x[:, 4] *= 1e3
    number = fitted(
        lambda train, judging: hs.Regression().fit(hs.Ridge(), train, judging, 0, 0),
        Part(x, 2 * x[:, :1]),
        Part(x[:0], x[:0, :1]),
    )
    asked = np.zeros((1, 5), np.float32)
    asked[0, 0] = 20
    assert number.predict_proba(asked)[0, 0] == pytest.approx(40, rel=0.01)


def test_details_tell_how_many_are_held():
    x, y = digits()
    train, nobody = Part(x, y), Part(x[:0], y[:0])
    found = fit_near_zero(lambda *parts: hs.Ridge().fit(*parts, 10, 0), train, nobody)
    bounds = found.layers[0].bounds
    assert bounds is not None and found.details["held"] == bounds.count >= 1


@pytest.mark.parametrize("kind", ["linear", "ridge", "svm", "prototype"])
def test_a_feature_in_a_small_unit_counts_as_much_as_in_a_large_one(kind):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = rng.normal(size=(600, 4)) + np.eye(3, 4)[y] * 1.5
    units = np.array([1e-3, 1e5, 1.0, 1e-3])
    found = []
    for by in (np.ones(4), units):
        scaled = (x * by).astype(np.float32)
        stack = fitted(
            lambda train, judging: KINDS[kind].fit(train, judging, 3, 0),
            Part(scaled[:300], y[:300]),
            Part(scaled[:0], y[:0]),
        )
        found.append(stack.predict_proba(scaled[300:]))
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)


def test_bounds_are_of_all_rows_wherever_they_lie():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 8)).astype(np.float32)
    x[:, 1] *= NOISE
    x[:, 2] = 0
    x[[301, 19_000], 2] = 3e-3, 5e-3  # most of them are not looked at to find it
    x[:, 3] = 0
    for rows in (x, ChosenRows(x)):
        bounds = bounds_of(rows)
        assert bounds is not None
        np.testing.assert_array_equal(bounds.hold(x), x)
        assert np.flatnonzero(bounds.upper < 1e30).tolist() == [1, 2, 3]
        assert (bounds.lower[3], bounds.upper[3]) == (0, 0)
        assert bounds.upper[1] == pytest.approx(BEYOND * NOISE, rel=0.1)
        assert bounds.upper[2] == np.float32(5e-3)
        assert bounds.lower[2] == pytest.approx(-BEYOND * x[:, 2].std(), rel=0.1)


def test_a_head_with_bounds_is_stored_with_them(tmp_path):
    x, y = digits()
    stack = head(hs.Ridge(), x, y)
    file = tmp_path / "head.npz"
    file.write_bytes(stack.to_bytes())
    assert said_format(file.read_bytes()) == "headstart.dense-stack/3"
    again = DenseStack.read(file)
    x[:, -1] = VALUE
    np.testing.assert_array_equal(again.predict_proba(x), stack.predict_proba(x))


def test_a_feature_may_be_nearly_dead_far_from_zero():
    x, y = digits()
    x[:, -1] += 1
    stack = head(hs.Prototype(), x[:400], y[:400])
    assert stack.layers[0].origin is not None
    asked = x[400:].copy()
    asked[:, -1] += VALUE
    assert np.abs(stack.predict_proba(asked) - stack.predict_proba(x[400:])).max() < 0.3


def test_a_head_of_before_that_is_trained_again_says_why_it_differs():
    x, y = digits()
    now = head(hs.Prototype(), x, y)
    layers = (replace(now.layers[0], bounds=None),)
    before = replace(now, layers=layers)
    with pytest.warns(HeadstartNote, match=r"[0-9]+ of 65 features hardly vary"):
        tell_of_bounds(before, now)
    tell_of_bounds(now, now)
    tell_of_bounds(before, before)


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_feature_that_never_varied_says_nothing(kind, value):
    x, y = digits()
    x[:, -1] = value
    model = head(KINDS[kind], x, y)
    asked = x[:5].copy()
    as_ever = model.predict_proba(asked)
    for odd in (value + 5, 100.0, -1e3, 1e6):
        asked[:, -1] = odd
        np.testing.assert_array_equal(model.predict_proba(asked), as_ever)


def test_what_varies_among_the_rows_that_judge_alone_is_learned_from_them_too():
    """A linear head is at last fitted to both: none of its rows is changed."""
    x, y = digits()
    x[:, -1] = 0
    x[:200:2, -1] = 3
    seen = []

    def fit(train, judging):
        seen.append((np.asarray(train.features)[:, -1], np.asarray(judging.features)[:, -1]))
        return hs.Linear((0.1,)).fit(train, judging, 10, 0)

    model = fitted(fit, Part(x[200:], y[200:]), Part(x[:200], y[:200]))
    np.testing.assert_array_equal(seen[0][1], x[:200, -1])
    odd = x[:5].copy()
    odd[:, -1] = 3
    most = model.predict_proba(odd)
    odd[:, -1] = 1e5
    np.testing.assert_array_equal(model.predict_proba(odd), most)
