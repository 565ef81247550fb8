"""Hand-drawn graphs: for each the cut list, the bottlenecks and the defaults, then verified.

A cut is written `name`, `name|` where it is a bottleneck, and `name*` or `name|*` where it is the
default; `name*(age)` is the default of the output `age` alone.
"""

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.errors import LayerNotFound
from headstart.extractors.backbones.cuts import Cut, list_cuts, resolve
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.trunk import build_trunk, build_whole
from headstart.extractors.engines.seeded import random_inputs
from headstart.extractors.engines.tensorflow_engine import TensorFlowEngine
from headstart.extractors.preprocessing.defaults import for_inputs
from headstart.extractors.run.verification import verify_graph

layers = keras.layers
D = layers.Dense


def nested_twice():
    inner = keras.Sequential([keras.Input((6,)), D(5, name="a"), D(4, name="b")], name="inner")
    x = keras.Input((8,), name="x")
    middle = keras.Model(x, inner(D(6, name="first")(x)), name="middle")
    return keras.Sequential([keras.Input((8,), name="in"), middle, D(3, name="out")], name="outer")


def shared():
    x = keras.Input((4,), name="x")
    layer = D(4, name="twice")
    return keras.Model(x, D(2, name="out")(layer(layer(x))))


def siamese():
    tower = keras.Sequential([keras.Input((4,)), D(3, name="embed")], name="tower")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    both = layers.Concatenate(name="both")([tower(left), tower(right)])
    return keras.Model([left, right], D(1, activation="sigmoid", name="same")(both))


def two_outputs():
    x = keras.Input((6,), name="x")
    trunk = D(5, activation="relu", name="trunk")(x)
    old = D(4, activation="relu", name="old")(trunk)
    kind = D(3, activation="softmax", name="kind")(trunk)
    return keras.Model(x, [kind, D(1, name="age")(old)])


def residual():
    x = keras.Input((6,), name="x")
    y = D(6, name="f")(x)
    y = layers.Add(name="add")([x, y])
    return keras.Model(x, D(2, name="out")(layers.ReLU(name="relu")(y)))


def bidirectional():
    x = keras.Input((5,), dtype="int32", name="tokens")
    y = layers.Embedding(9, 4, name="words")(x)
    y = layers.Bidirectional(layers.LSTM(3), name="both_ways")(y)
    return keras.Model(x, D(2, activation="softmax", name="out")(y))


def time_distributed():
    x = keras.Input((5, 8, 8, 3), name="frames")
    y = layers.TimeDistributed(layers.Conv2D(4, 3, name="conv"), name="each_frame")(x)
    y = layers.TimeDistributed(layers.GlobalAveragePooling2D(), name="pooled")(y)
    return keras.Model(x, D(2, name="out")(layers.GRU(3, name="gru")(y)))


def convolutional_head():
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(6, 3, activation="relu", name="conv")(x)
    y = layers.Dropout(0.5, name="drop")(y)
    y = layers.Conv2D(5, 1, name="classes")(y)
    y = layers.GlobalAveragePooling2D(name="gap")(y)
    return keras.Model(x, layers.Softmax(name="softmax")(y))


def dense_head():
    x = keras.Input((10,), name="x")
    y = D(128, activation="relu", name="wide")(x)
    y = layers.Dropout(0.5, name="drop")(y)
    return keras.Model(x, D(5, activation="softmax", name="classes")(y))


def regression():
    x = keras.Input((10,), name="x")
    return keras.Model(x, D(1, name="price")(D(7, activation="relu", name="hidden")(x)))


def headless():
    x = keras.Input((8, 8, 3), name="image")
    y = layers.Conv2D(6, 3, name="conv")(x)
    return keras.Model(x, layers.BatchNormalization(name="bn")(y))


def called_sequential():
    model = keras.Sequential([D(3, activation="relu", name="hidden"), D(2, name="out")])
    model(np.zeros((1, 4), np.float32))
    return model


SHAPES = {
    nested_twice: "in| middle/first| middle/inner/a| middle/inner/b|* out|",
    shared: "x| twice#0| twice#1|* out|",
    siamese: "left right tower/embed#0 tower/embed#1 both|* same|",
    two_outputs: "x| trunk|*(kind) kind| old*(age) age",
    residual: "x| f add| relu|* out|",
    bidirectional: "tokens| words| both_ways|* out|",
    time_distributed: "frames| each_frame| pooled| gru|* out|",
    convolutional_head: "image| conv|* drop| classes| gap| softmax|",
    dense_head: "x| wide|* drop| classes|",
    regression: "x| hidden|* price|",
    headless: "image| conv| bn|*",
    called_sequential: "INPUT| hidden|* out|",
}


