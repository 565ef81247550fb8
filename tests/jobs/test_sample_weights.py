"""Heads of a dataset that says what its samples count, beside scikit-learn's `sample_weight`."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import headstart as hs
from headstart.errors import DatasetError, HeadError
from headstart.heads.evaluation.cross_validation import cross
from headstart.heads.evaluation.folds import split_into_folds
from headstart.heads.kind import Part
from headstart.heads.tasks import Classification
from headstart.trained_head import TrainedHead

CUT = "flat@as_it_is"
C, ALPHA = 0.05, 3.0
COUNT = 150


def drawn():
    """Classes that overlap, and weights that differ between them and within them."""
    rng = np.random.default_rng(4)
    y = np.arange(COUNT) % 3
    x = (rng.normal(size=(COUNT, 6)) + np.eye(3, 6)[y]).astype(np.float32)
    return x, y, np.where(y == 1, 6.0, 1.0) * rng.uniform(0.5, 2, COUNT)


X, Y, W = drawn()
NUMBERS = (X @ np.arange(6) + np.random.default_rng(5).normal(size=COUNT) * W).astype(np.float64)


@pytest.fixture
def weighed(rows):
    """`classes` and `numbers` with weights, `plain` without; no validation split."""
    how = {"split": "80/20"}
    rows.datasets.add("classes", X, Y, weights=W, **how)
    rows.datasets.add("plain", X, Y, **how)
    rows.datasets.add("numbers", X, NUMBERS, weights=W, **how)
    for name in ("classes", "plain", "numbers"):
        rows.extract(CUT, name, settings=hs.Settings(engine="tensorflow"))
    return rows


def parts(ws, name):
    """Row numbers of the train and test split."""
    columns = ws.datasets.manifest(name).columns
    ids = np.array([int(one) for one in columns.ids])
    return [ids[np.array(columns.splits) == split] for split in ("train", "test")]


def train(ws, name, kind=None, **more):
    return ws.heads.train(name, ws.features(CUT, name), kind, **more)


def scaled(model, x, y, w):
    """Fitted as a pipeline of scikit-learn is, with weights in both steps."""
    made = make_pipeline(StandardScaler(), model)
    step = made.steps[-1][0]
    return made.fit(x, y, standardscaler__sample_weight=w, **{f"{step}__sample_weight": w})


def logistic(x, y, w):
    model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000)
    return scaled(model, x.astype(np.float64), y, w)


@pytest.mark.parametrize("balanced", [False, True])
def test_a_linear_head_is_a_logistic_regression_with_sample_weight(weighed, balanced):
    head = train(weighed, "classes", hs.Linear((C,)), task=Classification(balanced))
    rows, test = parts(weighed, "classes")
    counted = W[rows]
    if balanced:  # as `compute_class_weight("balanced", …, sample_weight=…)`
        counted = counted * (counted.sum() / (3 * np.bincount(Y[rows], counted)))[Y[rows]]
    theirs = logistic(X[rows], Y[rows], counted)
    (layer,) = head.stack.layers
    logits = np.log(theirs.predict_proba(X[test]))
    own = X[test] @ layer.kernel + layer.bias
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (own, logits))
    temperature = head.record.settings.get("temperature", 1.0)
    np.testing.assert_allclose(one * temperature, other, atol=5e-3)
    said = head.stack.predict_proba(X[test]).argmax(axis=1)
    assert head.metrics["accuracy"] == accuracy_score(Y[test], said)  # scores count all alike


def test_a_head_of_numbers_is_a_ridge_with_sample_weight(weighed):
    head = train(weighed, "numbers", hs.Ridge((ALPHA,)), task="regression")
    rows, test = parts(weighed, "numbers")
    theirs = scaled(Ridge(alpha=ALPHA), X[rows].astype(np.float64), NUMBERS[rows], W[rows])
    expected = theirs.predict(X[test])
    np.testing.assert_allclose(head.stack.predict_proba(X[test])[:, 0], expected, atol=1e-3)
    assert head.metrics["r2"] == pytest.approx(r2_score(NUMBERS[test], expected), abs=1e-4)


def test_weights_that_are_ignored_give_the_head_of_before_there_were_any(weighed):
    rows = [parts(weighed, name)[0].tolist() for name in ("classes", "plain")]
    assert rows[0] == rows[1]
    used, plain = (train(weighed, name, hs.Linear((C,))) for name in ("classes", "plain"))
    ignored = train(weighed, "classes", hs.Linear((C,)), ignore_weights=True)
    kernels = [one.stack.layers[0].kernel for one in (used, plain, ignored)]
    np.testing.assert_array_equal(kernels[2], kernels[1])
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01
    own = W[rows[0]]
    told = {"least": pytest.approx(own.min()), "largest": pytest.approx(own.max())}
    assert used.record.settings["sample_weights"] == told
    assert ignored.record.settings["sample_weights"] == "ignored"
    assert "sample_weights" not in plain.record.settings
    for head in (used, ignored):
        assert head.reproduce().agrees
        again = head.retrain()
        np.testing.assert_array_equal(again.stack.layers[0].kernel, head.stack.layers[0].kernel)
        assert again.record.settings["sample_weights"] == head.record.settings["sample_weights"]


def test_weights_that_are_not_there_cannot_be_ignored_and_stay_ignored_when_they_come(weighed):
    with pytest.warns(UserWarning, match="no weights of samples that could be ignored"):
        head = train(weighed, "plain", hs.Linear((C,)), ignore_weights=True)
    assert head.record.settings["sample_weights"] == "ignored"
    again = head.retrain()  # which says nothing of it, once told
    assert again.record.settings["sample_weights"] == "ignored"


def test_a_head_says_what_its_samples_counted(weighed, run):
    run("head", "train", "one", CUT, "classes")
    run("head", "train", "other", CUT, "classes", "--ignore-weights")
    shown = " ".join(run("head", "show", "one").out.split())
    assert "in training; scores count all samples alike" in shown
    assert "of samples: ignored" in run("head", "show", "other").out
    assert "in training" not in run("head", "train", "third", CUT, "plain").out
    assert "weights  0." in run("dataset", "show", "classes").out


def test_a_learning_curve_counts_samples_as_the_head_did(weighed):
    used = train(weighed, "classes", hs.Linear((C,)))
    ignored = train(weighed, "classes", hs.Linear((C,)), ignore_weights=True)
    plain = train(weighed, "plain", hs.Linear((C,)))
    curves = [head.learning_curve() for head in (used, ignored, plain)]
    assert list(curves[1]) == list(curves[2])
    assert list(curves[0]) != list(curves[1])


def test_sweeps_count_samples_by_their_weights(weighed):
    found = [weighed.sweep(name, CUT, [hs.Linear((C,))]).trials[0] for name in ("classes", "plain")]
    assert found[0].crossed.log_loss > found[1].crossed.log_loss  # which counts all samples alike


def test_what_tries_heads_does_without_weights_where_it_is_asked(weighed, run):
    ways = hs.CrossValidation(ignore_weights=True), hs.CrossValidation()
    assert hs.CrossValidation.of(ways[0].describe()) == ways[0]
    assert "ignore_weights" not in ways[1].describe()
    ignored, plain = (
        weighed.sweep(name, CUT, [hs.Linear((C,))], trying=trying)
        for name, trying in zip(("classes", "plain"), ways, strict=True)
    )
    losses = [one.trials[0].crossed.log_loss for one in (ignored, plain)]
    assert losses[0] == losses[1]
    run("head", "train", "kept", "--from-sweep", ignored.id)
    assert weighed.heads.get("kept").record.settings["sample_weights"] == "ignored"
    with pytest.raises(HeadError, match="an ensemble counts them by their weights"):
        weighed.heads.train_ensemble("several", ignored)


def test_folds_are_fitted_with_weights_as_by_scikit_learn():
    folds = split_into_folds(Y, 3, classes=(0, 1, 2))
    (found,) = cross([hs.Linear((C,))], Part(X, Y, W.astype(np.float32)), folds, jobs=1)
    for fold in folds:
        theirs = logistic(X[fold.train], Y[fold.train], W[fold.train])
        expected = theirs.predict_proba(X[fold.test])
        np.testing.assert_allclose(found.probabilities[fold.test], expected, atol=2e-3)


KINDS = [hs.Linear((C,)), hs.SVM((C,)), hs.Ridge((ALPHA,)), hs.Prototype(), hs.Neighbours(5)]
KINDS += [hs.MLP(hidden=(4,), epochs=2), hs.Attentive(epochs=2)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_takes_weights(kind):
    fitted = [
        kind.fit(Part(X, Y, weights), Part(X[:0], Y[:0]), 3, 0)
        for weights in (None, W.astype(np.float32))
    ]
    kernels = [one.layers[-1].kernel for one in fitted]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-4


@pytest.mark.parametrize(
    "kind", [hs.Linear((C,)), hs.MLP(hidden=(), epochs=2)], ids=["each", "all"]
)
def test_several_labels_are_learned_with_weights(rows, kind):
    labels = [["dog", "grass", "dog|grass"][one] for one in Y]
    for name, more in (("used", {"weights": W}), ("plain", {})):
        rows.datasets.add(name, X, labels, split="80/20", **more)
        rows.extract(CUT, name, settings=hs.Settings(engine="tensorflow"))
    heads = [train(rows, name, kind, task="multi-label") for name in ("used", "plain")]
    one, other = (head.stack.layers[0].kernel for head in heads)
    assert np.abs(one - other).max() > 1e-4


def test_a_weight_with_which_no_sums_can_be_made_is_refused_with_its_row(rows):
    with pytest.raises(DatasetError, match=r"row 3: .* 1e.300, and weights are from 1e-09"):
        rows.datasets.add("d", X, Y, weights=np.where(np.arange(COUNT) == 3, 1e300, 1.0))


def test_a_row_of_a_sweep_without_weights_is_trained_without_them(rows):
    rows.datasets.add("d", X, Y, weights=np.where(np.arange(COUNT) % 2, 9.0, 1.0))
    rows.extract(CUT, "d", settings=hs.Settings(engine="tensorflow"))
    kept = rows.sweep("d", CUT, hs.Linear(), trying=hs.CrossValidation(ignore_weights=True))
    assert rows.heads.train_from_sweep("h", kept.id).ignores_weights


def test_commands_do_without_weights_where_they_are_told(rows, run):
    rows.datasets.add("d", X, Y, weights=np.where(np.arange(COUNT) % 2, 9.0, 1.0))
    features = rows.extract(CUT, "d", settings=hs.Settings(engine="tensorflow"))
    for verb in (["rank", "d"], ["features", "audit", CUT, "d"], ["head", "sweep", "d", CUT]):
        with_them, without = run(*verb, "--json"), run(*verb, "--ignore-weights", "--json")
        assert with_them.code == without.code == 0
        assert with_them.out != without.out
    assert isinstance(rows.heads.train("d", features, ignore_weights=True), TrainedHead)
