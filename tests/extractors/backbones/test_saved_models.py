"""SavedModels of every make, and models written in Python: frozen, cut, extracted, attached."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import headstart as hs
from conftest import clean_environment, keras, network
from headstart.backbone_model import open_engine
from headstart.errors import ModelFileError
from headstart.extractors.backbones.keras_graph import read_graph

layers = keras.layers
ASSETS = Path(__file__).parents[2] / "assets" / "saved_models"
TOLERANCE = 1e-5


def features(ws, name, x):
    backbone, cuts = ws.context.resolve(name)
    (rows,) = open_engine(ws.context, backbone, cuts).run(x)
    return rows


def names(backbone):
    return [cut.name for cut in backbone.cuts]


def assert_close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, rtol=0)


def assert_verified(ws, name):
    assert [check for check in ws.backbones.verify(name, samples=3) if not check.ok] == []


@pytest.mark.parametrize(
    ("name", "default", "cuts"),
    [
        ("keras2", "features", ["image", "conv", "bn", "relu", "pool", "features", "probs"]),
        ("keras2_lstm", "lstm", ["tokens", "lstm", "score"]),
        ("tensorflow1", "layer1", ["x", "layer1", "logits", "probabilities"]),
    ],
)
def test_a_saved_model_of_another_make_gives_its_writers_numbers(ws, name, default, cuts):
    backbone = ws.backbones.add("net", ASSETS / name)
    given = np.load(ASSETS / f"{name}.npz")
    assert backbone.default_cut.name == default
    assert [cut for cut in names(backbone) if cut in cuts] == cuts
    assert_close(features(ws, "net", given["x"]), given["f"])
    assert_close(features(ws, f"net@{cuts[-1]}", given["x"]), given["y"])
    assert_verified(ws, "net")


def test_the_one_with_slots_of_an_old_optimizer_is_one_that_the_object_loader_cannot_read():
    with pytest.raises(AttributeError, match="add_slot"):
        tf.saved_model.load(str(ASSETS / "keras2"))


def test_an_export_of_keras_3_has_the_cuts_and_numbers_of_the_model(ws, tmp_path):
    model = network()
    model.export(tmp_path / "exported", verbose=False)
    backbone = ws.backbones.add("net", tmp_path / "exported", preprocess="unit")
    assert names(backbone) == [
        cut.name
        for cut in ws.backbones.add("keras", model, preprocess="unit").cuts
        if cut.name != "dropout"  # passes its input on, so the graph has nothing there
    ]
    assert backbone.default_cut.name == "features"
    assert backbone.parameters == model.count_params()
    x = np.random.default_rng(0).random((4, 12, 12, 3), np.float32)
    below = keras.Model(model.input, model.get_layer("features").output)
    assert_close(features(ws, "net", x), below(x))
    assert_close(features(ws, "net@relu|gap", x), features(ws, "keras@relu|gap", x))
    assert_verified(ws, "net")


class Plain(tf.Module):
    """No layers, one scope."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.a = tf.Variable(rng.normal(size=(5, 7)).astype("float32"))
        self.b = tf.Variable(rng.normal(size=(7, 3)).astype("float32"))

    def hidden(self, x):
        with tf.name_scope("hidden"):
            return tf.nn.relu(x @ self.a)

    @tf.function(input_signature=[tf.TensorSpec((None, 5), tf.float32, name="x")])
    def __call__(self, x):
        return tf.nn.softmax(self.hidden(x) @ self.b)


def test_a_raw_module_is_cut_at_its_scopes(ws, tmp_path):
    module = Plain()
    tf.saved_model.save(module, str(tmp_path / "module"))
    backbone = ws.backbones.add("net", tmp_path / "module")
    assert names(backbone) == ["x", "hidden", "matmul", "Softmax"]
    assert backbone.default_cut.name == "hidden"
    assert "the input of matmul (MatMul)" in (backbone.default_cut.reason or "")
    assert backbone.cuts[-1].warning
    x = np.random.default_rng(1).random((4, 5), np.float32)
    assert_close(features(ws, "net", x), module.hidden(x))
    assert_verified(ws, "net")


