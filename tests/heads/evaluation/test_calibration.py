"""Heads are as sure as they may be, with and without a validation split."""

import itertools
import tracemalloc

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

import headstart as hs
from headstart.heads.calibration.judge import Verdict
from headstart.heads.calibration.out_of_fold import groups_of, inner_folds, members
from headstart.heads.calibration.temperature import calibrate, penalty_of
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.kind import Part
from headstart.heads.kinds.least_squares import LeastSquares
from headstart.heads.kinds.losses import loss_of
from headstart.heads.kinds.neighbours import COUNTS, Neighbours
from headstart.heads.layers.activations import softmax
from headstart.heads.models.train import parts_of
from headstart.heads.tasks import Classification

SMALL = [
    (2, 2),
    (20, 5),
    (300, 2),
    *(pytest.param(*one, marks=pytest.mark.slow) for one in [(2, 5), (20, 2), (300, 5)]),
]
"""Width and classes."""


def clouds(width, classes, rows, apart, seed=0):
    """Classes around centres; the wider, the surer can the training rows be told apart, whatever
    the others do."""
    rng = np.random.default_rng([width, classes, seed])
    centres = rng.normal(size=(classes, width))
    centres *= 1.5 * apart / np.linalg.norm(centres, axis=1, keepdims=True)
    y = np.arange(rows) % classes
    x = centres[y] + rng.normal(size=(rows, width)) / width**0.25
    return x.astype(np.float32), y


def split(x, y, *sizes):
    bounds = np.cumsum([0, *sizes, len(y) - sum(sizes)])
    return [Part(x[a:b], y[a:b]) for a, b in itertools.pairwise(bounds)]


def said(fitted, part, classes):
    return DenseStack(fitted.layers, tuple(range(classes))).predict_proba(part.features)


def held_out(kind, train, validation, test, classes):
    fitted = kind.fit(train, validation, classes, 0)
    return loss_of("softmax", said(fitted, test, classes), test.targets)


@pytest.mark.parametrize("aside", [0, 2])
@pytest.mark.parametrize(("width", "classes"), SMALL)
def test_no_kind_is_twice_as_wrong_as_linear_where_train_rows_can_be_told_apart(
    width, classes, aside
):
    for rows, apart in itertools.product((4 * classes, 12 * classes), (0.7, 1.5, 4.0)):
        x, y = clouds(width, classes, rows + (aside + 60) * classes, apart)
        train, validation, test = split(x, y, rows, aside * classes)
        linear = held_out(hs.Linear(), train, validation, test, classes)
        for kind in (hs.Ridge(), hs.SVM(), hs.Prototype(), Neighbours()):
            # Votes know no margin: where n samples were all right, about 1 / n of doubt is left.
            limit = max(2 * linear, 1.6 / rows if kind == Neighbours() else 0)
            assert held_out(kind, train, validation, test, classes) <= limit, (rows, apart, kind)


@pytest.mark.parametrize("aside", [0, 2])
@pytest.mark.parametrize(("width", "classes"), SMALL)
def test_no_mlp_is_twice_as_wrong_as_linear_is_of_the_same_rows(width, classes, aside):
    """A linear head is at last fitted on the validation rows as well, of which a network only takes
    its epoch and its temperature: so `linear` is without them here."""
    for rows, apart in itertools.product((4 * classes, 12 * classes), (0.7, 1.5, 4.0)):
        x, y = clouds(width, classes, rows + (aside + 60) * classes, apart)
        train, validation, test = split(x, y, rows, aside * classes)
        linear = held_out(hs.Linear(), train, Part(x[:0], y[:0]), test, classes)
        own = held_out(hs.MLP(), train, validation, test, classes)
        assert own <= 2 * linear, (rows, apart)


