"""Cut points: the default is the penultimate tensor, names mean what they say."""

import numpy as np
import pytest

from conftest import keras, network
from headstart.errors import LayerNotFound
from headstart.extractors.backbones.cuts import list_cuts, resolve
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.trunk import build_trunk

layers = keras.layers


def image_input():
    return keras.Input((16, 16, 3), name="image")


def default(model) -> str:
    return resolve(list_cuts(read_graph(model)), None).name


def with_head(*above):
    """A convolution, pooling, and then what is given."""
    image = x = image_input()
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    for layer in above:
        x = layer(x)
    return keras.Model(image, x)


def test_the_default_is_below_the_last_dense_layer():
    assert default(with_head(layers.Dense(5, activation="softmax"))) == "pool"


@pytest.mark.parametrize(
    ("layer", "pooling"), [("GlobalAveragePooling2D", "gap"), ("GlobalMaxPooling2D", "gmp")]
)
def test_a_map_is_pooled_as_the_network_itself_does_behind_it(ws, layer, pooling):
    """The classes of a mini-Xception, say, come from a convolution that is pooled afterwards."""
    keras.utils.set_random_seed(0)
    given = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(given)
    x = getattr(layers, layer)()(layers.Conv2D(4, 3, padding="same", name="classes")(x))
    model = keras.Model(given, layers.Softmax()(x))
    backbone = ws.backbones.add("net", model, preprocess="unit")
    assert backbone.default_name == f"last|{pooling}"
    _, (cut,) = ws.context.resolve("net")
    assert (cut.name, cut.shape) == (f"last|{pooling}", (6,))
    _, (plain,) = ws.context.resolve("net@last")
    assert plain.shape == (10, 10, 6)


def test_a_pooling_over_channels_that_stand_first_is_not_taken_for_ours():
    given = keras.Input((3, 12, 12))
    x = layers.Conv2D(6, 3, activation="relu", name="last", data_format="channels_first")(given)
    x = layers.Conv2D(4, 3, name="classes", data_format="channels_first")(x)
    x = layers.GlobalAveragePooling2D(data_format="channels_first")(x)
    assert default(keras.Model(given, layers.Softmax()(x))) == "last"


def test_the_poolings_of_other_outputs_stay_where_a_cut_is_asked_for(ws):
    given = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="last")(given)
    one = layers.Dense(3, name="one")(layers.GlobalAveragePooling2D(name="pool")(x))
    two = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, name="classes")(x))
    model = keras.Model(given, [one, layers.Softmax(name="two")(two)])
    ws.backbones.add("net", model, preprocess="unit", cut="pool")
    second = model.output_names[1]
    assert ws.context.resolve(f"net@default:{second}")[1][0].name == "last|gmp"


def test_a_cut_with_a_pooling_can_be_the_default(ws, run, model_file, tmp_path):
    backbone = ws.backbones.add("net", model_file, preprocess="unit", cut="relu|gap")
    assert backbone.default_name == "relu|gap"
    assert [c.name for c in ws.backbones.get("net").cuts if c.is_default] == ["relu"]
    shown = run("backbone", "cuts", "net")
    assert (
        "default|gap" in shown.out and "The default, relu|gap: asked for with --cut." in shown.out
    )
    ws.backbones.export("net", tmp_path / "net.zip")
    copy, _ = ws.backbones.import_(tmp_path / "net.zip", "copy")
    assert copy.default_name == "relu|gap"


def test_a_softmax_layer_behind_it_does_not_fool_the_default():
    assert default(with_head(layers.Dense(5), layers.Softmax())) == "pool"
    assert default(with_head(layers.Dense(5), layers.Activation("softmax"))) == "pool"


def test_a_dropout_layer_behind_it_does_not_fool_the_default():
    assert default(with_head(layers.Dense(5), layers.Dropout(0.2))) == "pool"


def test_a_dropout_below_the_last_layer_is_looked_through():
    head = (layers.Dense(128, name="wide"), layers.Dropout(0.5), layers.Dense(5))
    assert default(with_head(*head)) == "wide"


def test_a_convolution_that_gives_the_classes_is_a_head():
    image = x = image_input()
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
    x = layers.Conv2D(5, 1, name="classes")(x)
    x = layers.GlobalAveragePooling2D()(x)
    assert default(keras.Model(image, layers.Softmax()(x))) == "conv|gap"


def test_a_model_without_a_head_gives_its_output():
    image = x = image_input()
    x = layers.Conv2D(8, 3, name="conv")(x)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.ReLU(name="relu")(x)
    headless = keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x))
    assert default(headless) == "pool"
    tokens = keras.Input((20,), dtype="int32")
    x = layers.LSTM(6, name="lstm")(layers.Embedding(50, 4)(tokens))
    assert default(keras.Model(tokens, x)) == "lstm"


