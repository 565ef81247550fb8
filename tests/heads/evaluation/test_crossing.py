"""Cross-validation: the same scores as scikit-learn, nothing leaks, intervals that hold."""

import gc
import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.cross_validation import cross, cross_elsewhere, try_fold
from headstart.heads.evaluation.folds import Fold, held_out, split_into_folds, with_few
from headstart.heads.evaluation.intervals import wilson_interval
from headstart.heads.kind import Part
from headstart.heads.kinds.neighbours import Neighbours
from headstart.heads.rows import ChosenRows
from headstart.heads.trials.crossed import Gathered, draws_of

CLASSES = ["a", "b", "c"]


def data(rows=240, width=12, seed=0):
    rng = np.random.default_rng(seed)
    targets = np.arange(rows) % 3
    x = rng.normal(size=(rows, width)) + 0.8 * rng.normal(size=(3, width))[targets]
    return np.maximum(x, 0).astype(np.float32), targets


def crossed(kinds, x, y, folds=4, **more):
    parts = split_into_folds(y, folds, classes=CLASSES)
    return cross(kinds, Part(x, y), parts, jobs=1, **more)


def by_sklearn(model, x, y, method="predict_proba"):
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    return cross_val_predict(make_pipeline(StandardScaler(), model), x, y, cv=folds, method=method)


def test_linear_heads_of_a_sweep_are_scikit_learns_on_the_same_folds():
    x, y = data()
    strengths = (1e-3, 1e-2, 1e-1, 1.0)
    for found in crossed([hs.Linear(strengths)], x, y):
        model = LogisticRegression(C=found.settings["strength"], tol=1e-8, max_iter=5000)
        expected = by_sklearn(model, x, y)
        np.testing.assert_allclose(found.probabilities, expected, atol=5e-3)
        # Rows on the border between two classes: three of 240.
        assert found.accuracy == pytest.approx((expected.argmax(axis=1) == y).mean(), abs=0.0126)


def test_ridge_and_neighbours_are_scikit_learns():
    x, y = data()
    ridge, near = crossed([hs.Ridge((10.0,)), Neighbours(7, calibrated=False)], x, y)
    guesses = by_sklearn(RidgeClassifier(10.0), x, y, "predict")
    assert (ridge.probabilities.argmax(axis=1) == guesses).mean() > 0.995
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    expected = cross_val_predict(
        KNeighborsClassifier(7, metric="cosine"), x, y, cv=folds, method="predict_proba"
    )
    same = np.isclose(near.probabilities, expected).all(axis=1)
    assert same.mean() > 0.99  # where two are equally near in float32, we count both


def test_the_order_is_that_of_the_kinds_and_each_strength_counts():
    x, y = data()
    count = []
    kinds = [hs.Prototype(), hs.Linear((1.0, 0.01)), hs.MLP(epochs=25), hs.SVM((0.01,))]
    found = crossed(kinds, x, y, progress=count.append)
    assert [one.settings["kind"] for one in found] == [
        "prototype",
        "linear",
        "linear",
        "mlp",
        "svm",
    ]
    assert [one.settings.get("strength") for one in found[1:3]] == [0.01, 1.0]
    assert sum(count) == 5 * 4
    assert all(one.accuracy > 0.6 for one in found)


def test_processes_give_the_same_numbers():
    x, y = data()
    parts = split_into_folds(y, 4, classes=CLASSES)
    kinds = [hs.Linear((0.01, 0.1)), hs.MLP(epochs=2), hs.Prototype()]
    alone, shared = (cross(kinds, Part(x, y), parts, jobs=jobs) for jobs in (1, 2))
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_what_somebody_else_tries_is_the_same_in_any_order():
    x, y = data()
    part, parts = Part(x, y), split_into_folds(y, 4, classes=CLASSES)
    kinds, asked = [hs.Linear((0.1,)), hs.Ridge((5.0,)), hs.Prototype()], []

    def elsewhere(units):
        asked.extend(units)
        return (try_fold(kind, number, part, parts) for kind, number in reversed(units))

    found = cross_elsewhere(elsewhere, kinds, part, parts)
    assert [kind.kind for kind, _ in asked] == 4 * ["ridge"] + 4 * ["prototype"]
    for one, other in zip(found, cross(kinds, part, parts, jobs=1), strict=True):
        assert one.settings == other.settings
        np.testing.assert_array_equal(one.outputs, other.outputs)


