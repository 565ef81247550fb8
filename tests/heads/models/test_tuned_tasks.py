"""Heads of every task are fine-tuned as plain Keras trains the same layers."""

from functools import cache

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_poisson_deviance

import headstart as hs
from conftest import keras
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import Part
from headstart.heads.models.aims import aim_of
from headstart.heads.models.finetune import fine_tune

STEPS = hs.FineTuning(learning_rate=1e-2, epochs=3, batch_size=8)
PLAIN = 0.003
TASKS = {
    "labels": (hs.MultiLabel(), hs.Linear((PLAIN,))),
    "balanced": (hs.MultiLabel(balanced=True), hs.Linear((PLAIN,))),
    "number": (hs.Regression(), hs.Ridge((1e3,))),
    "numbers": (hs.Regression(), hs.Ridge((1e3,))),
    "counts": (hs.Regression("poisson"), hs.Ridge((10.0,))),
    "quantile": (hs.Regression("quantile", 0.8), hs.Ridge((1.0,))),
    "order": (hs.Ordinal(), hs.Linear((PLAIN,))),
}


def labels_of(x, name, rng):
    """Labels that depend on how red and how bright a picture is."""
    red, bright = x[..., 0].mean((1, 2)), x.mean((1, 2, 3))
    number = 40 * (red - red.mean()) / red.std() + rng.normal(0, 10, len(x)) + 500
    if name in ("labels", "balanced"):
        other = bright > np.quantile(bright, 0.7)
        words = np.where(number > 500, "red", ""), np.where(other, "bright", "")
        return np.array(["|".join(pair) for pair in zip(*words, strict=True)])
    if name == "numbers":
        return np.stack([number, 1e-3 * bright], axis=1)
    if name == "counts":
        return rng.poisson(np.exp((number - 500) / 40)) + 0.0
    return np.digitize(number, (460, 500, 540)) if name == "order" else number


@pytest.fixture(scope="module")
def zoo(tmp_path_factory, with_net):
    """A workspace, to which `trained` adds."""
    ws = hs.init(tmp_path_factory.mktemp("tuned_tasks") / "zoo")
    ws.backbones.add("net", with_net[0], preprocess="array")
    return ws


@pytest.fixture(scope="module")
def trained(zoo):
    """Gives a head of one of the tasks: always the same 120 pictures, with weights."""
    return cache(lambda name: added(zoo, name))


def added(ws, name):
    rng = np.random.default_rng(0)
    tint = rng.random((120, 1, 1, 3)).astype(np.float32)
    x = (0.5 * rng.random((120, 12, 12, 3)) + tint).astype(np.float32)
    split = np.array(["train"] * 72 + ["validation"] * 24 + ["test"] * 24)
    weights = np.where(np.arange(120) % 3, 1.0, 4.0)
    file = ws.config.root.parent / f"{name}.npz"
    np.savez(file, x=x, y=labels_of(x, name, rng), split=split, w=weights)
    ws.datasets.add(name, file, weight_column="w")
    ws.extract("net@features,relu", name)
    task, kind = TASKS[name]
    return ws.heads.train(name, ws.features("net@features", name), kind, task=task)


def part_of(ws, name, split, cut="features"):
    head, view = ws.heads.get(f"{name}:1"), ws.features(f"net@{cut}", name).split(split)
    targets = head.task.read(view.labels, head.record.classes)
    return Part(view.to_numpy(), targets, view.samples.weights.astype(np.float32))


class Order(keras.layers.Layer):
    """One direction and thresholds, as an ordinal head has them."""

    def __init__(self, layer):
        super().__init__()
        self.first = layer

    def build(self, shape):
        self.direction = self.add_weight(shape=(shape[-1], 1))
        self.thresholds = self.add_weight(shape=self.first.bias.shape)
        self.set_weights([self.first.kernel[:, :1], self.first.bias])

    def call(self, x):
        return keras.ops.sigmoid(x @ self.direction + self.thresholds)


def share_of(targets, weights):
    return np.average(targets, axis=0, weights=weights)


