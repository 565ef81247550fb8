"""The trunk gives what the hand-cut Keras model gives, always in inference mode."""

import numpy as np
import pytest

from conftest import keras, network
from headstart.extractors.backbones.cuts import list_cuts, resolve
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.trunk import build_trunk
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine

layers = keras.layers
TOLERANCE = 1e-5


def trunk_of(model, *cuts, size=None):
    graph = read_graph(model)
    points = list_cuts(graph)
    return build_trunk(graph, [resolve(points, cut) for cut in cuts], size)


def pixels(count=4, size=12):
    return np.random.default_rng(0).random((count, size, size, 3), np.float32)


@pytest.mark.parametrize("cut", ["conv", "bn", "relu", "pool", "features", "final_output"])
def test_a_trunk_equals_the_hand_cut_model(cut):
    model = network()
    by_hand = keras.Model(model.inputs, model.get_layer(cut).output)
    expected = by_hand.predict(pixels(), verbose=0)
    (found,) = TensorFlowEngine(trunk_of(model, cut)).run(pixels())
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_several_cuts_come_from_one_pass_in_the_order_asked_for():
    model = network()
    pool, conv = TensorFlowEngine(trunk_of(model, "pool", "conv")).run(pixels())
    assert pool.shape == (4, 6)
    assert conv.shape == (4, 12, 12, 6)
    (alone,) = TensorFlowEngine(trunk_of(model, "pool")).run(pixels())
    np.testing.assert_allclose(pool, alone, atol=TOLERANCE)


def test_poolings_are_what_numpy_gives():
    names = ("relu", "relu|gap", "relu|gmp", "relu|flatten")
    whole, gap, gmp, flat = TensorFlowEngine(trunk_of(network(), *names)).run(pixels())
    np.testing.assert_allclose(gap, whole.mean(axis=(1, 2)), atol=TOLERANCE)
    np.testing.assert_allclose(gmp, whole.max(axis=(1, 2)), atol=TOLERANCE)
    np.testing.assert_allclose(flat, whole.reshape(4, -1), atol=TOLERANCE)


def test_a_trunk_stays_in_inference_mode_even_if_called_for_training():
    trunk = trunk_of(network(), "dropout", "bn")
    calm = [np.asarray(output) for output in trunk(pixels(), training=False)]
    node = trunk.get_layer("dropout")._inbound_nodes[-1]
    assert node.arguments.kwargs["training"] is False
    (before,) = [trunk.get_layer("bn").get_weights()]
    engine = TensorFlowEngine(trunk)
    for _ in range(3):
        for found, expected in zip(engine.run(pixels()), calm, strict=True):
            np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    for one, other in zip(before, trunk.get_layer("bn").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_do_not_depend_on_the_batch_that_they_are_in():
    engine = TensorFlowEngine(trunk_of(network(), "features"))
    (together,) = engine.run(pixels(32))
    alone = np.concatenate([engine.run(row[None])[0] for row in pixels(32)])
    np.testing.assert_allclose(together, alone, atol=TOLERANCE)


def test_an_open_input_size_is_closed_by_the_preprocessing():
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(2)(x))
    assert trunk_of(model, "conv", size=(10, 8, 3)).output_shape == (None, 10, 8, 4)


def test_operations_and_residual_connections_are_kept():
    x = inputs = keras.Input((6,))
    y = layers.Dense(6, name="dense")(x)
    y = keras.ops.tanh(y) * 2.0 + x[:, ::-1]
    model = keras.Model(inputs, layers.Dense(2, name="out")(y))
    values = np.random.default_rng(0).random((3, 6), np.float32)
    by_hand = keras.Model(inputs, y).predict(values, verbose=0)
    (found,) = TensorFlowEngine(trunk_of(model, "default")).run(values)
    np.testing.assert_allclose(found, by_hand, atol=TOLERANCE)


def test_masks_of_an_embedding_reach_the_lstm():
    tokens = keras.Input((10,), dtype="int32")
    x = layers.Embedding(20, 4, mask_zero=True)(tokens)
    x = layers.Bidirectional(layers.LSTM(5, name="inner"), name="both")(x)
    model = keras.Model(tokens, layers.Dense(2, name="out")(x))
    padded = np.zeros((3, 10), np.int32)
    padded[:, :4] = np.random.default_rng(0).integers(1, 20, (3, 4))
    by_hand = keras.Model(tokens, x).predict(padded, verbose=0)
    (found,) = TensorFlowEngine(trunk_of(model, "default")).run(padded)
    np.testing.assert_allclose(found, by_hand, atol=TOLERANCE)
    changed = TensorFlowEngine(trunk_of(model, "default")).run(np.where(padded == 0, 1, padded))
    assert np.abs(found - changed[0]).max() > 1e-3  # the padding would have counted
