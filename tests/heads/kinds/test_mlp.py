"""The MLP against Keras: the same steps, where nothing is left to chance."""

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.heads import descent
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.kind import Part
from headstart.heads.kinds.adam import Adam
from headstart.heads.kinds.losses import loss_of
from headstart.heads.kinds.mlp import _Network
from headstart.heads.standardisation import Standardisation, one_thread_a_core

TOLERANCE = 1e-4


def data(rows=200, width=12, classes=3):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, rows)
    x = rng.normal(size=(rows, width)) + 1.5 * rng.normal(size=(classes, width))[targets]
    return x.astype(np.float32), targets


def as_keras(kind, network, width, classes):
    layers = [keras.layers.Dense(units, "relu") for units in kind.hidden]
    model = keras.Sequential(
        [keras.Input((width,)), *layers, keras.layers.Dense(classes, "softmax")]
    )
    weights = [w for pair in network._layers(network._weights) for w in pair]
    model.set_weights([np.array(w) for w in weights])
    model.compile(keras.optimizers.Adam(kind.learning_rate), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("hidden", [(), (8,), (9, 5)])
@pytest.mark.parametrize("batch", [20, 200])
def test_a_step_is_a_step_of_keras(hidden, batch):
    """Batches of 20 are done at once, those of 200 by halves."""
    x, y = data()
    kind = hs.MLP(hidden=hidden, dropout=0.0, learning_rate=0.01)
    with one_thread_a_core() as pool:
        scale = Standardisation.of([Part(x, y)], pool)
        network = _Network(kind, scale, 3, np.random.default_rng(1), pool)
        model = as_keras(kind, network, 12, 3)
        for start in range(0, 5 * batch, batch):
            rows = np.arange(start, start + batch) % len(x)
            loss = network.step(x, y, rows)
            theirs = float(model.train_on_batch(scale.apply(x[rows]), y[rows]))
            assert loss == pytest.approx(theirs, abs=1e-4)
        ours = [w for pair in network._layers(network._weights) for w in pair]
    for one, other in zip(ours, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


def test_adam_is_keras_adam():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=50).astype(np.float32)
    variable = keras.Variable(weights.copy())
    theirs = keras.optimizers.Adam(0.05)
    ours = Adam(weights, 0.05)
    for _ in range(30):
        slope = rng.normal(size=50).astype(np.float32)
        theirs.apply([keras.ops.convert_to_tensor(slope.copy())], [variable])
        ours.step(slope)
    np.testing.assert_allclose(weights, variable.numpy(), atol=1e-5)


def test_dropout_drops_its_share_and_keeps_the_mean():
    x, y = np.ones((400, 6), np.float32), np.zeros(400, np.int64)
    kind = hs.MLP(hidden=(500,), dropout=0.4)
    with one_thread_a_core() as pool:
        as_it_is = Standardisation(np.zeros(6), np.ones(6))
        network = _Network(kind, as_it_is, 2, np.random.default_rng(0), pool)
        half = network._halves[0]
        seen = []
        real = half._loss
        half._loss = lambda change, *more: seen.append(change.copy()) or real(change, *more)
        half.run(x, y, np.arange(400), 400)
        (logits,) = seen
        kernel, bias = network._layers(network._weights)[0]
        plain = np.maximum(x[:1] @ kernel + bias, 0) @ network._layers(network._weights)[1][0]
    np.testing.assert_allclose(logits.mean(axis=0), plain[0], atol=0.1)
    assert logits.std(axis=0).min() > 0.05


def test_the_same_seed_gives_the_same_weights_on_any_number_of_cores(monkeypatch):
    x, y = data(600)
    kind = hs.MLP(epochs=3, batch_size=200)
    part, nothing = Part(x, y), Part(x[:0], y[:0])
    one = kind.fit(part, nothing, 3, 7).layers
    monkeypatch.setattr("headstart.heads.standardisation.cores", lambda: 1)
    other = kind.fit(part, nothing, 3, 7).layers
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.kernel, b.kernel)


def test_rows_beyond_a_window_are_all_used_once_an_epoch(monkeypatch):
    x, y = data(100)
    x[:, 0] = np.arange(100)
    monkeypatch.setattr(descent, "WINDOW_BYTES", 4 * 12 * 30)
    windows = descent.Windows(Part(x, y))
    rng = np.random.default_rng(0)
    for _ in range(2):
        seen = np.concatenate([some.features[rows, 0] for some, rows in windows.batches(16, rng)])
        np.testing.assert_array_equal(np.sort(seen), np.arange(100))
        assert not np.all(np.diff(seen) > 0)


def test_the_best_epoch_is_kept_and_training_stops():
    x, y = data(120)
    noise = np.random.default_rng(1).integers(0, 3, 60)
    fitted = hs.MLP(epochs=200, patience=3, learning_rate=0.05, dropout=0.0).fit(
        Part(x[:60], noise), Part(x[60:], y[60:]), 3, 0
    )
    losses = fitted.details["history"]["val_loss"]
    assert len(losses) < 200
    assert int(np.argmin(losses)) == len(losses) - 4


def test_probabilities_are_calibrated_on_the_validation_split():
    """Smoothed labels make a head far too unsure; the temperature takes that back."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = (rng.normal(size=(600, 12)) + 0.7 * rng.normal(size=(3, 12))[y]).astype(np.float32)
    parts = [Part(x[start : start + 200], y[start : start + 200]) for start in (0, 200, 400)]
    kind = hs.MLP(hidden=(16,), epochs=40, learning_rate=0.01, label_smoothing=0.5)
    fitted = kind.fit(*parts[:2], 3, 0)
    temperature = fitted.details["temperature"]
    assert temperature < 0.8
    stack = DenseStack(fitted.layers, (0, 1, 2))
    *inner, last = fitted.layers
    hot = Layer(last.kernel * temperature, last.bias * temperature, "softmax")
    before = DenseStack((*inner, hot), (0, 1, 2))
    losses = [loss_of("softmax", one.predict_proba(parts[2].features), parts[2].targets)
              for one in (before, stack)]  # fmt: skip
    assert losses[1] < losses[0] - 0.02
    for part in parts:
        guesses = [one.predict_proba(part.features).argmax(axis=1) for one in (before, stack)]
        np.testing.assert_array_equal(*guesses)
    alone = kind.fit(parts[0], Part(x[:0], y[:0]), 3, 0)  # a fifth of it is asked
    assert alone.details["temperature"] < 0.8
    assert loss_of("softmax", DenseStack(alone.layers, (0, 1, 2)).predict_proba(parts[2].features),
                   parts[2].targets) < losses[0]  # fmt: skip
