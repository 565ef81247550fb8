"""The linear head against scikit-learn, in objective and in numbers."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import headstart as hs
from headstart.extractors.runtime import cores
from headstart.heads import shared_rows, standardisation
from headstart.heads.kind import Part
from headstart.heads.kinds import lbfgs, paths
from headstart.heads.kinds.lbfgs import Curvature, _factor
from headstart.heads.kinds.logistic import Logistic, log_loss
from headstart.heads.kinds.paths import fit_paths
from headstart.heads.layers.activations import softmax
from headstart.heads.rows import StoredRows, rows_of
from headstart.heads.shared_rows import SharedRows
from headstart.heads.standardisation import Standardisation, one_thread_a_core

CLOSE = 1e-4
"""Of the objective: what is promised."""


def features(rows=600, width=30, classes=4, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    x = rng.normal(size=(rows, width)) + rng.normal(size=(classes, width))[targets]
    x = np.maximum(x * rng.uniform(0.01, 30, width), 0).astype(np.float32)
    x[:, 0] = 3.25  # constant
    return x, targets


def objective(x, y, kernel, bias, strength):
    """scikit-learn's, for weights on raw features; float64."""
    scaler = StandardScaler().fit(x.astype(np.float64))
    weights = kernel.astype(np.float64) * scaler.scale_[:, None]
    logits = x.astype(np.float64) @ kernel + bias
    logits -= logits.max(axis=1, keepdims=True)
    loss = (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]).mean()
    classes = kernel.shape[1]
    return loss + (2 if classes == 2 else 1) * 0.5 * (weights**2).sum() / (strength * len(y))


def by_sklearn(x, y, strength):
    """Kernel and bias for raw features at scikit-learn's optimum."""
    scaler = StandardScaler().fit(x.astype(np.float64))
    model = LogisticRegression(C=strength, max_iter=10_000, tol=1e-9)
    model.fit(scaler.transform(x.astype(np.float64)), y)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:
        weights, bias = np.hstack([-weights / 2, weights / 2]), np.array([-bias[0], bias[0]]) / 2
    kernel = weights / scaler.scale_[:, None]
    return kernel, bias - scaler.mean_ @ kernel


def fitted(x, y, strength, classes):
    (layer,) = (
        hs.Linear(strengths=(strength,)).fit(Part(x, y), Part(x[:0], y[:0]), classes, 0).layers
    )
    return layer


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0, 30.0])
def test_the_objective_is_that_of_scikit_learn(classes, strength):
    x, y = features(classes=classes)
    layer = fitted(x, y, strength, classes)
    ours = objective(x, y, layer.kernel, layer.bias, strength)
    best = objective(x, y, *by_sklearn(x, y, strength), strength)
    assert abs(ours - best) <= CLOSE * best


@pytest.mark.parametrize("row", [0, 1, 500])
@pytest.mark.parametrize("is_weight", [False, True])
def test_a_feature_alive_only_in_a_row_outside_of_a_fit_is_constant_in_it(row, is_weight):
    x, y = features(rows=1000)
    x[:, 5] = 0
    x[row, 5] = 0.7
    inside, weights = np.ones((1000, 3), bool), np.ones(1000, np.float32)
    if is_weight:
        weights[row] = 0
    inside[row if not is_weight else 7, 1:] = False
    parts = [Part(x[:400], y[:400], weights[:400]), Part(x[400:], y[400:], weights[400:])]
    with one_thread_a_core() as pool:
        scales = Standardisation.of_each(SharedRows(parts, inside), pool)
    outside = scales if is_weight else scales[1:]
    assert [(scale.mean[5], scale.std[5]) for scale in outside] == [(0, 1)] * len(outside)
    assert is_weight or scales[0].std[5] > 0.01


def test_a_row_left_out_in_which_alone_a_feature_lives_is_judged_as_others_are():
    x, y = features(rows=200)
    x[:, 5] = 0
    x[0, 5] = 0.7
    inside = np.ones((200, 2), bool)
    inside[:100, 0], inside[100:, 1] = False, False
    with one_thread_a_core() as pool:
        paths = fit_paths(SharedRows([Part(x, y)], inside), [0.1], 4, 0, pool)
    said = log_loss([Part(x[:1], y[:1])], *paths[0][0])
    x[0, 5] = 0
    assert said == pytest.approx(log_loss([Part(x[:1], y[:1])], *paths[0][0]), abs=1e-6)


def test_features_that_depend_on_each_other_are_fitted_with_hardly_a_penalty():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 2000)
    x = (rng.normal(size=(2000, 5)) @ rng.normal(size=(5, 128))).astype(np.float32)
    x[:, :4] += 0.5 * np.eye(4, dtype=np.float32)[y]
    x = np.hstack([x, x])
    found = hs.Linear((1e4,)).fit(Part(x, y), Part(x[:0], y[:0]), 4, 0)
    assert found.details["gap"] < 3e-7 and found.details["steps"] < 100


