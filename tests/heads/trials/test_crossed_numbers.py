"""Heads of every task that are tried on folds: scikit-learn's estimators and scores, on the same
folds."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    r2_score,
    root_mean_squared_error,
)
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headstart as hs
from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.combined.gain import difference, shown_to_help
from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.evaluation.transferability import log_me
from headstart.heads.evaluation.winner import winner_of
from headstart.heads.kind import Part
from headstart.heads.trials.by_task import mixed_folds, usual_kinds
from headstart.heads.trials.objective import OBJECTIVES, columns_of, objectives_of
from headstart.heads.trials.ranked import cross_neighbours, quick_heads
from headstart.heads.trials.wrong_numbers import find_wrong_numbers

ROWS = 120
FOLDS = KFold(4, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(ROWS, 5)).astype(np.float32)


def numbers_of(x, outputs=1):
    noise = np.random.default_rng(1).normal(size=(len(x), outputs))
    return 3 + 10.0 ** np.arange(outputs) * (x[:, :outputs] - x[:, 1:2] + noise)


def tried(kinds, x, y, task, repeats=1, groups=None):
    folds = mixed_folds(len(x), 4, groups, repeats=repeats)
    numbers = None if groups is None else np.unique(groups, return_inverse=True)[1]
    return cross(kinds, Part(x, y, None, numbers), folds, task=task, jobs=1)


def by_sklearn(model, x, y, **more):
    said = cross_val_predict(make_pipeline(StandardScaler(), model), x, y, cv=FOLDS, **more)
    return said.reshape(len(x), -1) if isinstance(said, np.ndarray) else said


@pytest.mark.parametrize("outputs", [1, 3])
def test_ridge_heads_of_numbers_are_scikit_learns_on_the_same_folds(x, outputs):
    y = numbers_of(x, outputs)
    (found,) = tried([hs.Ridge((5.0,))], x, y, hs.Regression())
    # of several numbers each is scaled to variance 1, which leaves least squares as they are
    theirs = by_sklearn(Ridge(5.0), x, y)
    np.testing.assert_allclose(found.outputs, theirs, rtol=1e-4, atol=1e-3)
    metrics = found.metrics()
    assert metrics["r2"] == pytest.approx(r2_score(y, theirs), abs=1e-5)
    assert metrics["mean_absolute_error"] == pytest.approx(mean_absolute_error(y, theirs), rel=1e-4)
    root = root_mean_squared_error(y, theirs)
    assert metrics["root_mean_squared_error"] == pytest.approx(root, rel=1e-4)
    for name in columns_of(hs.Regression()):
        low, high = metrics["intervals"][name]
        assert low < metrics[name] < high


def test_counts_and_quantiles_are_scikit_learns_on_the_same_folds(x):
    rng = np.random.default_rng(2)
    counts = rng.poisson(np.exp(0.5 * x[:, :1])).astype(np.float64)
    (found,) = tried([hs.Ridge((0.01,))], x, counts, hs.Regression("poisson"))
    theirs = by_sklearn(PoissonRegressor(alpha=0.01, tol=1e-8), x, counts.ravel())
    np.testing.assert_allclose(found.outputs, theirs, rtol=5e-3)
    deviance = mean_poisson_deviance(counts, theirs)
    assert found.metrics()["poisson_deviance"] == pytest.approx(deviance, rel=1e-3)

    y = numbers_of(x)
    (found,) = tried([hs.Ridge((1e-4,))], x, y, hs.Regression("quantile", 0.8))
    theirs = by_sklearn(QuantileRegressor(quantile=0.8, alpha=0.0), x, y.ravel())
    pinball = mean_pinball_loss(y, theirs, alpha=0.8)
    assert found.metrics()["pinball_loss"] == pytest.approx(pinball, rel=0.03)


def test_linear_heads_of_several_labels_are_scikit_learns_on_the_same_folds(x):
    y = (numbers_of(x, 3) > 3).astype(np.float32)
    (found,) = tried([hs.Linear((0.1,))], x, y, hs.MultiLabel())
    model = MultiOutputClassifier(LogisticRegression(C=0.1, tol=1e-8))
    theirs = np.stack([one[:, 1] for one in by_sklearn(model, x, y, method="predict_proba")], 1)
    np.testing.assert_allclose(found.outputs, theirs, atol=5e-3)
    metrics = found.metrics()
    losses = [log_loss(one, said) for one, said in zip(y.T, theirs.T, strict=True)]
    assert metrics["log_loss"] == pytest.approx(np.mean(losses), rel=1e-2)
    assert metrics["exact"] == pytest.approx(accuracy_score(y, theirs >= 0.5), abs=2 / ROWS)
    assert found.settings == {"kind": "linear", "strength": 0.1}


def test_an_ordinal_head_says_the_median_on_folds_too(x):
    y = np.digitize(numbers_of(x)[:, 0], (2.0, 4.0))
    folds = split_into_folds(y, 4, classes=[0, 1, 2])
    (found,) = cross([hs.Linear((0.1,))], Part(x, y), folds, task=hs.Ordinal(), jobs=1)
    said = (np.cumsum(found.outputs, axis=1)[:, :-1] < 0.5).sum(axis=1)
    assert found.accuracy == accuracy_score(y, said)


def test_folds_of_numbers_are_scikit_learns_and_groups_stay_together():
    for ours, (train, test) in zip(mixed_folds(30, 3), KFold(3, shuffle=True, random_state=0)
                                   .split(np.zeros(30)), strict=True):  # fmt: skip
        assert ours.train.tolist() == train.tolist() and ours.test.tolist() == test.tolist()
    groups = [str(n // 3) for n in range(30)]
    theirs = GroupKFold(3, shuffle=True, random_state=0).split(np.zeros(30), None, groups)
    for ours, (_, test) in zip(mixed_folds(30, 3, groups), theirs, strict=True):
        assert ours.test.tolist() == test.tolist()
        assert not {groups[n] for n in ours.test} & {groups[n] for n in ours.train}
    with pytest.raises(HeadError, match="there are 10 groups to try heads on, fewer than the 11"):
        mixed_folds(30, 11, groups)


def test_repeats_of_numbers_are_scored_each_by_itself(x):
    y = numbers_of(x)
    (found,) = tried([hs.Ridge((5.0,))], x, y, hs.Regression(), repeats=3)
    each = [r2_score(y, one) for one in found.said]
    assert found.metrics()["r2"] == pytest.approx(np.mean(each))
    assert r2_score(y, found.outputs) > np.mean(each)  # that of an ensemble of the three
    assert found.spread is not None


def test_what_is_worse_is_starred_and_the_best_is_corrected_for_the_choice(x):
    y = numbers_of(x)
    penalties = (0.1, 1.0, 1e3, 1e5)
    found = tried([hs.Ridge((one,)) for one in penalties], x, y, hs.Regression())
    best = sorted(found, key=lambda one: one.order("r2"))
    assert [one.settings["penalties"] for one in best[-2:]] == [[1e3], [1e5]]
    outcomes = [one.outcomes("r2") for one in best]
    assert worse_than_best(outcomes).tolist()[-1] and not worse_than_best(outcomes)[0]
    bounds = OBJECTIVES["r2"].low, OBJECTIVES["r2"].high
    winner = winner_of(outcomes, "r2", bounds=bounds)
    assert winner.corrected <= winner.raw == best[0].metrics()["r2"]
    assert winner.corrected_interval[1] <= 1


def test_numbers_of_another_unit_choose_the_same_head(x):
    y = numbers_of(x, 2)
    kinds = [hs.Ridge((one,)) for one in (0.1, 10.0, 1e3)]
    plain, scaled = (
        [one.order("r2")[0] for one in tried(kinds, x, own, hs.Regression())]
        for own in (y, y * (1, 1e4))
    )
    np.testing.assert_allclose(plain, scaled, rtol=1e-4)


def test_groups_are_no_evidence_of_their_own(x):
    copies, y = np.repeat(x[:30], 4, axis=0), np.repeat(numbers_of(x[:30]), 4, axis=0)
    groups = [str(n // 4) for n in range(ROWS)]
    (alone,) = tried([hs.Ridge((5.0,))], copies, y, hs.Regression())
    (grouped,) = tried([hs.Ridge((5.0,))], copies, y, hs.Regression(), groups=groups)
    assert grouped.metrics()["groups"] == 30
    widths = [np.diff(one.metrics()["intervals"]["r2"])[0] for one in (alone, grouped)]
    assert widths[1] > 1.5 * widths[0]


@pytest.mark.parametrize(
    ("task", "kind"), [(hs.Regression(), hs.Linear()), (hs.Ordinal(), hs.Ridge()),
                       (hs.Regression("poisson"), hs.MLP())]
)  # fmt: skip
def test_a_kind_that_cannot_do_the_task_is_refused_before_anything_is_fitted(x, task, kind):
    with pytest.raises(HeadError, match=f"a head of kind {kind.kind} (cannot|knows)"):
        tried([kind], x, numbers_of(x), task)


@pytest.mark.parametrize(
    ("kind", "told"),
    [(hs.Bagged(hs.Linear()), "bagged heads are trained, and not tried on folds"),
     (hs.ZeroShot(), "a head of kind zeroshot learns nothing of samples")],
)  # fmt: skip
def test_kinds_that_are_not_tried_on_folds_are_refused_before_anything_is_fitted(x, kind, told):
    y, fitted = np.arange(ROWS) % 2, []
    folds = split_into_folds(y, 2, classes=[0, 1])
    with pytest.raises(HeadError, match=told):
        cross([hs.Linear((0.1,)), kind], Part(x, y), folds, jobs=1, progress=fitted.append)
    assert not fitted


def test_an_interval_ends_where_the_score_does(x):
    rng = np.random.default_rng(0)
    y = 10 * x[:30, :1] + rng.normal(size=(30, 1))
    folds = mixed_folds(30, 5)
    (found,) = cross([hs.Ridge((0.1,))], Part(x[:30], y), folds, task=hs.Regression(), jobs=1)
    metrics = found.metrics()
    assert 0.9 < metrics["r2"] < metrics["intervals"]["r2"][1] <= 1
    low, high = metrics["intervals"]["root_mean_squared_error"]
    assert 0 <= low < metrics["root_mean_squared_error"] < high


def test_how_heads_are_tried_is_by_the_score_of_the_task():
    assert hs.CrossValidation().objective == "accuracy"
    assert hs.CrossValidation(task="regression").objective == "r2"
    poisson = hs.CrossValidation(task=hs.Regression("poisson"))
    assert poisson.objective == "poisson_deviance" and poisson.is_loss
    assert hs.CrossValidation.of(poisson.describe()) == poisson
    assert hs.CrossValidation.of(hs.CrossValidation().describe()) == hs.CrossValidation()
    for task in (hs.Regression(), hs.Regression("quantile"), hs.MultiLabel(), hs.Ordinal()):
        assert {*objectives_of(task)} <= {*OBJECTIVES}
        assert usual_kinds(task)[0] == task.default_kind.kind
    with pytest.raises(InvalidHeadSetting, match="objective is 'accuracy', and the task regr"):
        hs.CrossValidation(task="regression", objective="accuracy")
    with pytest.raises(InvalidHeadSetting, match="so many samples of each class"):
        hs.CrossValidation(task="regression", shots=3)
    with pytest.raises(InvalidHeadSetting, match="gives classes weights"):
        hs.CrossValidation(task=hs.Classification(balanced=True))


def test_neighbours_are_scikit_learns_and_a_quantile_is_that_of_theirs(x):
    y = numbers_of(x, 2)
    folds = mixed_folds(ROWS, 4)
    found = cross_neighbours(Part(x, y), folds, hs.Regression(), 7)
    model = KNeighborsRegressor(7, metric="cosine")
    theirs = cross_val_predict(model, x - np.float32(0), y, cv=FOLDS)
    same = np.isclose(found.outputs, theirs, rtol=1e-5).all(axis=1)
    assert same.mean() > 0.98  # where two are equally near in float32, either counts
    upper = cross_neighbours(Part(x, y), folds, hs.Regression("quantile", 0.9), 7)
    assert (upper.outputs >= found.outputs).mean() > 0.99


@pytest.mark.parametrize("width", [3, 200])
def test_log_me_of_numbers_is_the_maximum_of_the_evidence(width):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, width)).astype(np.float32)
    y = x[:, :2].astype(np.float64) + rng.normal(size=(60, 2))
    each = []
    for one in y.T:

        def negative(logs, one=one):
            alpha, beta = np.exp(logs)
            covariance = np.eye(60) / beta + x.astype(np.float64) @ x.T / alpha
            return -multivariate_normal.logpdf(one, np.zeros(60), covariance) / 60

        each.append(-minimize(negative, [0.0, 0.0], method="Nelder-Mead").fun)
    assert log_me(x, y) == pytest.approx(np.mean(each), abs=1e-4)


def test_numbers_in_another_unit_have_the_same_log_me(x):
    folds, y = mixed_folds(ROWS, 4), numbers_of(x)
    plain, scaled = (
        quick_heads(Part(x, own), folds, hs.Regression(), (), None).log_me for own in (y, 1e3 * y)
    )
    assert plain == pytest.approx(scaled, abs=1e-9)


def test_joined_features_are_compared_by_the_errors_of_each_sample(x):
    y = numbers_of(x)
    folds = mixed_folds(ROWS, 4)
    joined, alone = (
        cross([hs.Ridge((1.0,))], Part(own, y), folds, task=hs.Regression(), jobs=1)[0]
        for own in (x, x[:, 2:])
    )
    found, interval = difference(joined, alone)
    assert found == pytest.approx(joined.metrics()["r2"] - alone.metrics()["r2"])
    assert interval[0] < found < interval[1]
    assert difference(alone, joined)[0] == pytest.approx(-found)
    assert shown_to_help([(joined, interval), (joined, (-0.1, 0.1))]) == [interval[0] > 0, False]


def test_a_wrong_number_is_far_from_the_head_and_from_its_neighbours():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, 2)) * (1, 100)
    said, near = truth + rng.normal(size=(200, 2)) * (0.1, 10), truth + rng.normal(size=(200, 2))
    given = truth.copy()
    given[7, 0] += 2
    given[11, 1] -= 300
    given[13, 0] += 2
    near[13, 0] = given[13, 0]  # its neighbours have such numbers, too
    found = find_wrong_numbers(said, near, given)
    assert {7, 11} <= {one.row for one in found} and 13 not in {one.row for one in found}
    assert len(found) < 8 and [one.off for one in found] == sorted(
        (one.off for one in found), reverse=True
    )
    assert find_wrong_numbers(given, given, given) == []