def test_the_numbers_are_the_same_however_many_threads_there_are_for_products():
    """As of processes beside each other, which have one each, and of a process alone."""
    x, y = data(width=6)
    wide = hs.MLP((236, 325), dropout=0.7, learning_rate=4e-3, epochs=2)
    given = []
    for threads in (1, 2, 4):
        with threadpool_limits(threads, user_api="blas"):
            given.append(crossed([wide], x, y)[0].probabilities)
    np.testing.assert_array_equal(given[0], given[1])
    np.testing.assert_array_equal(given[0], given[2])


def test_each_row_is_tried_once_a_repeat_by_heads_that_did_not_see_it():
    _, y = data()
    for fold in (parts := split_into_folds(y, 4, classes=CLASSES, repeats=3)):
        assert not set(fold.train) & set(fold.test)
        assert np.bincount(y[fold.test]).tolist() == [20, 20, 20]
    tried = np.bincount(np.concatenate([fold.test for fold in parts]))
    assert tried.tolist() == [3] * len(y)


def test_groups_stay_on_one_side():
    _, y = data()
    groups = [f"g{number // 6}" for number in range(len(y))]
    for fold in split_into_folds(y, 4, classes=CLASSES, groups=groups):
        sides = [{groups[row] for row in side} for side in (fold.train, fold.test)]
        assert not sides[0] & sides[1]


def test_a_class_with_fewer_samples_than_folds_is_refused():
    y = np.array([0] * 20 + [1] * 20 + [2] * 3)
    with pytest.raises(HeadError, match=r"class 'c' has 3 samples .* fewer than the 5 folds"):
        split_into_folds(y, 5, classes=CLASSES)
    with pytest.raises(HeadError, match="folds is 1"):
        split_into_folds(y, 1, classes=CLASSES)


def test_ages_that_are_taken_for_classes_are_said_to_look_like_numbers():
    """The hint was to take fewer folds or to leave the class out, of each of 60 ages."""
    ages = list(range(20, 80))
    y = np.repeat(np.arange(60), 3)
    for ask in (
        lambda: split_into_folds(y, 5, classes=ages),
        lambda: with_few(split_into_folds(y, 3, classes=ages)[0], y, 7, ages),
        lambda: held_out(y[:-2], classes=ages, groups=None, seed=0),
        lambda: hs.Classification().check(Part(np.zeros((180, 1)), y % 59), ages),
    ):
        with pytest.raises(HeadError) as caught:
            ask()
        assert "--task regression" in (caught.value.hint or "")
    with pytest.raises(HeadError) as caught:
        split_into_folds(np.repeat(np.arange(3), 3), 5, classes=[1, 2, 3])
    assert caught.value.hint == "Take fewer folds, add samples, or leave the class out."


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = rng.binomial(80, 0.9, 4000)
    held = [low <= 0.9 <= high for low, high in (wilson_interval(int(n), 80) for n in draws)]
    assert 0.93 < np.mean(held) < 0.97


@pytest.mark.parametrize("kind", [hs.Ridge(), hs.SVM(), hs.Prototype()])
@pytest.mark.parametrize("classes", [2, 3])
def test_one_layer_heads_learn_and_are_calibrated(kind, classes):
    from headstart.heads.dense_stack import DenseStack
    from headstart.heads.kind import Part

    x, y = data(900)
    keep = y < classes
    x, y = x[keep], y[keep]
    train, middle, test = (slice(0, 300), slice(300, 450), slice(450, None))
    fitted = kind.fit(Part(x[train], y[train]), Part(x[middle], y[middle]), classes, 0)
    given = DenseStack(fitted.layers, tuple(range(classes))).predict_proba(x[test])
    right = given.argmax(axis=1) == y[test]
    assert right.mean() > 0.75
    assert abs(given.max(axis=1).mean() - right.mean()) < 0.1


