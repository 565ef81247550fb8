"""Every row of the table of sources in docs/backbones.md: added, cut, run, compared; or refused."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from conftest import keras, network
from headstart.backbone_model import open_engine
from headstart.errors import HeadstartError

ROOT = Path(__file__).parents[3]
ASSETS = ROOT / "tests" / "assets"
TOLERANCE = 1e-5
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


def rows() -> list[str]:
    text = (ROOT / "docs/backbones.md").read_text(encoding="utf-8")
    table = text[text.index("| source |") : text.index("\n\n", text.index("| source |"))]
    return [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]]


def by_hand(model, cut, inputs):
    return np.asarray(keras.Model(model.input, model.get_layer(cut).output)(inputs))


def pixels(size=12, count=4):
    return np.random.default_rng(0).random((count, size, size, 3), np.float32)


# Each of these gives (source, options of `add`, inputs of the trunk, expected features).


def keras_file(folder):
    model = network()
    model.save(folder / "model.keras")
    return folder / "model.keras", {}, pixels(), by_hand(model, "features", pixels())


def hdf5_file(folder):
    model = network()
    model.save(folder / "model.h5")
    return folder / "model.h5", {}, pixels(), by_hand(model, "features", pixels())


def known(file):
    given = np.load(file.with_suffix(".npz"))
    return file, {"preprocess": "array"}, given["x"], given["f"]


def own_layers(folder):
    code = (
        "import keras\n\n"
        "@keras.saving.register_keras_serializable('table')\n"
        "class Doubled(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
    )
    (folder / "own.py").write_text(code)
    names = {"__name__": "own"}
    exec(code, names)
    x = keras.Input((4,), name="x")
    hidden = layers.Dense(5, name="hidden")(x)
    model = keras.Model(x, layers.Dense(2)(names["Doubled"](name="doubled")(hidden)))
    model.save(folder / "own.keras")
    given = np.random.default_rng(0).random((4, 4), np.float32)
    options = {"custom_objects": folder / "own.py"}
    return folder / "own.keras", options, given, 2 * by_hand(model, "hidden", given)


def exported(folder):
    model = network()
    model.export(folder / "exported", verbose=False)
    return folder / "exported", {}, pixels(), by_hand(model, "features", pixels())


def module(folder):
    class Module(tf.Module):
        def __init__(self):
            self.w = tf.Variable(tf.random.stateless_normal((5, 6), [0, 1]))
            self.v = tf.Variable(tf.random.stateless_normal((6, 2), [2, 3]))

        @tf.function(input_signature=[tf.TensorSpec((None, 5), name="x")])
        def __call__(self, x):
            return tf.tanh(x @ self.w) @ self.v

    made = Module()
    tf.saved_model.save(made, str(folder / "module"))
    given = np.random.default_rng(0).random((4, 5), np.float32)
    return folder / "module", {}, given, np.tanh(given @ made.w.numpy())


def in_memory(folder):
    model = network()
    return model, {}, pixels(), by_hand(model, "features", pixels())


def subclassed(folder):
    class Written(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = layers.Dense(6, activation="relu", name="hidden")
            self.out = layers.Dense(3, activation="softmax", name="out")

        def call(self, x):
            return self.out(self.hidden(x))

    given = np.random.default_rng(0).random((4, 5), np.float32)
    model = Written()
    model(given)
    return model, {}, given, np.asarray(model.hidden(given))


def application(folder):
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))
    model.save_weights(folder / "w.weights.h5")
    source = f"applications:MobileNetV2?weights={folder / 'w.weights.h5'}&size=32"
    given = pixels(32)
    expected = np.asarray(keras.Model(model.input, model.layers[-2].output)(given, training=False))
    return source, {}, given, expected


def headless_application(folder):
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        weights=None, input_shape=(64, 64, 3), include_top=False, pooling="avg"
    )
    model.save_weights(folder / "w.weights.h5")
    source = f"applications:MobileNetV2?weights={folder / 'w.weights.h5'}&size=64&top=false"
    return source, {}, pixels(64), np.asarray(model(pixels(64), training=False))


def hub_text(folder):
    import keras_hub

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"]
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.BertBackbone(len(words), 1, 2, 8, 16, max_sequence_length=8)
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(
        keras_hub.tokenizers.BertTokenizer(words, lowercase=True), sequence_length=8
    )
    task = keras_hub.models.BertTextClassifier(backbone, 2, preprocessor=preprocessor)
    task.save_to_preset(str(folder / "preset"))
    given = {name: np.asarray(value) for name, value in preprocessor(["a b", "c", "a a"]).items()}
    given["padding_mask"] = given["padding_mask"].astype("int32")
    return f"kerashub:{folder / 'preset'}", {}, given, backbone(given)["pooled_output"]


def hub_image(folder):
    import keras_hub

    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.VGGBackbone([1, 1], [4, 8], image_shape=(None, None, 3))
    converter = keras_hub.layers.VGGImageConverter(image_size=(32, 32), scale=1 / 255)
    task = keras_hub.models.VGGImageClassifier(
        backbone=backbone,
        preprocessor=keras_hub.models.VGGImageClassifierPreprocessor(image_converter=converter),
        num_classes=3,
        pooling="avg",
        pooling_hidden_dim=6,
    )
    task.save_to_preset(str(folder / "preset"))
    source = f"kerashub:{folder / 'preset'}"
    x = backbone(pixels(32))
    last = max(n for n, layer in enumerate(task.head.layers) if layer.weights)
    for layer in task.head.layers[:last]:
        x = layer(x, training=False) if isinstance(layer, layers.Dropout) else layer(x)
    return source, {}, pixels(32), np.asarray(x)


def lite(folder):
    from headstart.extractors.backbones.sources import efficientnet_lite as made
    from headstart.extractors.backbones.sources.torch_weights import read_state_dict

    variant = made.VARIANTS["efficientnet-lite0"]
    model = made.build(variant)
    made.fill(model, read_state_dict(made.weights_file(variant)))
    given = pixels(224, 2)
    return "zoo:efficientnet-lite0", {}, given, by_hand(model, "avg_pool", given)


WORKING = {
    "`model.keras`": keras_file,
    "`model.h5` of Keras 3": hdf5_file,
    "`model.h5` of Keras 2": lambda _: known(ASSETS / "keras2" / "functional.h5"),
    "`model.keras` with own layers": own_layers,
    "SavedModel of Keras 3": exported,
    "SavedModel of Keras 2": lambda _: known(ASSETS / "saved_models" / "keras2"),
    "SavedModel of a tf.Module": module,
    "SavedModel of TensorFlow 1": lambda _: known(ASSETS / "saved_models" / "tensorflow1"),
    "a `keras.Model` (Python only)": in_memory,
    "a subclassed `keras.Model` (Python only)": subclassed,
    "`applications:NAME?weights=none`": application,
    "`applications:NAME?…&size=64&top=false`": headless_application,
    "`kerashub:DIR` with a text model": hub_text,
    "`kerashub:DIR` with an image model": hub_image,
    "`zoo:efficientnet-lite0`": lite,
}


def weights_alone(folder):
    network().save_weights(folder / "net.weights.h5")
    return folder / "net.weights.h5", "holds weights but no architecture. Name the architecture"


def a_lambda(folder):
    x = keras.Input((3,))
    keras.Model(x, layers.Lambda(lambda v: v + 1)(x)).save(folder / "lambda.keras")
    return folder / "lambda.keras", "a Lambda layer runs code that the file brings"


def without_network(folder):
    return "applications:VGG16", "the ImageNet weights of VGG16 could not be downloaded"


REFUSED = {
    "`weights.h5`": weights_alone,
    "`model.keras` with a Lambda": a_lambda,
    "`applications:VGG16`": without_network,
}


def test_every_row_of_the_table_is_tested_here():
    assert rows() == sorted({**WORKING, **REFUSED}, key=rows().index)


LONG = {"`applications:NAME?weights=none`", "`zoo:efficientnet-lite0`"}
"""Models of some size, each of which other tests register too."""


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[pytest.mark.slow] * (row in LONG)) for row in WORKING]
)
def test_a_source_gives_the_features_of_the_model_cut_by_hand(ws, tmp_path, row):
    source, options, inputs, expected = WORKING[row](tmp_path)
    backbone = ws.backbones.add("net", source, **options)
    _, cuts = ws.context.resolve("net")
    (features,) = open_engine(ws.context, backbone, cuts).run(inputs)
    assert features.shape == expected.shape
    assert np.abs(features - np.asarray(expected)).max() <= TOLERANCE


@pytest.mark.parametrize("row", REFUSED)
def test_a_source_is_refused_as_promised(ws, tmp_path, monkeypatch, row):
    # The real download path of Keras, towards an address where nobody answers.
    vgg16 = importlib.import_module("keras.src.applications.vgg16")
    monkeypatch.setattr(vgg16, "WEIGHTS_PATH", "http://127.0.0.1:9/nobody.h5")
    source, message = REFUSED[row](tmp_path)
    with pytest.raises(HeadstartError, match=re.escape(message)):
        ws.backbones.add("net", source)
    assert ws.backbones.list() == []