def test_ten_unrelated_samples_are_not_sure_things():
    """The training rows can all be told apart; what is asked has nothing to do with them."""
    rng = np.random.default_rng(0)
    train, nothing, _ = split(*clouds(600, 3, 90, 0.7), 90, 0)
    strangers = Part(rng.normal(size=(10, 600)).astype(np.float32) / 600**0.25, np.zeros(10, int))
    for kind in (hs.Linear(), hs.Ridge(), hs.SVM(), hs.Prototype(), Neighbours(), hs.MLP()):
        given = said(kind.fit(train, nothing, 3, 0), strangers, 3)
        assert given.max(axis=1).mean() < 0.9, kind


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.SVM(), hs.Prototype(), Neighbours(), hs.MLP()])
def test_a_small_validation_split_that_is_all_right_makes_nobody_sure(kind):
    x, y = clouds(100, 3, 400, 0.6)
    train, rest = split(x, y, 45)
    wrong = said(kind.fit(train, Part(x[:0], y[:0]), 3, 0), rest, 3).argmax(axis=1) != rest.targets
    assert 0.08 < wrong.mean() < 0.6
    lucky = rest.rows(np.flatnonzero(~wrong)[:6])
    given = said(kind.fit(train, lucky, 3, 0), rest, 3)
    assert loss_of("softmax", given, rest.targets) < 1.0


CALIBRATED = {
    "ridge": (hs.Ridge(), RidgeClassifier()),
    "svm": (hs.SVM(), LinearSVC(C=1e-3, dual=False)),
    "prototype": (hs.Prototype(), LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1.0)),
    "neighbours": (Neighbours(10), KNeighborsClassifier(10, metric="cosine")),
    "linear": (hs.Linear(), LogisticRegression(C=0.1, max_iter=1000)),
}
"""Ours, and what scikit-learn has that is nearest."""


@pytest.mark.parametrize("name", CALIBRATED)
def test_probabilities_are_as_good_as_those_of_scikit_learns_calibration(name):
    kind, theirs = CALIBRATED[name]
    data = load_digits()
    x, y = data.data.astype(np.float32), data.target
    noisy = x + np.random.default_rng(0).normal(0, 5, x.shape).astype(np.float32)
    ours, reference = np.zeros((len(y), 10)), np.zeros((len(y), 10))
    for fitted, asked in StratifiedKFold(3, shuffle=True, random_state=0).split(noisy, y):
        train, tried = Part(noisy[fitted], y[fitted]), Part(noisy[asked], y[asked])
        ours[asked] = said(kind.fit(train, Part(x[:0], y[:0]), 10, 0), tried, 10)
        steps = [theirs] if name == "neighbours" else [StandardScaler(), theirs]
        model = CalibratedClassifierCV(make_pipeline(*steps), method="temperature", cv=5)
        with threadpool_limits(1):
            model.fit(train.features, train.targets)
        reference[asked] = model.predict_proba(tried.features)
    accuracies = [(given.argmax(axis=1) == y).mean() for given in (ours, reference)]
    losses = [loss_of("softmax", given, y) for given in (ours, reference)]
    errors = [calibration_error(given, y) for given in (ours, reference)]
    assert accuracies[0] > accuracies[1] - 0.015
    assert losses[0] < 1.1 * losses[1]
    assert errors[0] < errors[1] + 0.02


# Rows that are left out


@pytest.mark.parametrize(
    ("rows", "aside", "asked"),
    [(60, 0, 60), (60, 20, 60), (400, 0, 240), (1200, 0, 240), (60, 200, 0)],
)
def test_an_mlp_asks_as_many_folds_as_it_takes(rows, aside, asked):
    train, validation, _ = split(*clouds(5, 2, rows + aside, 1.0), rows, aside)
    details = hs.MLP(hidden=(4,), epochs=2).fit(train, validation, 2, 0).details
    assert details["judged_on"] == {"train": asked, "validation": aside}