def test_neighbours_are_a_head_that_is_kept_and_shipped(ready, tmp_path, run):
    view = ready.extract("net", "pics")
    head = ready.heads.train("near", view, Neighbours(3, calibrated=False))
    train, test = view.split("train"), view.split("test")
    theirs = KNeighborsClassifier(3, metric="cosine", algorithm="brute")
    theirs.fit(train.to_numpy(), np.array(train.labels))
    given = head.stack.predict_proba(test.to_numpy())
    np.testing.assert_allclose(given, theirs.predict_proba(test.to_numpy()), atol=1e-5)
    for name in ("near.keras", "near.onnx", "near.tflite"):
        assert head.attach_checked(tmp_path / name, overwrite=True)[1] < 1e-5
    assert head.reproduce()["agrees"]
    ran = run("head", "train", "two", "net", "pics", "--kind", "neighbours", "--neighbours", "2")
    assert ran.code == 0
    with pytest.raises(HeadError, match="which steps cannot improve"):
        head.finetune("relu")
    with pytest.raises(HeadError, match="neighbours is 0"):
        Neighbours(0)


def test_equally_near_samples_all_vote_and_weights_count():
    x = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 2]]
    y = np.array([0, 1, 1, 0, 2])
    nothing = Part(x[:0], y[:0])
    layers = Neighbours(1, calibrated=False).fit(Part(x, y), nothing, 3, 0).layers
    shares = DenseStack(layers, (0, 1, 2)).predict_proba(5 * x[[0, 4]])
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3, 0], [0, 0, 1]], atol=1e-6)
    weights = np.array([4, 1, 1, 1, 1], np.float32)
    layers = Neighbours(1, calibrated=False).fit(Part(x, y, weights), nothing, 3, 0).layers
    shares = DenseStack(layers, (0, 1, 2)).predict_proba(x[:1])
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3, 0]], atol=1e-6)


def test_settings_are_told_when_their_last_fold_is_done_and_computed_once():
    x, y = data()
    folds = split_into_folds(y, 3, classes=CLASSES)
    seen, fitted = [], []
    kinds = [hs.Linear((0.1, 1.0)), hs.Prototype(), hs.Prototype()]
    found = cross(kinds, Part(x, y), folds, watch=seen.append, progress=fitted.append, jobs=1)
    assert sum(fitted) == 3 * 3  # the one that is named twice is fitted once
    assert len(found) == 4 and found[2] is found[3]
    assert [one.settings for one in seen] == [one.settings for one in found[:3]]


def few_shots(rng, rows, width=30, classes=5, apart=0.55):
    """Classes that a prototype of one sample tells apart about every second time."""
    means = apart * rng.normal(size=(classes, width))
    targets = np.arange(rows) % classes
    return (means[targets] + rng.normal(size=(rows, width))).astype(np.float32), targets


def test_repeats_are_heads_that_are_scored_one_by_one_and_no_ensemble():
    """The mean of the repeats' probabilities was scored: of forty heads, not of one."""
    x, y = few_shots(np.random.default_rng(0), 500)
    names = list(range(5))
    accuracies = {}
    for repeats in (1, 40):
        folds = split_into_folds(y, 5, classes=names, repeats=repeats)
        folds = [with_few(fold, y, 1, names, number) for number, fold in enumerate(folds)]
        (found,) = cross([hs.Prototype()], Part(x, y), folds, jobs=1)
        accuracies[repeats] = found.accuracy
        assert found.hits.shape == (repeats, 500)
        assert found.accuracy == pytest.approx(found.hits.mean())
        assert found.log_loss == pytest.approx(found.losses.mean())
    ensemble = (found.probabilities.argmax(axis=1) == y).mean()
    assert ensemble > found.accuracy + 0.2  # what was told
    assert accuracies[40] == pytest.approx(accuracies[1], abs=0.08)
    low, high = found.interval
    assert low < accuracies[40] < high and found.spread > 0.03


def test_what_heads_may_lose_on_what_is_unseen_is_that_of_each_and_not_of_their_ensemble():
    """Two sure heads that say the contrary are, together, sure of nothing: .69 was taken."""
    targets, all_rows = np.zeros(4, int), np.arange(4)
    folds = [Fold(all_rows, all_rows)] * 2
    draws = np.repeat([[0], [1]], 4, axis=1)
    gathered = Gathered(Part(np.zeros((4, 1), np.float32), targets), folds, draws, 2)
    for number, said in enumerate(([0.999, 0.001], [0.001, 0.999])):
        gathered.add(number, np.tile(said, (4, 1)))
    found = gathered.result({}, hs.Prototype())
    np.testing.assert_allclose(found.probabilities, 0.5)
    assert found.log_losses.unseen.low == 0
    assert found.log_losses.unseen.high == pytest.approx(-np.log(0.001))