def written(point) -> str:
    mark = f"{point.name}{'|' if point.is_bottleneck else ''}"
    if point.default_of:
        return f"{mark}*({','.join(point.default_of)})"
    return f"{mark}{'*' if point.is_default else ''}"


@pytest.mark.parametrize("draw", SHAPES, ids=lambda draw: draw.__name__)
def test_cuts_bottlenecks_and_defaults_are_those_drawn(draw):
    keras.utils.set_random_seed(0)
    graph = read_graph(draw())
    points = list_cuts(graph)
    expected = SHAPES[draw].replace("INPUT", graph.node(graph.inputs[0]).name)
    assert sorted(map(written, points)) == sorted(expected.split())
    inputs = [
        {
            "name": graph.node(ref).path,
            "shape": graph.tensor(ref).shape[1:],
            "dtype": graph.tensor(ref).dtype,
        }
        for ref in graph.inputs
    ]
    batch = random_inputs(graph, for_inputs(inputs, "array"), 4, seed=0)
    assert [check for check in verify_graph(graph, points, batch) if not check.ok] == []


def test_both_branches_of_a_siamese_model_are_cut_at_one_go():
    model = siamese()
    graph = read_graph(model)
    points = list_cuts(graph)
    rng = np.random.default_rng(0)
    batch = {"left": rng.random((3, 4), np.float32), "right": rng.random((3, 4), np.float32)}
    cuts = [resolve(points, "tower/embed#0"), resolve(points, "tower/embed#1"), Cut(points[-1])]
    left, right, same = TensorFlowEngine(build_trunk(graph, cuts)).run(batch)
    tower = model.get_layer("tower")
    np.testing.assert_allclose(left, tower(batch["left"]), atol=1e-6)
    np.testing.assert_allclose(right, tower(batch["right"]), atol=1e-6)
    np.testing.assert_allclose(same, model([batch["left"], batch["right"]]), atol=1e-6)
    # The trunk of one branch wants that branch's input alone.
    (alone,) = TensorFlowEngine(build_trunk(graph, cuts[1:2])).run({"right": batch["right"]})
    np.testing.assert_allclose(alone, right, atol=1e-6)


def test_the_default_of_another_output_has_a_name(ws, run):
    ws.backbones.add("net", two_outputs())
    points = ws.backbones.cuts("net")
    assert resolve(points, "default").name == resolve(points, "default:kind").name == "trunk"
    assert resolve(points, "default:age").name == "old"
    out = run("backbone", "cuts", "net").out
    assert "*default:age, old: the input of age (Dense), the last layer with weights." in out
    with pytest.raises(LayerNotFound, match="Did you mean 'age'"):
        resolve(points, "default:aeg")
    with pytest.raises(LayerNotFound, match="It has one output"):
        resolve(list_cuts(read_graph(dense_head())), "default:age")
    assert ws.backbones.add("old", two_outputs(), cut="default:age").default_cut.name == "old"


def test_several_named_inputs_go_all_the_way(ws, tmp_path):
    model = siamese()
    rng = np.random.default_rng(0)
    left, right = rng.random((40, 4), np.float32), rng.random((40, 4), np.float32)
    np.savez(tmp_path / "pairs.npz", left=left, right=right, y=np.arange(40) % 2)
    backbone = ws.backbones.add("pair", model)
    assert [tensor["name"] for tensor in backbone.inputs] == ["left", "right"]
    ws.datasets.add("pairs", tmp_path / "pairs.npz")
    view = ws.extract("pair", "pairs")
    by_hand = keras.Model(model.inputs, model.get_layer("both").output)
    np.testing.assert_allclose(view.to_numpy(), by_hand([left, right]), atol=1e-5)
    assert all(check.ok for check in ws.backbones.verify("pair", dataset="pairs"))
    attached = ws.heads.train("same", view, hs.Linear()).attach(tmp_path / "attached.keras")
    assert [tensor.name for tensor in attached.inputs] == ["left", "right"]


def test_a_dataset_that_lacks_an_input_is_explained(ws, fails, tmp_path):
    ws.backbones.add("pair", siamese())
    ones = np.ones((9, 4), np.float32)
    np.savez(tmp_path / "one.npz", x=ones, y=np.arange(9) % 2)
    np.savez(tmp_path / "other.npz", left=ones, rihgt=ones, y=np.arange(9) % 2)
    ws.datasets.add("one", tmp_path / "one.npz")
    ws.datasets.add("other", tmp_path / "other.npz")
    assert "takes left, right, the dataset has one value" in fails("extract", "pair", "one")
    assert "has no value 'right'; it has left, rihgt" in fails("extract", "pair", "other")


def test_the_whole_model_is_its_first_output():
    model = two_outputs()
    x = np.ones((2, 6), np.float32)
    np.testing.assert_allclose(build_whole(read_graph(model))(x), model(x)[0], atol=1e-6)