def test_a_sequential_model_is_cut_like_any_other():
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(2, name="out")]
    )
    assert default(model) == "hidden"


def test_a_cut_inside_a_nested_model_has_a_path():
    inner = network()
    image = keras.Input((12, 12, 3))
    outer = keras.Model(image, layers.Dense(2, name="out")(inner(image)), name="outer")
    names = [cut.name for cut in list_cuts(read_graph(outer))]
    assert f"{inner.name}/conv" in names
    cut = resolve(list_cuts(read_graph(outer)), f"{inner.name}/pool")
    x = np.random.default_rng(0).random((2, 12, 12, 3), np.float32)
    trunk = build_trunk(read_graph(outer), [cut])
    by_hand = keras.Model(inner.input, inner.get_layer("pool").output)
    np.testing.assert_allclose(trunk(x), by_hand(x, training=False), atol=1e-6)


def test_layers_of_one_name_in_two_nested_models_are_told_apart():
    def branch(name):
        x = keras.Input((4,))
        return keras.Model(x, layers.Dense(3, name="same")(x), name=name)

    x = keras.Input((4,))
    left, right = branch("left"), branch("right")
    model = keras.Model(x, layers.Dense(2, name="out")(layers.Add()([left(x), right(x)])))
    graph = read_graph(model)
    cuts = list_cuts(graph)
    trunk = build_trunk(
        graph, [resolve(cuts, "left/same"), resolve(cuts, "right/same"), resolve(cuts, None)]
    )
    values = np.ones((1, 4), np.float32)
    one, two, both = trunk(values)
    np.testing.assert_allclose(one, left(values))
    np.testing.assert_allclose(two, right(values))
    np.testing.assert_allclose(both, one + two, rtol=1e-6)


def test_a_shared_layer_has_a_cut_for_each_call():
    shared = layers.Dense(4, name="shared")
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(2, name="out")(shared(shared(x))))
    cuts = list_cuts(read_graph(model))
    assert [cut.name for cut in cuts] == ["x", "shared#0", "shared#1", "out"]
    assert cuts[1].parameters_below == cuts[2].parameters_below == 20
    assert resolve(cuts, "shared#1:input").name == "shared#0"
    with pytest.raises(LayerNotFound, match="called 2 times: write shared#0 or shared#1"):
        resolve(cuts, "shared")


def test_sides_of_a_layer_can_be_chosen():
    cuts = list_cuts(read_graph(network()))
    assert resolve(cuts, "bn").name == resolve(cuts, "bn:output").name == "bn"
    assert resolve(cuts, "bn:input").name == "conv"
    assert resolve(cuts, "conv:input").name == "image"
    assert resolve(cuts, "relu|gap").name == "relu|gap"
    assert resolve(cuts, "default|flatten").name == "features|flatten"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("featurs", "no layer 'featurs' in the backbone. Did you mean 'features'?"),
        ("zzz", "no layer 'zzz' in the backbone. See `headstart backbone cuts`"),
        ("bn:middle", "no side 'middle'"),
        ("bn|average", "no pooling 'average'"),
        ("image:input", "is an input of the backbone"),
    ],
)
def test_a_name_that_means_nothing_is_explained(wanted, message):
    with pytest.raises(LayerNotFound) as error:
        resolve(list_cuts(read_graph(network())), wanted)
    assert message in str(error.value)


def test_shapes_and_parameters_are_those_of_the_model():
    model = network()
    cuts = {cut.name: cut for cut in list_cuts(read_graph(model))}
    assert cuts["conv"].shape == (12, 12, 6)
    assert cuts["conv"].parameters_below == 3 * 3 * 3 * 6
    assert cuts["bn"].parameters_below == 3 * 3 * 3 * 6 + 4 * 6
    assert cuts["final_output"].parameters_below == model.count_params()
    assert [cut.name for cut in cuts.values() if cut.is_default] == ["features"]


def test_class_probabilities_are_warned_of():
    cuts = {cut.name: cut for cut in list_cuts(read_graph(network()))}
    assert cuts["final_output"].warning == (
        "final_output gives class probabilities (3 of them), not features"
    )
    assert cuts["features"].warning is None
    soft = with_head(layers.Dense(5, name="logits"), layers.Softmax(name="soft"))
    warned = [cut.name for cut in list_cuts(read_graph(soft)) if cut.warning]
    assert warned == ["soft"]


def test_an_attention_with_softmax_inside_the_trunk_is_not_warned_of():
    x = inputs = keras.Input((5, 8))
    scores = layers.Softmax(name="attention")(layers.Dense(8)(x))
    x = layers.GlobalAveragePooling1D()(layers.Multiply()([x, scores]))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="out")(x))
    assert [cut.name for cut in list_cuts(read_graph(model)) if cut.warning] == ["out"]