def test_each_value_knows_the_fold_it_is_of():
    _, y = data()
    folds = split_into_folds(y, 4, classes=CLASSES, repeats=3)
    draws = draws_of(folds, len(y))
    for number, fold in enumerate(folds):
        assert sorted(np.flatnonzero(draws[number // 4] == number)) == sorted(fold.test)


def test_of_one_sample_a_class_the_nearest_is_taken():
    """Ten of five samples all voted, and the first class had it: 0.2."""
    rng = np.random.default_rng(0)
    means = 1.5 * rng.normal(size=(5, 20))
    y, tried = np.arange(5), np.arange(500) % 5
    x = (means[y] + rng.normal(size=(5, 20))).astype(np.float32)
    others = (means[tried] + rng.normal(size=(500, 20))).astype(np.float32)
    nothing = Part(x[:0], y[:0])
    said = {}
    for kind in (Neighbours(1), Neighbours(2), Neighbours(10), Neighbours(10, calibrated=False)):
        fitted = kind.fit(Part(x, y), nothing, 5, 0)
        guesses = DenseStack(fitted.layers, tuple(y)).predict_proba(others).argmax(axis=1)
        said[kind] = (guesses == tried).mean()
        assert fitted.details["chosen"] == 1
    assert len(set(said.values())) == 1 and said[Neighbours(1)] > 0.9


def test_choosing_how_many_neighbours_weighs_rows_as_the_fit_does():
    from headstart.heads.tasks import Classification

    rng = np.random.default_rng(4)
    y = (rng.random(300) < 0.08).astype(int)
    x = (rng.normal(size=(300, 5)) + 1.2 * y[:, None] + 2).astype(np.float32)
    nothing = Part(x[:0], y[:0])
    weights = Classification(balanced=True).weigh(y, 2)
    chosen = {}
    for name, own in (("alike", None), ("balanced", weights)):
        chosen[name] = Neighbours().fit(Part(x, y, own), nothing, 2, 0).details["chosen"]
    assert chosen == {"alike": 50, "balanced": 1}


def test_one_floor_under_what_was_said_to_be_impossible():
    """It was 12.0 as a score and 23.0 in a sweep, of the same output."""
    from sklearn.metrics import log_loss

    from headstart.heads.kinds.losses import loss_of
    from headstart.heads.tasks import Classification

    said = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    truth = np.array([0, 1, 1])
    score = Classification().evaluate(said, truth, ["a", "b"])["log_loss"]
    assert score == loss_of("softmax", said, truth)
    assert score == pytest.approx(log_loss(truth, said.astype(np.float64)), abs=1e-9)
    assert score == pytest.approx(12.0, abs=0.1)


def test_rows_that_are_not_copied_have_the_same_scores(monkeypatch):
    x, y = data(2_000)
    folds = split_into_folds(y, 4, classes=CLASSES)
    kinds = [hs.Linear((1e-2, 1.0)), hs.Prototype()]
    expected = cross(kinds, Part(x, y), folds, jobs=1)
    monkeypatch.setattr("headstart.heads.rows.COPIED", 0)
    monkeypatch.setattr("headstart.heads.evaluation.cross_validation.COPIED", 16_000)
    for rows in (x, ChosenRows(x)):
        for one, other in zip(cross(kinds, Part(rows, y), folds), expected, strict=True):
            assert one.settings == other.settings
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
            np.testing.assert_array_equal(one.hits, other.hits)


def test_whoever_ends_early_is_not_told_of_fits_that_are_given_up():
    x, y = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32), np.arange(60) % 2
    folds = split_into_folds(y, 5, classes=["a", "b"], groups=None, repeats=1, seed=0)

    def stop(_count):
        raise KeyError

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(KeyError):
            cross(
                [hs.Ridge((one,)) for one in (0.1, 1.0, 9.0)],
                Part(x, y),
                folds,
                progress=stop,
                jobs=2,
            )
        gc.collect()
    assert not [str(one.message) for one in told if "workers" in str(one.message)]
