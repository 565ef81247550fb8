"""Several labels, classes in an order, numbers, and classes that count alike: against others."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from task_rows import digits, part

import headstart as hs
from conftest import keras
from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.losses import LOSSES, loss_of
from headstart.heads.regression import Regression
from headstart.heads.tasks import Classification, MultiLabel, Ordinal, task_of

# Losses


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("activation", list(LOSSES))
def test_a_loss_and_its_gradient_are_those_of_keras(activation, smoothing):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(7, 4)).astype(np.float32)
    weights = rng.uniform(0.5, 2, 7).astype(np.float32)
    if activation == "softmax":
        targets = rng.integers(0, 4, 7)
        wanted = np.eye(4, dtype=np.float32)[targets]
        theirs = keras.losses.CategoricalCrossentropy(True, smoothing, reduction=None)
    elif activation == "sigmoid":
        targets = wanted = rng.integers(0, 2, (7, 4)).astype(np.float32)
        theirs = keras.losses.BinaryCrossentropy(True, smoothing, reduction=None)
    else:
        targets = wanted = rng.normal(size=(7, 4)).astype(np.float32)
        theirs = keras.losses.MeanSquaredError(reduction=None)
    import tensorflow as tf

    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        expected = tf.reduce_sum(theirs(wanted, variable) * weights) / 10
    slope = tape.gradient(expected, variable).numpy()
    found = LOSSES[activation](logits, targets, weights, 10, smoothing)
    assert found == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(logits, slope, atol=1e-6)


def test_the_loss_of_outputs_is_that_of_training():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(9, 3)).astype(np.float32)
    for activation, targets in (
        ("softmax", rng.integers(0, 3, 9)),
        ("sigmoid", rng.integers(0, 2, (9, 3)).astype(np.float32)),
        ("linear", rng.normal(size=(9, 3)).astype(np.float32)),
    ):
        from headstart.heads.layers.activations import ACTIVATIONS

        outputs = ACTIVATIONS[activation](logits)
        in_training = LOSSES[activation](logits.copy(), targets, None, 9, 0.0)
        assert loss_of(activation, outputs, targets) == pytest.approx(in_training, rel=1e-5)


# Classes that count alike


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_balanced_logistic_regression_is_scikit_learns(strength):
    x, y = digits()
    keep = (y < 3) & ((y > 0) | (np.arange(len(y)) % 5 == 0))
    x, y = x[keep], y[keep]
    weights = Classification(balanced=True).weigh(y, 3)
    assert weights.mean() == pytest.approx(1)
    fitted = hs.Linear((strength,)).fit(part(x, y, weights), part(x[:0], y[:0]), 3, 0)
    ours = DenseStack(fitted.layers, (0, 1, 2)).predict_proba(x)
    model = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=5000)
    pipeline = make_pipeline(StandardScaler(), model)
    theirs = pipeline.fit(x, y, standardscaler__sample_weight=weights).predict_proba(x)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize(
    "kind", [hs.Linear((1.0,)), hs.Ridge((10.0,)), hs.SVM((1e-3,)), hs.Prototype(), hs.MLP()]
)
def test_weights_count_as_copies_do(kind):
    x, y = digits(300)
    x -= x.mean(axis=0)
    twice = y == 3
    copies = np.concatenate([x, x[twice]]), np.concatenate([y, y[twice]])
    weights = np.where(twice, 2.0, 1.0).astype(np.float32)
    nothing = part(x[:0], y[:0])
    weighted = kind.fit(part(x, y, weights), nothing, 10, 0).layers
    plain = kind.fit(part(x, y), nothing, 10, 0).layers
    copied = kind.fit(part(*copies), nothing, 10, 0).layers

    def said(layers):
        return DenseStack(layers, tuple(range(10))).predict_proba(x)

    far = np.abs(said(plain) - said(copied)).max()
    if isinstance(kind, hs.MLP):  # other rows in other batches: only the aim is the same
        assert (said(weighted).argmax(axis=1) == said(copied).argmax(axis=1)).mean() > 0.97
    else:
        near = np.abs(said(weighted) - said(copied)).max()
        assert near < 5e-3 and near < far / 5


def test_class_weights_are_scikit_learns(flat):
    ws, add = flat
    x, y = digits(300)
    names = np.array([f"d{n}" for n in y])
    view = add(x, names)
    given = {"d3": 4.0, "d8": 0.25}
    head = ws.heads.train("h", view, hs.Linear((0.1,)), task=hs.Classification(class_weights=given))
    assert head.record.settings["class_weights"] == given and head.reproduce().agrees
    train = [view.split(part) for part in ("train", "validation")]
    rows = np.concatenate([one.to_numpy().reshape(len(one), -1) for one in train])
    labels = [label for one in train for label in one.labels]
    weights = [given.get(label, 1.0) for label in labels]
    model = LogisticRegression(C=0.1, class_weight=given, tol=1e-8, max_iter=5000)
    pipeline = make_pipeline(StandardScaler(), model)
    theirs = pipeline.fit(rows, labels, standardscaler__sample_weight=weights)
    np.testing.assert_allclose(
        head.stack.predict_proba(rows), theirs.predict_proba(rows), atol=2e-3
    )


def test_class_weights_that_cannot_be_are_refused(flat, run):
    ws, add = flat
    x, y = digits(200)
    view = add(x, np.array([f"d{n}" for n in y]))
    with pytest.raises(HeadError, match="a weight is given for 'cat', and no sample has"):
        ws.heads.train("h", view, task=hs.Classification(class_weights={"cat": 2}))
    for weight in (0, 1e-300, 1e40, 1e300, np.inf, np.nan):  # float32 holds 1e40 for infinite
        with pytest.raises(
            HeadError, match=rf"the weight of 'd1' is {weight:g}".replace("+", "\\+")
        ):
            hs.Classification(class_weights={"d1": weight})
    with pytest.raises(HeadError, match="balanced, and have weights"):
        hs.Classification(balanced=True, class_weights={"d1": 2})
    with pytest.raises(HeadError, match="class_weights is 3"):
        hs.Classification(class_weights=3)
    ran = run("head", "train", "h", "flat", "rows", "--class-weight", "d1=2", "--json")
    assert ran.json["settings"]["class_weights"] == {"d1": 2.0}
    assert "takes LABEL=WEIGHT" in run("head", "train", "h", "flat", "rows",
                                       "--class-weight", "d1").err  # fmt: skip
    several = ("--task", "multi-label", "--class-weight", "d1=2")
    assert (
        "--class-weight is not for multi-label"
        in run("head", "train", "h", "flat", "rows", *several).err
    )


def test_a_balanced_head_finds_more_of_a_rare_class(flat):
    ws, add = flat
    x, y = digits()
    rare = np.where(y == 8, "eight", "other")
    keep = (rare == "other") | (np.arange(len(y)) % 2 == 0)
    view = add(x[keep] + np.random.default_rng(0).normal(0, 4, x[keep].shape), rare[keep])
    plain = ws.heads.train("plain", view, hs.Ridge())
    balanced = ws.heads.train("balanced", view, hs.Ridge(), task=hs.Classification(balanced=True))
    found = [np.array(head.metrics["confusion"])[0, 0] for head in (plain, balanced)]
    assert found[1] > found[0]
    assert balanced.reproduce()["agrees"]


# Several labels


def several(y):
    words = [[("even", "odd")[n % 2], *(["big"] if n > 4 else []), *(["round"] * (n in (0, 8)))]
             for n in y]  # fmt: skip
    return np.array(["|".join(row) for row in words])


@pytest.mark.parametrize("kind", [None, hs.MLP(epochs=20), hs.Ridge(), hs.SVM(), hs.Prototype()])
def test_several_labels(flat, kind):
    ws, add = flat
    x, y = digits()
    head = ws.heads.train("h", add(x, several(y)), kind, task=hs.MultiLabel())
    assert head.record.classes == ["big", "even", "odd", "round"]
    for name in ("exact", "micro_f1", "macro_f1", "mean_average_precision", "log_loss"):
        assert isinstance(head.metrics[name], float)
    assert head.metrics["mean_average_precision"] > (0.85 if kind == hs.Prototype() else 0.95)
    assert head.reproduce()["agrees"]


def test_several_labels_are_so_many_logistic_regressions(flat):
    ws, add = flat
    x, y = digits()
    view = add(x, several(y))
    head = ws.heads.train("h", view, hs.Linear((0.1,)), task=hs.MultiLabel())
    fitted = np.array([sample.split != "test" for sample in view.samples])
    features = view.to_numpy()
    truth = hs.MultiLabel().read(view.labels, head.record.classes)
    ours = head.stack.predict_proba(features)
    for number in range(4):
        model = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000)
        pipeline = make_pipeline(StandardScaler(), model)
        pipeline.fit(features[fitted], truth[fitted, number])
        theirs = pipeline.predict_proba(features)[:, 1]
        np.testing.assert_allclose(ours[:, number], theirs, atol=5e-3)


def test_several_labels_are_shipped_and_predicted(flat, run, tmp_path):
    ws, add = flat
    x, y = digits()
    view = add(x, several(y))
    head = ws.heads.train("h", view, task=hs.MultiLabel())
    for name in ("m.keras", "n.onnx"):
        assert head.attach_checked(tmp_path / name)[1] < 1e-4
        facts = (tmp_path / name).with_suffix(".json").read_text(encoding="utf-8")
        assert "multi-label" in facts
    run("head", "predict", "h", tmp_path / "rows.npz", "-o", tmp_path / "p.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    right = [
        set(line["label"].split("|")) == set(label.split("|"))
        for line, label in zip(lines, several(y), strict=True)
    ]
    assert np.mean(right) > 0.8
    shown = run("head", "show", "h").out
    assert "mean average precision" in shown and "all labels right" in shown
    assert run("head", "list").code == 0
    assert run("head", "plot", "h", tmp_path / "p.png").code == 0
    assert (tmp_path / "p.png").stat().st_size > 1000


# Numbers


@pytest.fixture
def diabetes(flat):
    ws, add = flat
    found = load_diabetes()
    x = np.zeros((442, 64), np.float32)
    x[:, :10] = found.data
    return ws, add(x, found.target + 0.5)


def test_a_number_is_learnt_as_by_scikit_learns_ridge(diabetes, run, tmp_path):
    ws, view = diabetes
    head = ws.heads.train("h", view, hs.Ridge((10.0,)), task=hs.Regression())
    train, test = view.split("train"), view.split("test")
    pipeline = make_pipeline(StandardScaler(), Ridge(10.0))
    truth = {name: np.array([float(v) for v in part.labels])
             for name, part in (("train", train), ("test", test))}  # fmt: skip
    pipeline.fit(train.to_numpy(), truth["train"])
    theirs = pipeline.predict(test.to_numpy())
    np.testing.assert_allclose(head.held_out().probabilities[:, 0], theirs, rtol=1e-4)
    assert head.metrics["r2"] == pytest.approx(pipeline.score(test.to_numpy(), truth["test"]), 1e-4)
    assert head.reproduce()["agrees"]
    assert head.attach_checked(tmp_path / "m.onnx")[1] < 1e-4
    assert "R2" in run("head", "list").out
    assert run("head", "plot", "h", tmp_path / "p.png").code == 0
    run("head", "predict", "h", tmp_path / "rows.npz", "-o", tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["name", "value"]
    assert np.corrcoef([float(row["value"]) for row in rows], load_diabetes().target)[0, 1] > 0.6


def test_an_mlp_learns_a_number(diabetes):
    ws, view = diabetes
    head = ws.heads.train("h", view, hs.MLP((16,), epochs=80), task=hs.Regression())
    assert head.metrics["r2"] > 0.3
    assert head.reproduce()["agrees"]


def test_what_gives_no_numbers_is_refused(diabetes):
    ws, view = diabetes
    with pytest.raises(HeadError, match="of kind linear gives no numbers"):
        ws.heads.train("h", view, hs.Linear(), task=hs.Regression())
    assert not ws.heads.list()


# Bad labels


@pytest.mark.filterwarnings("ignore:.*no sample of the class")
def test_labels_that_do_not_suit_the_task(flat):
    ws, add = flat
    x, _ = digits(60)
    view = add(x, np.array(["a", "b"] * 30))
    with pytest.raises(HeadError, match="has the label 'a', which is not a number"):
        ws.heads.train("h", view, task=hs.Regression())
    with pytest.raises(HeadError, match="all labels of the train split are 3"):
        ws.heads.train("h", add(x, np.full(60, 3)), task=hs.Regression())
    with pytest.raises(HeadError, match="label 'a' is on all samples of the train split"):
        ws.heads.train("h", add(x, np.array(["a", "a|b"] * 30)), task=hs.MultiLabel())
    with pytest.raises(HeadError, match="the separator is empty"):
        hs.MultiLabel(separator="")
    with pytest.raises(HeadError, match="cannot be balanced"):
        view = add(x, np.array(["a", "b", "a|b"] * 20))
        ws.heads.train("h", view, hs.MLP(), task=hs.MultiLabel(balanced=True))
    with pytest.raises(HeadError, match="label_smoothing is 1"):
        hs.MLP(label_smoothing=1)
    assert not ws.heads.list()


def test_the_command_line_makes_tasks(flat, run, fails):
    _, add = flat
    x, y = digits(200)
    add(x, several(y))
    said = run("head", "train", "h", "flat", "rows", "--task", "multi-label", "--json").json
    assert said["settings"]["task"] == "multi-label" and said["settings"]["separator"] == "|"
    ran = run("head", "train", "h", "flat", "rows", "--order", "a,b")
    assert ran.code == 2
    assert "--order is not for classification: it needs --task ordinal" in ran.err
    line = fails("head", "train", "h", "flat", "rows", "--task", "regression")
    assert "which is not a number" in line


@pytest.mark.parametrize(
    "task",
    [
        Classification(True),
        Classification(class_weights={"a": 2.0}),
        Ordinal(order=("a", "b")),
        MultiLabel(";"),
        Regression(),
        Regression("quantile", 0.9),
    ],
)
def test_a_task_comes_back_from_a_record(task):
    assert task_of(json.loads(json.dumps(task.describe()))) == task
    assert task_of({"strengths": [1.0]}) == Classification()


def test_scores_that_a_test_split_cannot_give_are_left_out():
    rng = np.random.default_rng(0)
    several = MultiLabel().evaluate(rng.random((4, 2)), np.zeros((4, 2), np.float32), ["a", "b"])
    assert "mean_average_precision" not in several and several["exact"] >= 0
    one = Regression().evaluate(np.ones((1, 1)), np.zeros((1, 1), np.float32), [])
    assert one == {"mean_absolute_error": 1.0, "root_mean_squared_error": 1.0}


def test_a_sample_may_have_no_label_of_several(flat):
    ws, add = flat
    x, y = digits()
    words = np.where(y == 1, "|", several(y))
    head = ws.heads.train("h", add(x, words), task=hs.MultiLabel())
    assert head.metrics["exact"] > 0.5
    assert (head.held_out().targets.sum(axis=1) == 0).any()


def test_a_kind_that_says_nothing_of_its_fit_can_do_several_labels():
    """What other people's kinds may leave out; see the contract in heads/kind.py."""

    class Silent:
        kind = "silent"
        tasks = ("classification", "multi-label")

        def fit(self, train, validation, classes, seed):
            kernel = np.zeros((train.features.shape[1], classes), np.float32)
            return Fitted((Layer(kernel, np.zeros(classes, np.float32), "softmax"),), {})

    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    part = Part(x, (x[:, :2] > 0).astype(np.float32))
    fitted = hs.MultiLabel().fit(Silent(), part, part.rows(slice(0)), 2, 0)
    assert "judged_on" not in fitted.details