def peak(function):
    tracemalloc.start()
    function()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def test_fits_side_by_side_take_no_more_memory_for_wide_features(monkeypatch):
    assert [paths.side_by_side(width, 10) for width in (16, 1280, 5000)] == [51, 43, 11]
    assert [paths.side_by_side(width, 100) for width in (16, 1280, 5000)] == [5, 4, 1]
    room = 480 * 500 * 20  # of two fits
    monkeypatch.setattr(paths, "ROOM", room)
    x, y = features(rows=200, width=500, classes=10)
    inside = np.random.default_rng(0).random((200, 12)) < 0.8
    shared = SharedRows([Part(x, y)], inside)
    monkeypatch.setattr(lbfgs, "LARGEST_GRAM", 0)
    with one_thread_a_core() as pool:
        taken = peak(lambda: fit_paths(shared, [0.1], 10, 0, pool, tolerance=1e-8))
    assert taken < 2.5 * room


def test_many_columns_of_narrow_features_come_of_small_blocks():
    x, y = np.zeros((60_000, 4), np.float32), np.arange(60_000) % 50
    inside = np.ones((60_000, 4), bool)
    shared = SharedRows([Part(x, y)], inside)
    with one_thread_a_core() as pool:
        problem = Logistic(shared, 50, Standardisation.of_each(shared, pool), pool)
        asked = dict.fromkeys(range(4), np.zeros((5, 50)))
        assert peak(lambda: problem.evaluate(asked)) < cores() * 5 * shared_rows.BLOCK_BYTES


def test_on_real_digits_the_probabilities_are_those_of_scikit_learn():
    data = load_digits()
    x, y = data.data.astype(np.float32), data.target
    layer = fitted(x, y, 0.01, 10)
    kernel, bias = by_sklearn(x, y, 0.01)
    ours, theirs = x @ layer.kernel + layer.bias, x @ kernel + bias
    ours, theirs = (z - z.mean(axis=1, keepdims=True) for z in (ours, theirs))
    assert np.abs(ours - theirs).max() < 0.01
    assert (ours.argmax(1) == theirs.argmax(1)).mean() > 0.999


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(8, 200),
    width=st.integers(1, 60),
    classes=st.integers(2, 6),
    strength=st.floats(1e-4, 10),
)
def test_the_slope_at_the_solution_is_nearly_flat(seed, rows, width, classes, strength):
    x, y = features(max(rows, classes + 1), width, classes, seed)
    layer = fitted(x, y, strength, classes)
    best = objective(x, y, layer.kernel, layer.bias, strength)
    rng = np.random.default_rng(seed)
    for _ in range(5):  # nothing near is better by more than is promised
        off = rng.normal(size=layer.kernel.shape) * np.abs(layer.kernel).max() * 0.01
        other = objective(x, y, layer.kernel + off, layer.bias, strength)
        assert other >= best * (1 - CLOSE)


def test_the_gradient_is_that_of_the_objective():
    x, y = features(60, 5, 3)
    with one_thread_a_core() as pool:
        rows = SharedRows([Part(x, y)])
        problem = Logistic(rows, 3, Standardisation.of_each(rows, pool), pool)
        rng = np.random.default_rng(0)
        at = rng.normal(size=(6, 3)) * 0.3
        slope = problem.evaluate({0: at})[0].slope
        for place in np.ndindex(at.shape):
            step = np.zeros_like(at)
            step[place] = 1e-2
            above, below = (problem.evaluate({0: at + sign * step})[0].loss for sign in (1, -1))
            assert (above - below) / 2e-2 == pytest.approx(slope[place], abs=2e-4)


def test_the_whole_path_is_right_although_each_fit_starts_from_a_guess():
    x, y = features(900, 40, 5)
    strengths = tuple(np.logspace(-4, 1, 12))
    train, tail = Part(x[:700], y[:700]), Part(x[700:], y[700:])
    details = hs.Linear(strengths=strengths).fit(train, tail, 5, 0).details
    for step in details["path"]:
        kernel, bias = by_sklearn(x[:700], y[:700], step["strength"])
        expected = log_loss([tail], kernel, bias)
        assert step["log_loss"] == pytest.approx(expected, rel=1e-2)
    best = min(details["path"], key=lambda step: step["log_loss"])
    assert details["strength"] == best["strength"]


def test_it_does_not_depend_on_the_number_of_cores(monkeypatch):
    monkeypatch.setattr(shared_rows, "BLOCK_BYTES", 40_000)  # six blocks, more than a core's
    x, y = features(3000, 20, 3)
    assert len(SharedRows([Part(x, y)]).spans()) == 6
    one = fitted(x, y, 0.1, 3)
    monkeypatch.setattr(standardisation, "cores", lambda: 7)
    other = fitted(x, y, 0.1, 3)
    np.testing.assert_array_equal(one.kernel, other.kernel)