@pytest.mark.parametrize(("rows", "width"), [(40, 6), (12, 30)])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_ridge_says_without_a_fold_is_what_a_fit_without_it_says(rows, width, weighted):
    rng = np.random.default_rng(0)
    z, targets = rng.normal(size=(rows, width)), rng.normal(size=(rows, 2))
    weights = rng.uniform(0.5, 3, rows).astype(np.float32) if weighted else None
    squares = LeastSquares.of(z, targets, weights)
    folds = [np.array([0]), np.array([1]), np.array([2, 5, 7])]
    for penalty in (1e-3, 1.0, 100.0):
        given = squares.left_out(penalty, folds)
        for fold in folds:
            rest = np.setdiff1d(np.arange(rows), fold)
            model = Ridge(penalty, solver="svd")
            model.fit(z[rest], targets[rest], None if weights is None else weights[rest])
            np.testing.assert_allclose(given[fold], model.predict(z[fold]), rtol=1e-6, atol=1e-8)
        kernel, bias = squares.solve(penalty)
        model = Ridge(penalty, solver="svd").fit(z, targets, weights)
        np.testing.assert_allclose(z @ kernel + bias, model.predict(z), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_what_ridge_says_without_a_fold_larger_than_the_width(weighted):
    """Its part of the hat matrix, rows x rows, would be too large; the sums of the columns do."""
    rng = np.random.default_rng(1)
    z, targets = rng.normal(3, 2, size=(90, 6)), rng.normal(size=(90, 2))
    weights = rng.uniform(0.5, 3, 90).astype(np.float32) if weighted else None
    squares = LeastSquares.of(z, targets, weights)
    folds = [np.arange(7), np.arange(7, 15), np.arange(15, 75), np.array([80])]
    for penalty in (1e-3, 1.0, 100.0):
        given = squares.left_out(penalty, folds)
        for fold in folds:
            rest = np.setdiff1d(np.arange(90), fold)
            again = LeastSquares.of(
                z[rest], targets[rest], weights if weights is None else weights[rest]
            )
            kernel, bias = again.solve(penalty)
            np.testing.assert_allclose(given[fold], z[fold] @ kernel + bias, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("cause", ["groups", "equal rows"])
def test_large_groups_take_no_memory_of_their_size_squared(cause):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20_000, 16)).astype(np.float32), np.arange(20_000) % 2
    groups = np.arange(20_000) // 4_000 if cause == "groups" else None
    if cause == "equal rows":
        x[:4_000] = 0  # blank pictures, of which both classes have some
    part = Part(x, y, groups=groups)
    tracemalloc.start()
    try:
        fitted = hs.Ridge((1.0, 10.0)).fit(part, Part(x[:0], y[:0]), 2, 0)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fitted.details["judged_on"]["train"] == 20_000
    assert most < 60e6, f"{most / 1e6:.0f} MB"


def test_what_prototypes_say_without_a_fold_is_what_the_other_means_say():
    x, y = clouds(5, 3, 30, 1.0)
    problem = hs.Prototype().problem(x, Part(x, y), 3, 0)
    scores = problem.left_out(1.0)
    for rows in members(problem.folds):
        rest = np.setdiff1d(np.arange(30), rows)
        kernel, bias = hs.Prototype().problem(x[rest], Part(x[rest], y[rest]), 3, 0).solve(1.0)
        np.testing.assert_allclose(scores[rows], x[rows] @ kernel + bias, atol=1e-6)


def test_folds_take_one_of_each_class_and_groups_stay_together():
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    assert [sorted(y[rows]) for rows in members(inner_folds(Part(x, y), 0))] == [[0, 1]] * 4
    grouped = Part(x, y, groups=np.array([7, 7, 3, 4, 5, 5, 6, 8]))
    folds = inner_folds(grouped, 0)
    assert folds[0] == folds[1] and folds[4] == folds[5] and len(members(folds)) == 3
    np.testing.assert_array_equal(inner_folds(grouped, 0), folds)


def test_a_sweep_leaves_groups_out_together():
    """Each sample is there three times, hardly moved: who leaves out one alone finds its twins."""
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 20)
    x = np.tile(clouds(100, 3, 60, 0.5)[0], (3, 1)).astype(np.float32)
    x += rng.normal(0, 1e-3, x.shape).astype(np.float32)
    y, groups = np.tile(y, 3), [f"g{row % 60}" for row in range(180)]
    folds = split_into_folds(y, 3, classes="abc", groups=groups)
    alone, (together,) = (
        cross([Neighbours()], Part(x, y, groups=known), folds, jobs=1)
        for known in (None, np.arange(180) % 60)
    )
    assert together.log_loss < 0.8 * alone[0].log_loss


