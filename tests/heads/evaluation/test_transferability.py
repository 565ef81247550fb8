"""LogME and the H-score against other ways to compute the same."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from headstart.heads.evaluation import transferability
from headstart.heads.evaluation.transferability import Moments, h_score, log_me
from headstart.heads.rows import ChosenRows

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


def log_me_by_fixed_point(x, targets, steps=3_000):
    """The authors' iteration (github.com/thuml/LogME, `_fit_fixed_point`) on the singular values of
    float64 features, without its constants of 1e-5, until it stands still: the best of some starts.
    Directions without variance are left out, as their share of the evidence is 0."""
    left, singular, _ = np.linalg.svd(x.astype(np.float64), full_matrices=False)
    kept = singular > singular[0] * 1e-13 * max(x.shape)
    left, sigma = left[:, kept], singular[kept] ** 2
    n, k = len(x), int(kept.sum())
    y = (targets[:, None] == np.unique(targets)).astype(np.float64)
    squares = (left.T @ y) ** 2
    beyond = ((y - left @ (left.T @ y)) ** 2).sum(axis=0)
    starts = np.geomspace(sigma.min() / 10, sigma.max() * 10, 9)
    ratio = np.repeat(starts[:, None], y.shape[1], axis=1)
    for _ in range(steps):
        rest = sigma[:, None, None] + ratio
        gamma = (sigma[:, None, None] / rest).sum(axis=0)
        lengths = ((sigma[:, None] * squares)[:, None] / rest**2).sum(axis=0)
        errors = (squares[:, None] * (ratio / rest) ** 2).sum(axis=0) + beyond
        alpha, beta = gamma / lengths, (n - gamma) / errors
        # a start may run away to where the features count for nothing
        before, ratio = ratio, np.minimum(alpha / beta, sigma.max() * 1e12)
        if np.abs(np.log(ratio / before)).max() < 1e-12:
            break
    rest = alpha + beta * sigma[:, None, None]
    evidence = k / 2 * np.log(alpha) + n / 2 * np.log(beta) - 0.5 * np.log(rest).sum(axis=0)
    evidence -= beta / 2 * errors + alpha / 2 * lengths + n / 2 * np.log(2 * np.pi)
    return float(np.mean(evidence.max(axis=0) / n))


def scaled(x):
    return x * np.where(np.arange(x.shape[1]) == 3, 1e5, 1.0)


def offset(x):
    return x + np.where(np.arange(x.shape[1]) == 2, 1e4, 0.0)


ODD = {
    "plain": lambda x: x,
    "a column times 1e5": scaled,
    "a column times 1e-5": lambda x: x * np.where(np.arange(x.shape[1]) == 3, 1e-5, 1.0),
    "an offset of 1e4": offset,
    "all offset by 1e4": lambda x: x + 1e4,
    "both": lambda x: offset(scaled(x)),
    "twice the same columns": lambda x: np.hstack([x, x[:, :5]]),
    "constant columns": lambda x: np.hstack([x, np.ones((len(x), 1)), np.zeros((len(x), 2))]),
    "a sum of columns": lambda x: np.hstack([x, x.sum(axis=1, keepdims=True)]),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(("rows", "width"), [(300, 20), (60, 59), (40, 90)])
def test_log_me_is_the_converged_one_of_its_authors_at_any_scale(odd, rows, width):
    x, targets = data(rows, width, apart=0.6)
    x = ODD[odd](x).astype(np.float32)
    assert log_me(x, targets) == pytest.approx(log_me_by_fixed_point(x, targets), abs=1e-5)


@pytest.mark.parametrize(("rows", "width"), [(5000, 6), (12, 9000)])
def test_log_me_does_not_depend_on_the_blocks(rows, width):
    x, targets = data(rows, width, apart=0.1)
    assert log_me(x, targets) == pytest.approx(log_me_by_fixed_point(x, targets), abs=1e-6)


@pytest.mark.slow
def test_scores_without_a_head_take_less_than_a_float64_copy_of_the_features():
    import tracemalloc

    x = np.random.default_rng(0).normal(size=(60_000, 256)).astype(np.float32)
    targets = np.arange(len(x)) % 5
    for score in (log_me, h_score):
        tracemalloc.start()
        score(x, targets)
        assert tracemalloc.get_traced_memory()[1] < x.nbytes
        tracemalloc.stop()


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


@pytest.mark.parametrize("away", [0.0, 2.0**20])
def test_the_h_score_of_float32_features_far_from_zero_is_that_of_the_same_near_it(away):
    x, targets = data(5000, 12)
    near = np.round(x * 8) / 8  # so that the sum with 2^20 is exact
    far = (near + away).astype(np.float32)
    for shrinkage in (None, 0.0):
        assert h_score(far, targets, shrinkage) == pytest.approx(
            h_score(near, targets, shrinkage), rel=1e-9
        )


def test_the_h_score_lies_between_nothing_and_one_less_than_the_classes():
    x, targets = data(400, 6, classes=4, apart=40.0)
    assert 2.9 < h_score(x, targets, 0.0) <= 3 + EXACT
    noise = np.random.default_rng(0).normal(size=(4000, 6))
    assert 0 <= h_score(noise, np.arange(4000) % 4, 0.0) < 0.05


def test_rows_that_are_read_in_blocks_have_the_same_scores(monkeypatch):
    """And no copy of them is made: the most memory is that of a few blocks."""
    import tracemalloc

    monkeypatch.setattr(transferability, "BLOCK_ROWS", 128)
    x, targets = data(6_000, 64)
    x = x.astype(np.float32)
    whole = log_me_by_fixed_point(x[:200], targets[:200], steps=500)
    assert log_me(ChosenRows(x).only(np.arange(200)), targets[:200]) == pytest.approx(
        whole, abs=1e-6
    )
    expected = h_score_by_definition(x.astype(np.float64), targets)
    tracemalloc.start()
    log_me(ChosenRows(x), targets)
    assert h_score(ChosenRows(x), targets, 0.0) == pytest.approx(expected, abs=EXACT)
    assert tracemalloc.get_traced_memory()[1] < x.nbytes / 2
    tracemalloc.stop()


@pytest.mark.parametrize("odd", ODD)
def test_scores_of_moments_that_are_known_are_the_same(odd, monkeypatch):
    monkeypatch.setattr(transferability, "BLOCK_ROWS", 64)
    x, targets = data(300, 20)
    x = ODD[odd](x).astype(np.float32)
    known = Moments.of(ChosenRows(x), targets)
    np.testing.assert_allclose(known.mean, x.mean(axis=0, dtype=np.float64), rtol=1e-12)
    own = np.hstack([x, targets[:, None] == np.arange(3)], dtype=np.float64)
    plain = own.T @ own
    np.testing.assert_allclose(known.gram, plain, rtol=1e-10, atol=1e-10 * plain.max())
    assert h_score(x, targets, moments=known) == pytest.approx(h_score(x, targets), abs=1e-9)
    assert log_me(x, targets, known) == pytest.approx(log_me(x, targets), abs=1e-9)