def test_without_a_gram_matrix_it_takes_longer_and_gets_there(monkeypatch):
    monkeypatch.setattr(lbfgs, "LARGEST_GRAM", 10)
    x, y = features()
    assert Curvature.of(SharedRows([Part(x, y)]), None, 0).gram is None
    layer = fitted(x, y, 0.1, 4)
    best = objective(x, y, *by_sklearn(x, y, 0.1), 0.1)
    assert objective(x, y, layer.kernel, layer.bias, 0.1) <= best * (1 + CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
def test_fits_side_by_side_are_those_of_each_alone(weighted, monkeypatch):
    """A row that a fit is not to has no part in it, whatever it holds."""
    x, y = features(900, 30, 4)
    rng = np.random.default_rng(3)
    weights = rng.integers(1, 4, 900).astype(np.float32) if weighted else None
    inside = rng.random((900, 5)) < 0.8
    inside[:4] = True
    x[~inside[:, 2]] *= 100
    part, strengths = Part(x, y, weights), (1e-3, 1e-1)
    monkeypatch.setattr("headstart.heads.kinds.paths.TOGETHER", 12)  # three at a time
    with one_thread_a_core() as pool:
        shared = SharedRows([part], inside)
        found = fit_paths(shared, strengths, 4, 0, pool, tolerance=1e-8)
        for path, own in zip(found, inside.T, strict=True):
            alone = SharedRows([part.rows(np.flatnonzero(own))])
            (expected,) = fit_paths(alone, strengths, 4, 0, pool, tolerance=1e-8)
            for (kernel, bias), (other, level) in zip(path, expected, strict=True):
                said, same = (softmax(x[own] @ k + b) for k, b in ((kernel, bias), (other, level)))
                np.testing.assert_allclose(said, same, atol=2e-3)


def test_mean_and_deviation_are_numpys_also_far_from_zero():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(5000, 300)) + 1e4).astype(np.float32)
    x[:, 7] = 123.456
    part = Part(x, np.zeros(5000, np.int64))
    with one_thread_a_core() as pool:
        scale = Standardisation.of([part], pool)
    np.testing.assert_allclose(scale.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-7)
    expected = x.std(axis=0, dtype=np.float64)
    expected[7] = 1
    np.testing.assert_allclose(scale.std, expected, rtol=1e-3)


@pytest.mark.parametrize("odd", ["alike", "constant in one", "far in one", "one value"])
def test_each_fit_has_the_mean_and_deviation_of_its_own_rows(odd):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3_000, 12)).astype(np.float32)
    inside = np.arange(3_000)[:, None] % 5 != np.arange(5)
    if odd == "constant in one":
        x[inside[:, 2], 3] = 7.7
    elif odd == "far in one":
        x[~inside[:, 0], 3] += 1e4
    elif odd == "one value":
        x[:, 3], x[17, 3] = 0, 1
    with one_thread_a_core() as pool:
        shared = SharedRows([Part(x, np.zeros(3_000, np.int64))], inside)
        scales = Standardisation.of_each(shared, pool)
    for scale, own in zip(scales, inside.T, strict=True):
        std = x[own].std(axis=0, dtype=np.float64)
        std[x[own].min(axis=0) == x[own].max(axis=0)] = 1
        mean = x[own].mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(scale.mean, mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(scale.std, std, rtol=1e-5)


@pytest.mark.parametrize("kind", [hs.Linear(strengths=(0.01, 0.1)), hs.MLP(epochs=3)])
def test_features_that_stay_on_disk_give_the_same_head(ready, monkeypatch, kind):
    view = ready.extract("net", "pics")
    in_memory = ready.heads.train("a", view, kind).stack
    assert isinstance(rows_of(view, room=100), StoredRows)
    assert isinstance(rows_of(view), np.ndarray)
    monkeypatch.setattr("headstart.heads.rows.SHARE", 0.0)
    on_disk = ready.heads.train("b", view, kind).stack
    for one, other in zip(in_memory.layers, on_disk.layers, strict=True):
        np.testing.assert_array_equal(one.kernel, other.kernel)


def test_training_a_head_on_cached_features_imports_no_tensorflow(ready):
    ready.extract("net", "pics")
    code = (
        "import sys, headstart as hs\n"
        f"ws = hs.open({str(ready.config.root)!r})\n"
        "for kind in (hs.Linear(), hs.MLP(epochs=2)):\n"
        "    ws.heads.train('h', ws.extract('net', 'pics'), kind)\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=280)


def test_a_factor_in_float32_is_that_of_float64_to_a_part_in_ten_thousand():
    x = np.random.default_rng(0).normal(size=(900, 60)).astype(np.float32)
    gram = x.T @ x / np.float32(len(x))
    triangle, lower = _factor(gram, 0.2, 1e-3)
    plain = np.linalg.cholesky(0.2 * gram.astype(np.float64) + 1e-3 * np.eye(60))
    assert lower and triangle.dtype == np.float32
    np.testing.assert_allclose(np.tril(triangle), plain, atol=1e-4)


def test_what_float32_cannot_factor_has_as_little_of_a_ridge_as_float64_needs():
    gram = np.ones((64, 64), np.float32) - np.float32(1e-5) * np.eye(64, dtype=np.float32)
    triangle, _ = _factor(gram, 1.0, 0.0)  # indefinite by rounding
    found = np.tril(triangle).astype(np.float64)
    assert triangle.dtype == np.float32 and (np.diag(found) > 0).all()
    np.testing.assert_allclose(found @ found.T, gram, atol=2e-4)