def test_accuracy_macro_f1_and_confusion_are_scikit_learns():
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    rng = np.random.default_rng(0)
    outputs, targets = rng.dirichlet(np.ones(7), 500), rng.integers(1, 6, 500)  # 0 and 6 never
    found = Classification().evaluate(outputs, targets, list("abcdefg"))
    said = outputs.argmax(axis=1)
    assert found["accuracy"] == accuracy_score(targets, said)
    expected = f1_score(targets, said, labels=range(1, 6), average="macro")
    assert found["macro_f1"] == pytest.approx(expected, abs=1e-15)
    assert found["confusion"] == confusion_matrix(targets, said, labels=range(7)).tolist()


def test_a_linear_head_is_fitted_and_scored_without_scikit_learn():
    """It took more of the processor to import than all else of a small `head train`."""
    code = (
        "import sys, numpy as np\n"
        "from headstart.heads.kind import Part\n"
        "from headstart.heads.kinds.linear import Linear\n"
        "from headstart.heads.tasks import Classification\n"
        "x, y = np.random.default_rng(0).normal(size=(60, 4)).astype('f'), np.arange(60) % 3\n"
        "Linear().fit(Part(x, y), Part(x[:0], y[:0]), 3, 0)\n"
        "Classification().evaluate(np.eye(3)[y], y, 'abc')\n"
        "heavy = {'sklearn', 'scipy.stats', 'scipy.optimize', 'scipy.sparse.csgraph', 'pandas',\n"
        "    'tensorflow'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
