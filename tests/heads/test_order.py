"""Classes in an order: fitted, decided, scored and shipped."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from task_rows import digits, part

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack
from headstart.heads.evaluation.paired import PAIRED
from headstart.heads.evaluation.scores import OF_DECISIONS, decided, scores_of
from headstart.heads.kinds.ordinal import evaluate, fit_ordinal
from headstart.heads.tasks import task_of

# Classes in an order


def test_the_gradient_of_the_ordinal_loss():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(50, 5)), rng.integers(0, 4, 50)
    rows = part(z, y, rng.uniform(0.5, 2, 50).astype(np.float32))
    for _ in range(5):
        x = rng.normal(size=8)
        error = check_grad(
            lambda v: evaluate(v, z, rows, 4, 0.1)[0],
            lambda v: evaluate(v, z, rows, 4, 0.1)[1],
            x,
        )
        assert error < 1e-5


def test_two_classes_in_an_order_are_a_logistic_regression():
    x, y = digits(300)
    y = (y > 4).astype(np.int64)
    fitted = fit_ordinal(part(x, y), part(x[:0], y[:0]), 2, (0.1,))
    ours = DenseStack(fitted.layers, (0, 1)).predict_proba(x)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-8, max_iter=5000))
    np.testing.assert_allclose(ours, pipeline.fit(x, y).predict_proba(x), atol=2e-3)


def test_an_order_is_learnt_with_one_direction_and_ordered_thresholds(flat, tmp_path):
    ws, add = flat
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 64)).astype(np.float32)
    hidden = x[:, :4].sum(axis=1) + rng.normal(0, 0.5, 900)
    names = np.array(["low", "middle", "high"])[np.digitize(hidden, [-1, 1])]
    task = hs.Ordinal(order=("low", "middle", "high"))
    head = ws.heads.train("h", add(x, names), task=task)
    assert head.record.classes == ["low", "middle", "high"]
    assert head.metrics["accuracy"] > 0.75
    assert head.metrics["steps_off"] < 0.25
    shares = head.held_out().probabilities
    assert shares.min() >= -1e-6 and np.allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert np.diff(head.stack.layers[0].bias).min() >= 0
    assert head.reproduce()["agrees"]
    assert head.attach_checked(tmp_path / "m.keras")[1] < 1e-4
    assert len(head.learning_curve()) > 2


def test_an_order_that_is_not_known_is_asked_for(flat):
    ws, add = flat
    x, _ = digits(90)
    view = add(x, np.array(["low", "middle", "high"] * 30))
    with pytest.raises(HeadError, match="have no order that is known: high, low, middle"):
        ws.heads.train("h", view, task=hs.Ordinal())
    with pytest.raises(HeadError, match="the order is low, high, the classes are"):
        ws.heads.train("h", view, task=hs.Ordinal(order=("low", "high")))
    with pytest.raises(HeadError, match="of kind mlp knows no order"):
        ws.heads.train("h", view, hs.MLP(), task=hs.Ordinal(order=("low", "middle", "high")))


def test_the_order_stands_behind_balanced():
    task = hs.Ordinal(False, ("low", "high"), "mode")
    assert (task.balanced, task.order, task.decision) == (False, ("low", "high"), "mode")


def steps(share, targets):
    return np.abs(share - targets).mean()


@pytest.mark.parametrize("seed", range(3))
def test_the_median_is_fewest_steps_off_and_the_mode_is_right_most_often(seed):
    """Probabilities that are those the labels are drawn by, so nothing but the decision differs."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(5, 0.7), 20_000)
    targets = (shares.cumsum(axis=1) < rng.random((len(shares), 1))).sum(axis=1)
    order = ("a", "b", "c", "d", "e")
    middle, likeliest = (hs.Ordinal(order=order, decision=one) for one in ("median", "mode"))
    by_median, by_mode = (one.evaluate(shares, targets, order) for one in (middle, likeliest))
    assert by_median["steps_off"] < by_mode["steps_off"] - 0.02
    assert by_mode["accuracy"] > by_median["accuracy"] + 0.02
    np.testing.assert_array_equal(likeliest.guess(shares), shares.argmax(axis=1))
    known = shares.cumsum(axis=1)
    said = middle.guess(shares)
    rows = np.arange(len(said))
    assert (known[rows, said] >= 0.5 - 1e-9).all()
    assert (np.where(said > 0, known[rows, said - 1], 0) < 0.5).all()
    for task, found in ((middle, by_median), (likeliest, by_mode)):
        label, sure = task.decide(shares[0], order)
        assert label == order[task.guess(shares)[0]] and sure == shares[0, task.guess(shares)[0]]
        scored = scores_of(task, shares[:300], targets[:300], list(order))
        for name in ("accuracy", "steps_off", "macro_f1"):
            low, high = scored["intervals"][name]
            assert low < scored[name] < high and high - low < 0.4
        told = found["confusion"]
        assert np.trace(told) == round(found["accuracy"] * len(targets))


