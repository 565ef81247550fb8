"""Tip-Adapter against its formula, in plain NumPy and float64."""

from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack, stack_of
from headstart.heads.kind import Part
from headstart.heads.kinds.of_names import affinities
from headstart.heads.kinds.of_names.affinities import Cache
from headstart.heads.kinds.of_names.class_names import Directions
from headstart.heads.layers import activations

WIDTH, CLASSES = 8, 3
GIVEN = {"logit_scale": 20.0, "alpha": 1.5, "beta": 4.0}


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


NAMES = unit(np.random.default_rng(9).normal(size=(CLASSES, WIDTH))).astype(np.float32)


def rows(count, seed=0, weights=None):
    """Samples around what their class is, which is not quite what its name says."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % CLASSES
    places = NAMES + 0.25 * np.random.default_rng(1).normal(size=NAMES.shape)
    features = places[targets] + 0.3 * rng.normal(size=(count, WIDTH))
    return Part((3 * features).astype(np.float32), targets, weights)


NOTHING = rows(0)


def tip(**given):
    return hs.TipAdapter(directions=Directions(NAMES), **given)


def fitted(train, validation=NOTHING, **given):
    found = tip(**given).fit(train, validation, CLASSES, 0)
    return stack_of(found.layers, range(CLASSES)), found.details


def formula(x, train, scale, alpha, beta):
    """Zhang et al. 2022, equations 3 to 5, of rows of length one."""
    x, keys = unit(x.astype(np.float64)), unit(train.features.astype(np.float64))
    labels = np.eye(CLASSES)[train.targets]
    labels = labels if train.weights is None else labels * train.weights[:, None]
    logits = scale * x @ NAMES.T + alpha * np.exp(-beta * (1 - x @ keys.T)) @ labels
    return activations.softmax(logits)


def test_it_says_what_the_formula_does():
    train, asked = rows(30), rows(50, seed=2)
    stack, details = fitted(train, **GIVEN)
    expected = formula(asked.features, train, *GIVEN.values())
    np.testing.assert_allclose(stack.predict_proba(asked.features), expected, atol=1e-5)
    assert details["judged_on"] == {"train": 0, "validation": 0} and "not_chosen" not in details
    assert details["carried"] == 30
    assert details["bytes"] == sum(one.nbytes for layer in stack.layers for one in layer.weights)


def test_without_alpha_it_is_the_head_of_class_names_alone():
    asked = rows(20, seed=2).features
    stack, details = fitted(rows(30), **{**GIVEN, "alpha": 0})
    plain = hs.ZeroShot(logit_scale=20.0, directions=Directions(NAMES))
    plain = DenseStack(plain.fit(rows(30), NOTHING, CLASSES, 0).layers, ())
    np.testing.assert_allclose(stack.predict_proba(asked), plain.predict_proba(asked), atol=1e-6)
    assert details["carried"] == 0 and details["bytes"] < stack.width**2 * 8


def test_where_names_say_all_no_training_sample_is_carried_along():
    train = rows(4 * CLASSES)
    easy = replace(train, features=(10 * NAMES[train.targets] + train.features / 9))
    _, details = fitted(easy)
    assert details["alpha"] == 0 and details["carried"] == 0 and "at_end" not in details


def test_a_sample_of_weight_two_is_two_samples():
    train, asked = rows(30), rows(20, seed=2).features
    twice = train.rows(np.r_[np.arange(30), :10])
    heavy = replace(train, weights=np.where(np.arange(30) < 10, 2, 1).astype(np.float32))
    one, other = fitted(twice, **GIVEN)[0], fitted(heavy, **GIVEN)[0]
    np.testing.assert_allclose(one.predict_proba(asked), other.predict_proba(asked), atol=1e-6)


def log_loss(part, train, *mix):
    said = formula(part.features, train, *mix)
    return -np.log(said[np.arange(len(part)), part.targets]).mean()


def test_scale_alpha_and_beta_suit_the_validation_split_best():
    train, validation = rows(30), rows(600, seed=2)
    _, details = fitted(train, validation)
    mix = [details[name] for name in ("scale", "alpha", "beta")]
    best = log_loss(validation, train, *mix)
    assert best == pytest.approx(details["log_loss"], abs=1e-4)
    for number in range(3):
        for by in (0.5, 2):
            other = [one * by if at == number else one for at, one in enumerate(mix)]
            assert log_loss(validation, train, *other) > best - 2e-3  # there are priors
    assert best < log_loss(validation, train, details["scale"], 0, 1)
    assert details["judged_on"] == {"train": 0, "validation": 600}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_stays_and_the_others_are_chosen_with_it(name):
    train, validation = rows(30), rows(300, seed=2)
    _, details = fitted(train, validation, **{name: GIVEN[name]})
    stored = {"logit_scale": "scale"}.get(name, name)
    assert details[stored] == pytest.approx(GIVEN[name])
    assert details["log_loss"] <= log_loss(validation, train, *GIVEN.values()) + 1e-3


def test_training_samples_are_asked_without_those_of_their_fold():
    train = rows(24)
    folds = np.where(np.arange(24) < 3, -1, np.arange(24) // 3)
    said = Cache.of(train).said(train.features, NAMES.T, (4.0,), folds)
    x = unit(train.features.astype(np.float64))
    for row in range(24):
        others = (folds != folds[row]) | (folds[row] < 0)
        near = np.exp(-4 * (1 - x[row] @ x[others].T)) @ np.eye(CLASSES)[train.targets[others]]
        np.testing.assert_allclose(said[row, 1], near, rtol=1e-4)
        np.testing.assert_allclose(said[row, 0], x[row] @ NAMES.T, atol=1e-6)


def test_of_one_sample_a_class_the_papers_own_numbers_are_taken_and_it_says_so():
    _, details = fitted(rows(CLASSES))
    assert [details[name] for name in ("scale", "alpha", "beta")] == [100, 1, 5.5]
    assert "no sample could be left out" in details["not_chosen"]


def test_samples_that_are_all_right_make_no_boundless_alpha():
    """Names say nothing of these, samples all: the log loss alone would go on falling."""
    targets = np.arange(4 * CLASSES) % CLASSES
    features = 10 * np.eye(WIDTH)[targets + CLASSES] + rows(len(targets)).features / 9
    apart = hs.TipAdapter(directions=Directions(np.eye(CLASSES, WIDTH, dtype=np.float32)))
    found = apart.fit(Part(features.astype(np.float32), targets), NOTHING, CLASSES, 0)
    said = stack_of(found.layers, range(CLASSES)).predict_proba(features.astype(np.float32))
    assert 0.8 < said[np.arange(len(targets)), targets].min() < 0.9999
    assert 0 < found.details["alpha"] < 50


def test_many_rows_are_asked_some_at_a_time(monkeypatch):
    train, asked = rows(30), rows(50, seed=2)
    whole, details = fitted(train, rows(60, seed=3))
    monkeypatch.setattr("headstart.heads.dense_stack.BLOCK", 40)
    monkeypatch.setattr(affinities, "BLOCK", 40)
    parts, again = fitted(train, rows(60, seed=3))
    given = parts.predict_proba(asked.features)
    np.testing.assert_allclose(given, whole.predict_proba(asked.features), atol=1e-6)
    assert again["alpha"] == pytest.approx(details["alpha"], rel=1e-3)
    assert parts.predict_proba(asked.features[:0]).shape == (0, CLASSES)


@pytest.mark.parametrize("bad", [{"alpha": -1}, {"beta": -0.1}, {"logit_scale": 0}])
def test_numbers_that_cannot_be_are_refused(bad):
    with pytest.raises(HeadError, match=next(iter(bad))):
        hs.TipAdapter(**bad)


def test_without_class_names_it_says_how_to_train_it():
    with pytest.raises(HeadError, match="tipadapter is made of names of classes"):
        hs.TipAdapter().fit(rows(30), NOTHING, CLASSES, 0)