def in_keras(task, stack, train):
    """What plain Keras needs: the head on features, the loss, the targets of a part, and what
    outputs are in the labels' unit."""
    ops, last = keras.ops, stack.layers[-1]
    if isinstance(task, hs.Ordinal):
        steps = np.arange(len(last.bias) - 1)

        def probabilities(at_most):
            ends = np.pad(at_most, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
            return np.diff(ends)

        return (Order(stack.layers[0]), "binary_crossentropy",
                lambda y: 1.0 * (y[:, None] <= steps), probabilities)  # fmt: skip
    if isinstance(task, hs.MultiLabel):
        share = share_of(train.targets, train.weights)
        there, not_there = (0.5 / share, 0.5 / (1 - share)) if task.balanced else (1.0, 1.0)

        def loss(true, said):
            each = -there * true * ops.log(said) - not_there * (1 - true) * ops.log(1 - said)
            return ops.mean(each, axis=-1)

        return stack.to_keras, loss, lambda y: y, lambda said: said
    if task.loss == "poisson":
        return stack.to_keras, "poisson", lambda y: y, lambda said: said
    mean = share_of(train.targets, train.weights)
    std = np.sqrt(share_of((train.targets - mean) ** 2, train.weights))
    layer = type(last)(
        (last.kernel / std).astype(np.float32),
        ((last.bias - mean) / std).astype(np.float32),
        "linear",
    )

    def pinball(true, said):
        return ops.mean(ops.where(true > said, 0.8 * (true - said), 0.2 * (said - true)), axis=-1)

    fitted = pinball if task.loss == "quantile" else "mean_squared_error"
    return (DenseStack((layer,), ()).to_keras, fitted,
            lambda y: (y - mean) / std, lambda said: said * std + mean)  # fmt: skip


def by_hand(ws, model, name, stack):
    """The layers above `relu` trained in plain Keras, from what they take."""
    head, parts = ws.heads.get(f"{name}:1"), [part_of(ws, name, s, "relu") for s in
                                              ("train", "validation")]  # fmt: skip
    on_top, loss, targets, back = in_keras(head.task, stack, parts[0])
    given = keras.Input((12, 12, 6))
    own = model.get_layer("features")
    whole = keras.Model(given, on_top(own(model.get_layer("pool")(given))))
    keras.utils.set_random_seed(head.record.seed)
    whole.compile(keras.optimizers.Adam(STEPS.learning_rate), loss)
    fitted, judging = [(p.features, targets(p.targets).astype(np.float32), p.weights)
                       for p in parts]  # fmt: skip
    whole.fit(
        fitted[0],
        fitted[1],
        sample_weight=fitted[2],
        batch_size=STEPS.batch_size,
        epochs=STEPS.epochs,
        verbose=0,
        validation_data=judging,
        callbacks=[
            keras.callbacks.EarlyStopping(
                "val_loss", patience=STEPS.patience, restore_best_weights=True
            )
        ],
    )
    test = part_of(ws, name, "test", "relu")
    return back(whole.predict(test.features, verbose=0)), test.targets


QUICK = ("labels", "number", "order")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in TASKS],
)
def test_it_gives_what_plain_keras_gives(zoo, trained, model, name):
    head = trained(name)
    task, kind = TASKS[name]
    made = head.finetune("relu", None, STEPS)
    if isinstance(task, hs.Regression):  # a ridge head has not seen what judges
        expected = head.stack.layers
    else:
        train = part_of(zoo, name, "train")
        outputs = head.stack.outputs
        expected = task.fit(kind, train, train.rows(slice(0)), outputs, head.record.seed).layers
    for one, other in zip(made.begun.layers, expected, strict=True):
        np.testing.assert_allclose(one.kernel, other.kernel, rtol=1e-3, atol=1e-3)
    assert made.is_better and made.head.record.kind == "finetuned"
    given, targets = made.head.held_out().probabilities, part_of(zoo, name, "test").targets
    theirs, _ = by_hand(zoo, model, name, made.begun)
    size = np.abs(targets).max(axis=0) if isinstance(task, hs.Regression) else 1.0
    np.testing.assert_allclose(given / size, theirs / size, atol=2e-3)
    before = made.begun.predict_proba(part_of(zoo, name, "test").features)
    assert (np.abs(given - before).max(axis=0) > 0.01 * size).all()  # it did learn something
    loss = "log_loss" if head.record.classes else "root_mean_squared_error"
    if name not in ("quantile", "order"):
        assert made.metrics[loss] < made.start["test"][loss]


def test_weights_in_another_unit_train_the_same_and_tell_the_same_loss():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)).astype(np.float32), rng.integers(0, 2, 60)
    weights = rng.uniform(0.5, 4, 60)

    def course(unit):
        keras.utils.set_random_seed(0)
        given = keras.Input((3,))
        model = keras.Model(given, keras.layers.Dense(2, "softmax")(given))
        parts = [Part(x[rows], y[rows], (unit * weights[rows]).astype(np.float32))
                 for rows in (slice(40), slice(40, 60))]  # fmt: skip
        aim = aim_of(hs.Classification(), parts[0], 2)
        before = log_loss(y[40:], model.predict(x[40:], verbose=0), sample_weight=weights[40:])
        return fine_tune(model, *parts, STEPS, aim, seed=0), before

    usual, before = course(1.0)
    assert usual.start_loss == pytest.approx(before, rel=1e-4)
    for unit in (1e-8, 1e6):
        found, _ = course(unit)
        for name, values in usual.history.items():
            assert found.history[name] == pytest.approx(values, rel=1e-4)


