"""Heads for counts and quantiles, against scikit-learn's on the same rows."""

import click
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import PoissonRegressor, QuantileRegressor
from sklearn.metrics import mean_pinball_loss, mean_poisson_deviance
from sklearn.preprocessing import StandardScaler
from task_rows import part

import headstart as hs
from headstart.cli.heads import task_options
from headstart.errors import HeadError
from headstart.extractors.runtime import keras
from headstart.heads import generalised
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.generalised import LOSSES_OF_NUMBERS, NumberLoss
from headstart.heads.regression import Regression
from headstart.heads.tasks import TASKS
from headstart.heads.trials.objective import OBJECTIVES
from headstart.progress import watched
from headstart.sklearn import HeadRegressor


@pytest.fixture(scope="module")
def diabetes():
    data = load_diabetes()
    x, y = data.data.astype(np.float32), data.target
    return x[:340], y[:340, None], x[340:], y[340:, None]


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 6)).astype(np.float32)
    y = rng.poisson(np.exp(0.5 * x[:, 0] - 0.4 * x[:, 1] + 1)).astype(float)[:, None]
    return x, y


def said(task, kind, x, y, tried, weights=None):
    nothing = part(x[:0], y[:0])
    fitted = task.fit(kind, part(x, y, weights), nothing, 0, 0)
    return DenseStack(fitted.layers, ()).predict_proba(tried)


def test_counts_are_what_scikit_learns_poisson_regressor_says(counts):
    x, y = counts
    ours = said(Regression("poisson"), hs.Ridge((0.1,)), x, y, x)
    scaled = StandardScaler().fit_transform(x)
    theirs = PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=5000).fit(scaled, y[:, 0])
    np.testing.assert_allclose(ours[:, 0], theirs.predict(scaled), rtol=1e-3)


def test_a_row_that_counts_twice_is_two_rows(counts):
    x, y = counts
    weights = np.where(np.arange(len(x)) % 3 == 0, 2, 1).astype(np.float32)
    twice = np.repeat(np.arange(len(x)), weights.astype(int))
    kind, task = hs.Ridge((0.1,)), Regression("poisson")
    ours, copied = said(task, kind, x, y, x, weights), said(task, kind, x[twice], y[twice], x)
    np.testing.assert_allclose(ours, copied, rtol=1e-3)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_quantile_is_as_good_as_scikit_learns(diabetes, quantile):
    x, y, tried, true = diabetes
    kind, task = hs.Ridge((1e-6,)), Regression("quantile", quantile)
    exact = QuantileRegressor(quantile=quantile, alpha=0).fit(x, y[:, 0])

    def loss(given, of):
        return mean_pinball_loss(given, of, alpha=quantile)

    assert loss(y, said(task, kind, x, y, x)) < 1.01 * loss(y, exact.predict(x))
    assert loss(true, said(task, kind, x, y, tried)) < 1.05 * loss(true, exact.predict(tried))
    below = (y <= said(task, kind, x, y, x)).mean()
    assert below == pytest.approx(quantile, abs=0.01)


def test_a_quantile_is_as_good_in_any_unit_of_the_labels(diabetes):
    x, y = diabetes[0][:60], diabetes[1][:60]
    task, kind = Regression("quantile", 0.9), hs.Ridge((0.001,))
    plain = said(task, kind, x, y, x)
    for unit, start in ((1e5, 0.0), (1e-5, 0.0), (1.0, 1e6)):
        ours = (said(task, kind, x, y * unit + start, x) - start) / unit
        np.testing.assert_allclose(ours, plain, atol=0.01 * y.std())


def test_a_loss_of_what_overflowed_is_infinite_and_is_not_chosen():
    outputs, targets = np.array([[np.inf], [np.nan], [2.0]], np.float32), np.array([[2.0]] * 3)
    for loss in (NumberLoss("poisson"), NumberLoss("quantile", 0.3)):
        assert loss.losses(outputs, targets)[:, 0].tolist() == [np.inf, np.inf, 0.0]


def test_a_mean_of_counts_far_from_all_others_is_a_number_in_the_attached_model_too():
    layer = Layer(np.ones((1, 1), np.float32), np.zeros(1, np.float32), "exponential")
    x = np.array([[0.5], [79.0], [100.0], [1e30]], np.float32)
    said = layer.run(x)
    np.testing.assert_allclose(said[:2], np.exp(x[:2]), rtol=1e-6)
    assert np.isfinite(said).all() and said[2] == said[3] == np.exp(np.float32(80))
    tensor = keras().Input((1,))
    model = keras().Model(tensor, DenseStack((layer,), ()).to_keras(tensor))
    np.testing.assert_allclose(model(x), said, rtol=1e-5)