def test_a_module_without_a_signature_is_called(ws, tmp_path):
    module = Plain()
    tf.saved_model.save(module, str(tmp_path / "module"), signatures={})
    ws.backbones.add("net", tmp_path / "module")
    x = np.random.default_rng(1).random((4, 5), np.float32)
    assert_close(features(ws, "net", x), module.hidden(x))


class Written(keras.Model):
    """A model whose wiring is Python code."""

    def __init__(self):
        super().__init__(name="written")
        self.conv = layers.Conv2D(4, 3, name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.dropout = layers.Dropout(0.5)
        self.hidden = layers.Dense(6, activation="relu", name="hidden")
        self.classes = layers.Dense(3, activation="softmax", name="classes")

    def embed(self, x, training=False):
        x = self.norm(self.conv(x), training=training)
        return self.hidden(self.pool(tf.nn.relu(x)))

    def call(self, x, training=False):
        x = self.embed(x, training=training)
        return self.classes(self.dropout(x, training=training))


def test_a_subclassed_model_in_memory_is_cut_at_its_layers(ws):
    model = Written()
    x = np.random.default_rng(0).random((4, 9, 9, 3), np.float32)
    model(x)
    backbone = ws.backbones.add("net", model, preprocess="unit")
    assert backbone.format == "tensorflow"
    assert backbone.default_cut.name == "hidden"
    assert {"conv", "norm", "pool", "hidden", "classes"} <= set(names(backbone))
    assert_close(features(ws, "net", x), model.embed(x))
    assert_close(features(ws, "net@classes", x), model(x, training=False))
    assert_verified(ws, "net")


def test_a_subclassed_model_that_was_never_called_is_refused(ws):
    with pytest.raises(ModelFileError, match="was never called"):
        ws.backbones.add("net", Written())


class Doubled(layers.Layer):
    def call(self, x):
        return 2 * x


def test_a_layer_of_ones_own_is_kept_as_what_it_computes(ws):
    x = keras.Input((4,), name="x")
    hidden = Doubled(name="doubled")(layers.Dense(5, name="hidden")(x))
    model = keras.Model(x, layers.Dense(2, name="out")(hidden))
    backbone = ws.backbones.add("net", model)
    assert (backbone.format, backbone.default_cut.name) == ("tensorflow", "doubled")
    assert backbone.trust is None
    rows = np.ones((2, 4), np.float32)
    assert_close(features(ws, "net", rows), 2 * model.get_layer("hidden")(rows))
    # The code is part of the identity: another code with the same weights has other features.
    other = keras.Model(x, layers.Dense(2, name="out")(layers.Dense(5, name="hidden")(x)))
    other.set_weights(model.get_weights())
    assert ws.backbones.add("other", other).default_cut.fingerprint != (
        backbone.default_cut.fingerprint
    )


def test_the_fingerprint_is_that_of_the_numbers_not_of_the_names(ws, tmp_path):
    plain = Plain()
    tf.saved_model.save(plain, str(tmp_path / "one"))
    first = ws.backbones.add("one", tmp_path / "one").default_cut.fingerprint
    tf.saved_model.save(plain, str(tmp_path / "two"))
    plain.b.assign(plain.b + 1)  # above the cut
    tf.saved_model.save(plain, str(tmp_path / "three"))
    plain.a.assign(plain.a + 1)  # below it
    tf.saved_model.save(plain, str(tmp_path / "four"))
    found = [
        ws.backbones.add(name, tmp_path / name).default_cut.fingerprint
        for name in ("two", "three", "four")
    ]
    assert [other == first for other in found] == [True, True, False]


def test_a_head_is_attached_to_a_frozen_graph_and_saved(ready, tmp_path, pictures):
    model = network()
    model.export(tmp_path / "exported", verbose=False)
    ready.backbones.add("frozen", tmp_path / "exported", preprocess="unit")
    view = ready.extract("frozen", "pics")
    np.testing.assert_allclose(
        view.to_numpy(), ready.extract("net", "pics").to_numpy(), atol=TOLERANCE
    )
    head = ready.heads.train("tint", view, hs.Linear())
    attached = head.attach(tmp_path / "classifier.keras", pixels=False)
    again = keras.saving.load_model(tmp_path / "classifier.keras", compile=False)
    x = np.random.default_rng(0).random((3, 12, 12, 3), np.float32)
    np.testing.assert_array_equal(attached(x), again(x))


def test_a_transformer_block_is_cut_with_its_batch_dimension(ws, tmp_path):
    x = tokens = keras.Input((7,), dtype="int32", name="tokens")
    x = layers.Embedding(20, 8, name="words")(x)
    attended = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.LayerNormalization(name="norm")(layers.Add(name="sum")([x, attended]))
    x = layers.Dense(6, name="tokenwise")(x)
    model = keras.Model(tokens, layers.Dense(3, activation="softmax", name="tags")(x))
    model.export(tmp_path / "exported", verbose=False)
    backbone = ws.backbones.add("net", tmp_path / "exported")
    assert backbone.default_cut.name == "tokenwise"
    rows = np.random.default_rng(0).integers(0, 20, (3, 7)).astype("int32")
    by_hand = keras.Model(tokens, model.get_layer("tokenwise").output)
    assert_close(features(ws, "net", rows), by_hand(rows))
    assert_close(
        features(ws, "net@norm|mean", rows),
        keras.Model(tokens, model.get_layer("norm").output)(rows).numpy().mean(axis=1),
    )
    assert_verified(ws, "net")


def test_names_are_those_of_the_layers_where_keras_numbers_them_again():
    from headstart.extractors.backbones.scopes import shortener

    def short(*names):
        shorten = shortener(names)
        return [shorten(name) for name in names]

    call = "StatefulPartitionedCall/functional_1/"
    traced = [f"{call}conv_1/Conv2D", f"{call}pad_1_2/Pad", f"{call}pad_1/Pad", f"{call}out_1/Add"]
    assert short(*traced) == ["conv/Conv2D", "pad_1/Pad", "pad/Pad", "out/Add"]
    # Keras 2 numbers layers by itself; those are their names.
    own = ["model/dense_1/MatMul", "model/dense_2/MatMul", "model/conv_5/Conv2D"]
    assert short(*own) == ["dense_1/MatMul", "dense_2/MatMul", "conv_5/Conv2D"]
    # No two become one.
    assert short("m/a_1/x", "m/a_2/x", "m/b_1/x", "m/c_1/x") == ["a_1/x", "a_2/x", "b/x", "c/x"]


def test_read_graph_sends_models_written_in_python_elsewhere():
    with pytest.raises(ModelFileError, match="not a Functional or Sequential"):
        read_graph(Written())


# Several inputs and outputs


def two_towers():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    both = layers.Concatenate(name="both")([layers.Dense(5, name="l")(left), right])
    hidden = layers.Dense(6, activation="relu", name="hidden")(both)
    kind = layers.Dense(3, activation="softmax", name="kind")(hidden)
    return keras.Model([left, right], {"age": layers.Dense(1, name="age")(both), "kind": kind})


def test_a_saved_model_with_several_inputs_and_outputs(ws, tmp_path):
    keras.utils.set_random_seed(0)
    model = two_towers()
    model.export(tmp_path / "exported", verbose=False)
    backbone = ws.backbones.add("net", tmp_path / "exported")
    assert [tensor["name"] for tensor in backbone.inputs] == ["left", "right"]
    defaults = {output: cut.name for cut in backbone.cuts for output in cut.default_of}
    assert defaults == {"age": "both", "kind": "hidden"}
    rng = np.random.default_rng(0)
    x = {"left": rng.random((6, 4), np.float32), "right": rng.random((6, 3), np.float32)}
    by_hand = keras.Model(model.input, model.get_layer("hidden").output)
    assert_close(features(ws, "net@default:kind", x), by_hand([x["left"], x["right"]]))
    assert_verified(ws, "net")
    np.savez(tmp_path / "d.npz", **x, y=[0, 1] * 3)
    ws.datasets.add("d", tmp_path / "d.npz")
    rows = ws.extract("net@default:kind", "d").to_numpy()
    assert_close(rows, by_hand([x["left"], x["right"]]))


class Named(keras.Model):
    """Called with a dictionary."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(5, name="hidden")
        self.out = layers.Dense(2, name="out")

    def call(self, inputs):
        return {"score": self.out(self.hidden(inputs["a"]) * inputs["b"])}


def test_a_model_called_with_names_keeps_them(ws):
    model = Named()
    rng = np.random.default_rng(0)
    x = {"a": rng.random((4, 3), np.float32), "b": rng.random((4, 5), np.float32)}
    model(x)
    backbone = ws.backbones.add("net", model)
    assert [tensor["name"] for tensor in backbone.inputs] == ["a", "b"]
    assert_close(features(ws, "net", x), model.hidden(x["a"]) * x["b"])
    assert_verified(ws, "net")


@pytest.mark.slow
def test_an_attached_frozen_graph_is_loaded_by_another_process(ready, tmp_path):
    model = network()
    model.export(tmp_path / "exported", verbose=False)
    ready.backbones.add("frozen", tmp_path / "exported", preprocess="unit")
    head = ready.heads.train("tint", ready.extract("frozen", "pics"), hs.Linear())
    attached = head.attach(tmp_path / "classifier.keras", pixels=False)
    x = np.random.default_rng(0).random((3, 12, 12, 3), np.float32)
    np.save(tmp_path / "x.npy", x)
    program = (
        "import sys, numpy as np, headstart.extractors.frozen_graph\n"
        "import keras\n"
        "model = keras.saving.load_model('classifier.keras')\n"
        "np.save('y.npy', model.predict(np.load('x.npy'), verbose=0))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=clean_environment(), check=True
    )
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), attached(x), atol=1e-6)


def test_a_dropout_that_was_left_on_is_warned_of(ws, tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
        def __call__(self, x):
            return tf.nn.dropout(x @ tf.ones((4, 3)), 0.5) @ tf.ones((3, 2))

    tf.saved_model.save(Module(), str(tmp_path / "module"))
    (warning,) = ws.backbones.add("net", tmp_path / "module").warnings
    assert "draws random numbers" in warning
    checks = ws.backbones.verify("net")
    assert not next(check for check in checks if "run twice" in check.what).ok


def test_a_mean_over_padding_is_warned_of(ws, tmp_path):
    tokens = keras.Input((5,), dtype="int32", name="tokens")
    x = layers.Embedding(9, 3, mask_zero=True, name="words")(tokens)
    x = layers.LSTM(3, return_sequences=True, name="steps")(x)
    model = keras.Model(tokens, layers.Dense(2)(layers.LSTM(3)(x)))
    model.export(tmp_path / "exported", verbose=False)
    ws.backbones.add("frozen", tmp_path / "exported")
    ws.backbones.add("keras", model)
    np.savez(tmp_path / "d.npz", x=np.array([[1, 2, 0, 0, 0]] * 4, "int32"), y=[0, 1, 0, 1])
    ws.datasets.add("d", tmp_path / "d.npz")
    (warning,) = ws.extract("frozen@steps|mean", "d").report.warnings
    assert "a frozen graph carries no mask" in warning
    assert ws.extract("keras@steps|mean", "d").report.warnings == []


def test_a_tensor_without_a_row_for_each_sample_is_never_stored(ws, fails, tmp_path):
    class Tokenwise(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 5, 4), name="x")])
        def __call__(self, x):
            return tf.reshape(tf.reshape(x, (-1, 4)) @ tf.ones((4, 3)), (-1, 5, 3))

    tf.saved_model.save(Tokenwise(), str(tmp_path / "module"))
    ws.backbones.add("net", tmp_path / "module", cut="matmul")
    np.savez(
        tmp_path / "d.npz", x=np.random.default_rng(0).random((6, 5, 4), np.float32), y=[0, 1] * 3
    )
    ws.datasets.add("d", tmp_path / "d.npz")
    message = fails("extract", "net", "d")
    assert "a batch of 6 gives features of shape (30, 3)" in message
    assert ws.context.feature_sets.find_sets() == []


def test_a_layer_called_like_an_input_keeps_the_names_apart(ws, tmp_path):
    class Same(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4), name="x")])
        def __call__(self, x):
            with tf.name_scope("x"):
                y = tf.tanh(x @ tf.ones((4, 3)))
            return y @ tf.ones((3, 2))

    tf.saved_model.save(Same(), str(tmp_path / "module"))
    found = names(ws.backbones.add("net", tmp_path / "module"))
    assert len(set(found)) == len(found)
    assert_verified(ws, "net")