@pytest.mark.parametrize("size", [0.01, 3.0, 1e5, 1e7])
def test_the_deviance_of_counts_is_known_however_large_they_are(size):
    rng = np.random.default_rng(0)
    given = rng.poisson(size, (500, 1)).astype(np.float64)
    said = np.maximum(size + 0.5 * np.sqrt(size) * rng.normal(size=given.shape), 1e-3 * size)
    aim = aim_of(hs.Regression("poisson"), Part(np.zeros((500, 1)), given), 1)
    found = aim.loss(keras.ops.cast(given, "float32"), keras.ops.cast(said, "float32"))
    expected = mean_poisson_deviance(given, said.astype(np.float32))
    assert float(np.mean(found)) == pytest.approx(expected, rel=1e-3)


# A head like any other


def test_a_head_of_numbers_is_judged_in_pairs_reproduced_and_attached(trained, tmp_path):
    head = trained("number")
    made = head.finetune("relu", tmp_path / "f.keras", STEPS, "deeper")
    was, truth = head.held_out().probabilities, head.held_out().targets
    now = made.head.held_out().probabilities
    apart = ((now - truth) ** 2 - (was - truth) ** 2).mean()
    (line,) = [one for one in made.verdict if one.startswith("On the test split")]
    assert "its squared error is significantly lower" in line and f"difference {apart:+.3g}" in line
    low, high = (float(one.rstrip(").")) for one in line.split("95 %: ")[1].split(" to "))
    assert low < apart < high < 0
    assert "squared error (as a share of the labels' variance)" in made.verdict[0]
    assert made.head.reproduce().agrees
    assert "temperature" not in made.start_is
    x = np.load(head.context.config.root.parent / "number.npz")["x"][-24:]
    given = keras.models.load_model(tmp_path / "f.keras").predict(x, verbose=0)
    np.testing.assert_allclose(given, now, rtol=1e-4)
    said = [float(one.label) for one in made.head.predict(list(x))]
    np.testing.assert_allclose(said, now[:, 0], rtol=1e-4)
    assert made.head.evaluate("number").metrics["r2"] == pytest.approx(made.metrics["r2"])


@pytest.mark.slow
def test_a_head_of_labels_is_judged_in_pairs_by_their_log_loss(trained, run, monkeypatch):
    head = trained("labels")
    monkeypatch.setenv("HEADSTART_HOME", str(head.context.config.root))
    made = head.finetune("relu", None, STEPS, "named")
    told = " ".join(made.verdict)
    assert "samples fixed" in told and "all labels right" in told
    assert "its log loss is" in told and "than the start's" in told
    assert made.head.reproduce().agrees
    shown = run("head", "finetune", "labels:1", "--from", "relu", "--as", "named", "--epochs", "1")
    assert shown.code == 0 and "all labels right" in shown.out and "macro F1" in shown.out


def test_probabilities_of_classes_in_an_order_stay_probabilities(trained):
    """Thresholds whose directions part cross somewhere, and a class gets less than nothing."""
    made = trained("order").finetune("relu", None, hs.FineTuning(learning_rate=0.1, epochs=3))
    assert "order:1 itself, whose weights were not trained on what judges" in made.start_is
    kernel, bias = made.model.get_layer("head_dense_1").get_weights()
    np.testing.assert_array_equal(kernel, np.repeat(kernel[:, :1], 3, axis=1))
    assert (np.diff(bias) >= 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["labels", "number"])
def test_weights_count_unless_the_head_ignores_them(zoo, trained, name):
    trained(name)
    task, kind = TASKS[name]
    view = zoo.features("net@features", name)
    plain = zoo.heads.train(f"plain-{name}", view.unweighted(), kind, task=task)
    heads = zoo.heads.get(f"{name}:1"), plain
    tuned = [head.finetune("relu", None, STEPS, f"tuned-{name}") for head in heads]
    assert tuned[1].head.ignores_weights and not tuned[0].head.ignores_weights
    assert tuned[0].history["loss"] != pytest.approx(tuned[1].history["loss"], rel=1e-2)
    assert plain.record.settings["sample_weights"] == "ignored"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["labels", "number"])
def test_without_a_validation_split_a_fifth_is_held_out(zoo, trained, name):
    trained(name)
    file = zoo.config.root.parent / f"{name}.npz"
    given = dict(np.load(file))
    del given["w"]
    given["split"] = np.where(given["split"] == "test", "test", "train")
    np.savez(file.with_name("held.npz"), **given)
    held = f"held-{name}"
    zoo.datasets.add(held, file.with_name("held.npz"))
    zoo.extract("net@features,relu", held)
    task, kind = TASKS[name]
    head = zoo.heads.train(held, zoo.features("net@features", held), kind, task=task)
    made = head.finetune("relu", None, STEPS)
    assert made.is_held_out and (made.metrics["n_train"], made.metrics["n_validation"]) == (76, 20)
    assert "without what judges" in made.start_is
