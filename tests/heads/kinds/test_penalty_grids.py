"""Penalties of a grid: the best one is chosen, and a grid goes on where its end is best."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from task_rows import part

import headstart as hs
from headstart.heads.kind import Part
from headstart.heads.kinds.every_kind import kind_of
from headstart.heads.kinds.grid import EXTENSIONS, choose
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.tasks import MultiLabel


def test_an_exactly_linear_target_is_found():
    rng = np.random.default_rng(0)
    for rows, width in ((300, 20), (60, 100)):
        x = rng.normal(3, 2, size=(rows + 100, width)).astype(np.float32)
        truth = (x[:, :5] @ rng.normal(size=5)).astype(np.float32)[:, None]
        train, test = part(x[:rows], truth[:rows]), part(x[rows:], truth[rows:])
        nothing = part(x[:0], truth[:0])
        (layer,) = hs.Ridge().fit_numbers(train, nothing).layers
        given = test.features @ layer.kernel + layer.bias
        theirs = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-6, 6, 25)))
        theirs.fit(train.features, train.targets[:, 0])
        r2 = r2_score(test.targets, given)
        assert r2 >= theirs.score(test.features, test.targets[:, 0]) - 0.01
        assert r2 >= 0.9999 or width > rows


def test_the_penalty_of_numbers_is_ridge_cvs():
    data = load_diabetes()
    x, y = data.data.astype(np.float32), data.target.astype(np.float32)[:, None]
    grid = (0.1, 1.0, 10.0, 100.0)
    found = hs.Ridge(grid).fit_numbers(Part(x, y), Part(x[:0], y[:0]))
    theirs = make_pipeline(StandardScaler(), RidgeCV(grid)).fit(x, y[:, 0])
    assert found.details["chosen"] == theirs[-1].alpha_
    (layer,) = found.layers
    np.testing.assert_allclose((x @ layer.kernel + layer.bias)[:, 0], theirs.predict(x), rtol=1e-3)


def test_a_grid_goes_on_where_its_end_is_best():
    tried = []

    def loss(value):
        tried.append(value)
        return abs(np.log10(value) + 3.4), value

    found = choose((1.0, 10.0, 0.1), loss, is_open=True)
    assert found.value == pytest.approx(1e-3) and found.at_end() == {}
    assert tried[:3] == [1.0, 10.0, 0.1] and min(tried) == pytest.approx(1e-4)
    assert "0.1 is the smallest value that was tried" in choose((1, 0.1), loss).at_end()["at_end"]
    assert "larger" in choose((1e-5, 1e-4), loss).at_end()["at_end"]
    assert choose((1.0,), loss).at_end() == {}
    stopped = choose((1.0, 0.9), loss, is_open=True)
    assert stopped.at_end() and len(stopped.path) == 2 + EXTENSIONS


def test_an_end_of_a_grid_of_the_users_own_is_said(ready, run):
    ran = run("head", "train", "h", "net", "pics", "--strengths", "0.00001,0.0001", "--json")
    assert "is the largest value that was tried" in ran.json["settings"]["at_end"]
    assert "a larger one may be better" in " ".join(run("head", "show", "h").out.split())


def test_kinds_of_old_records_are_opened():
    assert kind_of("ridge", {"penalties": [1e3, 1e2], "chosen": 1e3}) == hs.Ridge((1e3, 1e2))
    assert kind_of("neighbours", {"neighbours": 10}).neighbours == 10
    for kind in (hs.Ridge(), hs.Ridge((1.0,)), hs.SVM(), Neighbours(3, calibrated=False)):
        assert kind_of(kind.kind, json.loads(json.dumps(kind.describe()))) == kind


def test_of_several_labels_it_is_told_for_how_many_the_best_value_lies_at_an_end():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    hidden = rng.random(300) < 0.5
    targets = np.stack([features[:, 0] > 0, features[:, 1] > 0, hidden], axis=1).astype(np.float32)
    train, validation = part(features[:200], targets[:200]), part(features[200:], targets[200:])
    details = MultiLabel().fit(hs.Linear((1e-4, 1e-3, 1e-2)), train, validation, 3, 0).details
    largest = [value == 1e-2 for value in details["chosen"]]
    assert largest[:2] == [True, True]
    assert f"of {sum(largest)} of 3 labels 0.01 is the largest value" in details["at_end"]
    alone = MultiLabel().fit(hs.Linear((1e-2,)), train, validation, 3, 0).details
    assert "at_end" not in alone