def test_copies_are_left_out_together_unless_features_are_flags():
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    x[4] = x[1]
    y = np.array([0, 1, 0, 1, 1, 0])
    assert groups_of(Part(x, y)).tolist() == [0, 1, 2, 3, 1, 4]
    joined = Part(x, y, groups=np.array([0, 1, 2, 0, 4, 4]))
    assert groups_of(joined).tolist() == [0, 1, 2, 0, 1, 1]
    flags = np.array([[0], [1], [0], [1], [0], [1]], np.float32)
    assert groups_of(Part(flags, y)).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_class_of_one_group_is_never_left_out():
    x = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    y = np.array([0, 0, 0, 1, 1, 2, 2])
    folds = inner_folds(Part(x, y, groups=np.array([0, 1, 2, 3, 4, 5, 5])), 0)
    assert (folds[5:] == -1).all() and (folds[:5] >= 0).all()
    for number in range(folds.max() + 1):
        assert set(y[folds != number]) == {0, 1, 2}


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.SVM(), hs.Prototype(), Neighbours()])
@pytest.mark.parametrize("counts", [(1, 1), (1, 1, 1), (2, 1), (3, 1, 1), (2, 2)])
def test_hardly_any_samples_give_a_head_that_is_not_sure(kind, counts):
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(0).normal(size=(len(y), 50)).astype(np.float32)
    given = said(kind.fit(Part(x, y), Part(x[:0], y[:0]), len(counts), 0), Part(x, y), len(counts))
    assert np.isfinite(given).all()
    if max(counts) == 1:  # nothing is known: a coin
        own = given[np.arange(len(y)), y]
        assert (own < 0.51).all()


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.SVM(), hs.Prototype(), Neighbours(), hs.MLP()])
def test_the_same_seed_gives_the_same_temperature(kind):
    x, y = clouds(20, 3, 60, 0.7)
    train, nothing = Part(x, y), Part(x[:0], y[:0])
    one, other = (kind.fit(train, nothing, 3, 5).details for _ in range(2))
    assert one == other and one["judged_on"] == {"train": 60, "validation": 0}


def test_views_of_a_picture_are_left_out_with_it(ready):
    view = ready.extract("net", "pics")
    seen = ready.extract("net", "pics", augmentation=1).split("train")
    parts, _ = parts_of(view, Classification(), [seen])
    groups = parts["train"].groups
    assert len(parts["train"]) == 2 * len(np.unique(groups))


def test_calibrated_neighbours_are_kept_and_attached(ready, tmp_path):
    head = ready.heads.train("near", ready.extract("net", "pics"), Neighbours())
    settings = head.record.settings
    assert settings["chosen"] in COUNTS and settings["temperature"] > 0
    assert head.attach_checked(tmp_path / "near.keras")[1] < 1e-4
    assert head.reproduce()["agrees"]
    assert head.stack.predict_proba(ready.features("net", "pics").to_numpy()).min() > 0


# The temperature


def test_the_temperature_has_the_least_log_loss():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 500)
    logits = 0.3 * rng.normal(size=(500, 3)) + 0.5 * np.eye(3)[y]
    found = calibrate(Verdict(7.0 * logits, y, None, 0.0))

    def loss(temperature):
        return loss_of("softmax", softmax(7.0 * logits / temperature), y)

    assert found.log_loss == pytest.approx(loss(found.temperature), abs=1e-9)
    assert all(loss(found.temperature * f) > found.log_loss for f in (0.97, 1.03))


def test_where_all_are_right_a_linear_heads_prior_says_how_sure():
    """One feature, two classes: the best point on the line is the optimum of a linear head."""
    x = np.array([[-2.0], [-1.5], [-1.0], [1.0], [1.5], [2.0]])
    y = np.array([0, 0, 0, 1, 1, 1])
    kernel = np.array([[-1.0, 1.0]])
    found = calibrate(Verdict(x @ kernel, y, None, 0.0), penalty_of(kernel, 6))
    model = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-10).fit(x, y)
    assert 2 / found.temperature == pytest.approx(float(model.coef_[0, 0]), rel=1e-3)


# Grids


def calibration_error(probabilities, targets, bins=15):
    """Expected calibration error: by how much the surety of guesses is off, over equal bins."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].sum() - sure[place == b].sum()) for b in range(bins)]
    return sum(gaps) / len(targets)


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.Ridge((1e9,)), hs.SVM(), hs.Prototype()])
def test_scores_keep_their_precision_however_small_they_are(kind):
    """A strong penalty leaves small scores around a level that all classes share."""
    x, y = clouds(600, 3, 90, 0.7)
    fitted = kind.fit(Part(x, y), Part(x[:0], y[:0]), 3, 0)
    (layer,) = fitted.layers
    assert np.abs(layer.bias).max() < 100
    exact = softmax(x.astype(np.float64) @ layer.kernel.astype(np.float64) + layer.bias)
    np.testing.assert_allclose(said(fitted, Part(x, y), 3), exact, atol=1e-5)