def test_the_scores_are_scikit_learns(diabetes, counts):
    *_, true = diabetes
    rng = np.random.default_rng(0)
    outputs = (true + rng.normal(10, 5, true.shape)).astype(np.float32)
    found = scores_of(Regression("quantile", 0.8), outputs, true, [])
    assert found["pinball_loss"] == pytest.approx(mean_pinball_loss(true, outputs, alpha=0.8))
    low, high = found["intervals"]["pinball_loss"]
    assert low <= found["pinball_loss"] <= high
    _, y = counts
    outputs = (y + rng.uniform(0.1, 1, y.shape)).astype(np.float32)
    found = scores_of(Regression("poisson"), outputs, y, [])
    assert found["poisson_deviance"] == pytest.approx(mean_poisson_deviance(y, outputs))
    assert "pinball_loss" not in scores_of(Regression(), outputs, y, [])


@pytest.mark.parametrize("loss", [NumberLoss("poisson"), NumberLoss("quantile", 0.3)])
def test_a_slope_is_that_of_the_loss(loss):
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=9), rng.poisson(2, 9).astype(float)
    found, slopes = loss.slopes(scores, targets, 0.5)
    near, _ = loss.slopes(scores + 1e-6, targets, 0.5)
    np.testing.assert_allclose((near - found) / 1e-6, slopes, atol=1e-4)


def test_the_penalty_is_chosen_on_rows_that_were_not_fitted(counts):
    x, y = counts
    rng = np.random.default_rng(1)
    wide = np.hstack([x[:80], rng.normal(size=(80, 60)).astype(np.float32)])
    fitted = Regression("poisson").fit(hs.Ridge(), part(wide, y[:80]), part(wide[:0], y[:0]), 0, 0)
    assert fitted.details["chosen"] > 1e-3 and fitted.details["judged_on"]["train"] == 80


def test_features_that_do_not_fit_into_memory_are_refused_before_they_are_read(counts, monkeypatch):
    x, y = counts
    monkeypatch.setattr(generalised, "free_memory", lambda: 16 * x.size - 1)
    with pytest.raises(HeadError, match=r"takes 56\.2 KiB of memory for 600 rows of 6 numbers"):
        said(Regression("poisson"), hs.Ridge((0.1,)), x, y, x)
    monkeypatch.setattr(generalised, "free_memory", lambda: 16 * x.size)
    said(Regression("poisson"), hs.Ridge((0.1,)), x, y, x)


@pytest.mark.parametrize("given", [{"loss": "poisson"}, {"loss": "quantile", "quantile": 0.8}])
def test_the_estimator_takes_the_same_losses(counts, given):
    x, y = counts
    estimator = clone(HeadRegressor("ridge", penalties=(0.1,), **given))
    ours = estimator.fit(x, y[:, 0]).predict(x)
    theirs = said(Regression(**given), hs.Ridge((0.1,)), x, y, x)
    np.testing.assert_allclose(ours, theirs[:, 0], rtol=1e-5, atol=2e-6)  # float32, of up to 5
    with pytest.raises(HeadError, match="quantile is 2"):
        HeadRegressor(loss="quantile", quantile=2).fit(x, y[:, 0])


def test_whoever_watches_is_told_of_each_fit(counts):
    x, y = counts
    seen = []
    with watched(lambda *of: seen.append(of)):
        said(Regression("poisson"), hs.Ridge((0.1, 1.0)), x, y, x)
    assert seen == [(number, 12) for number in range(1, 13)]  # two penalties, five folds
    said(Regression("poisson"), hs.Ridge((0.1,)), x, y, x)
    assert len(seen) == 12


def test_what_cannot_be_is_refused(counts):
    x, y = counts
    with pytest.raises(HeadError, match="is -1, and counts are not below 0"):
        said(Regression("poisson"), hs.Ridge(), x, np.where(y > 3, -1, y), x)
    with pytest.raises(HeadError, match="of kind mlp knows no loss but the squared error"):
        said(Regression("poisson"), hs.MLP(), x, y, x)
    with pytest.raises(HeadError, match="quantile is 1"):
        Regression("quantile", 1)
    with pytest.raises(HeadError, match="loss is 'absolute'"):
        Regression("absolute")
    with pytest.raises(HeadError, match=r"quantile is 0\.9, and the loss squared"):
        Regression(quantile=0.9)


@pytest.mark.parametrize("loss", [None, "poisson"])
def test_a_quantile_that_is_given_is_for_its_loss_even_if_it_is_the_default(loss):
    given = {"separator": None, "order": None, "loss": loss, "quantile": 0.5}
    with pytest.raises(click.UsageError, match="--quantile is for --loss quantile, and the loss"):
        task_options.task_of("regression", **given)
    assert task_options.task_of("regression", **given | {"loss": "quantile"}).quantile == 0.5


def test_options_name_the_tasks_objectives_and_losses_that_there_are():
    """They stand there once more, as help is printed without importing what fits heads."""
    assert set(task_options.TASKS) == set(TASKS)
    assert set(task_options.OBJECTIVES) == set(OBJECTIVES)
    assert task_options.LOSSES == LOSSES_OF_NUMBERS