@pytest.mark.parametrize("decision", ["median", "mode"])
def test_all_scores_of_what_an_ordinal_head_says_are_of_its_decision(decision):
    rng, order = np.random.default_rng(0), ("a", "b", "c", "d")
    shares = rng.dirichlet(np.full(4, 0.7), 300)
    targets = (shares.cumsum(axis=1) < rng.random((300, 1))).sum(axis=1)
    task = hs.Ordinal(order=order, decision=decision)
    guesses = task.guess(shares)
    assert decision == "mode" or (guesses != shares.argmax(axis=1)).sum() > 20
    found = scores_of(task, shares, targets, list(order))
    told = np.array(found["confusion"])
    recalls = told.diagonal() / told.sum(axis=1)
    assert found["balanced_accuracy"] == pytest.approx(recalls.mean(), abs=1e-12)
    np.testing.assert_allclose(found["per_class"]["recall"], recalls)
    np.testing.assert_array_equal(found["per_class"]["said"], told.sum(axis=0))
    sure, right = shares[np.arange(300), guesses], guesses == targets
    bins = np.ceil(sure * 15)
    gaps = [abs((right - sure)[bins == one].sum()) for one in np.unique(bins)]
    assert found["ece"] == pytest.approx(sum(gaps) / 300, abs=1e-12)
    for name in ("balanced_accuracy", "ece"):
        low, high = found["intervals"][name]
        assert low < found[name] < high
    for name in set(OF_DECISIONS) & set(found) & set(PAIRED):
        (drawn,) = PAIRED[name](decided(task, shares), targets)(np.ones((1, 300)), rng)
        assert drawn == pytest.approx(found[name], abs=1e-9), name


def test_the_calibration_error_of_a_drawing_is_that_of_its_curve():
    from headstart.heads.trials.judged import Judged
    from headstart.plots.judgements import draw_head

    rng, order = np.random.default_rng(0), list("abcd")
    shares = rng.dirichlet(np.full(4, 0.7), 300)
    targets = (shares.cumsum(axis=1) < rng.random((300, 1))).sum(axis=1)
    task = hs.Ordinal(order=tuple(order))
    found = scores_of(task, shares, targets, order)
    made = draw_head(Judged([], shares, targets, task.guess(shares)), order, "")
    titles = [axes.get_title(loc="left") for axes in made.axes]
    assert f"ECE {found['ece']:.3f}, debiased {found['ece_debiased']:.3f}" in titles[1]


def test_heads_of_before_there_was_a_decision_say_the_likeliest():
    assert task_of({"task": "ordinal", "order": ["a", "b"]}).decision == "mode"
    assert hs.Ordinal(order=("a", "b")).decision == "median"
    assert task_of(hs.Ordinal(order=("a", "b")).describe()).decision == "median"
    with pytest.raises(HeadError, match="decision is 'mean'"):
        hs.Ordinal(decision="mean")


def test_an_ordinal_head_says_and_ships_the_class_that_it_is_scored_by(flat, tmp_path):
    ws, add = flat
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 64)).astype(np.float32)
    y = np.digitize(x[:, 0] + rng.normal(0, 2, 300), [-1, 0, 1])
    view = add(x, y)
    found = {}
    for decision in ("median", "mode"):
        head = ws.heads.train(decision, view, task=hs.Ordinal(decision=decision))
        judged = head.held_out()
        assert len(judged.wrong) == round((1 - head.metrics["accuracy"]) * head.metrics["n_test"])
        said = head.predict(x[:50])
        model = head.attach(tmp_path / f"{decision}.keras", labels=True)
        shipped = model(x[:50])["label"].numpy().astype(str)
        assert shipped.tolist() == [str(one) for one in said.labels]
        found[decision] = said.labels
    assert found["median"] != found["mode"]


def test_numbers_are_in_order_of_their_value(flat):
    ws, add = flat
    x, y = digits(400)
    head = ws.heads.train("h", add(x, np.where(y > 4, 10, y)), task=hs.Ordinal())
    assert head.record.classes == [0, 1, 2, 3, 4, 10]
