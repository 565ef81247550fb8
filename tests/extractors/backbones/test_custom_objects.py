"""Layers of the user's own, with `--custom-objects`; weights with a named architecture."""

import hashlib

import h5py
import numpy as np
import pytest

from conftest import keras, network
from headstart.backbone_model import open_engine
from headstart.errors import ModelFileError, UnsafeModel

CODE = """
import keras


@keras.saving.register_keras_serializable("mine")
class Scaled(keras.layers.Layer):
    def __init__(self, by, **settings):
        super().__init__(**settings)
        self.by = by

    def call(self, x):
        return self.by * x

    def get_config(self):
        return {**super().get_config(), "by": self.by}


def swish_twice(x):
    return keras.ops.silu(keras.ops.silu(x))
"""


def forget():
    known = keras.saving.get_custom_objects()
    for name in [name for name in known if name.startswith("mine>")]:
        del known[name]


@pytest.fixture
def own(tmp_path):
    """A model file with a layer and an activation of one's own, and the code of both."""
    code = tmp_path / "mine.py"
    code.write_text(CODE)
    names = {"__name__": "mine"}
    exec(CODE, names)
    x = keras.Input((4,), name="x")
    y = keras.layers.Dense(6, activation=names["swish_twice"], name="hidden")(x)
    y = names["Scaled"](3.0, name="scaled")(y)
    model = keras.Model(x, keras.layers.Dense(2, activation="softmax", name="out")(y))
    model.save(tmp_path / "own.keras")
    rows = np.random.default_rng(0).random((5, 4), np.float32)
    expected = np.asarray(keras.Model(x, model.get_layer("scaled").output)(rows))
    forget()
    return tmp_path / "own.keras", code, rows, expected


def features(ws, name, rows):
    backbone, cuts = ws.context.resolve(name)
    return open_engine(ws.context, backbone, cuts).run(rows)[0]


def test_a_layer_of_ones_own_is_refused_with_the_way_on(ws, fails, own):
    message = fails("backbone", "add", "x", own[0])
    assert "is refused" in message
    assert "--custom-objects FILE.py" in message


def test_with_its_code_the_model_is_kept_as_what_it_computes(ws, run, own):
    file, code, rows, expected = own
    added = run("backbone", "add", "mine", file, "--custom-objects", code)
    assert added.code == 0, added.err
    assert "mine.py, sha256" in added.out
    backbone = ws.backbones.get("mine")
    assert (backbone.format, backbone.default_cut.name) == ("tensorflow", "scaled")
    assert backbone.trust["custom_objects"] == {
        "file": "mine.py",
        "sha256": hashlib.sha256(CODE.encode()).hexdigest(),
    }
    forget()
    code.unlink()
    file.unlink()
    np.testing.assert_allclose(features(ws, "mine", rows), expected, atol=1e-5)
    assert [check for check in ws.backbones.verify("mine") if not check.ok] == []


def test_other_code_under_the_same_names_gives_other_features(ws, own):
    file, code, _, _ = own
    first = ws.backbones.add("one", file, custom_objects=code)
    forget()
    code.write_text(CODE.replace("self.by * x", "self.by + x"))
    second = ws.backbones.add("two", file, custom_objects=code)
    assert first.default_cut.fingerprint != second.default_cut.fingerprint


def test_the_code_allows_nothing_but_its_own_names(ws, tmp_path, own):
    _, code, _, _ = own
    x = keras.Input((3,))
    y = keras.layers.Lambda(lambda v: v + 1, output_shape=(3,))(x)
    keras.Model(x, y).save(tmp_path / "lambda.keras")
    with pytest.raises(UnsafeModel, match="a Lambda layer"):
        ws.backbones.add("x", tmp_path / "lambda.keras", custom_objects=code)


def test_code_that_is_not_needed_changes_nothing(ws, own, model_file):
    plain = ws.backbones.add("plain", model_file)
    given = ws.backbones.add("given", model_file, custom_objects=own[1])
    assert given.format == "keras"
    assert given.default_cut.fingerprint == plain.default_cut.fingerprint
    assert not given.is_file_trusted


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise ValueError('no')", "code.py fails (ValueError: no)"),
        ("def f(:", "code.py fails (SyntaxError"),
        ("import os", "defines no class or function"),
        (None, "cannot read"),
    ],
)
def test_code_that_does_not_run_is_explained(ws, own, tmp_path, content, message):
    code = tmp_path / "code.py"
    if content is not None:
        code.write_text(content)
    with pytest.raises(ModelFileError) as error:
        ws.backbones.add("x", own[0], custom_objects=code)
    assert message in str(error.value)
    assert ws.backbones.list() == []


def test_a_subclassed_model_in_a_file_is_traced(ws, tmp_path):
    code = """
import keras

@keras.saving.register_keras_serializable("mine")
class Written(keras.Model):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.hidden = keras.layers.Dense(5, activation="relu", name="hidden")
        self.out = keras.layers.Dense(2, name="out")

    def call(self, x):
        return self.out(self.hidden(x))
"""
    (tmp_path / "written.py").write_text(code)
    names = {"__name__": "mine"}
    exec(code, names)
    model = names["Written"]()
    rows = np.random.default_rng(0).random((5, 4), np.float32)
    model(rows)
    model.save(tmp_path / "written.keras")
    expected = np.asarray(model.hidden(rows))
    forget()
    backbone = ws.backbones.add(
        "written", tmp_path / "written.keras", custom_objects=tmp_path / "written.py"
    )
    assert backbone.default_cut.name == "hidden"
    np.testing.assert_allclose(features(ws, "written", rows), expected, atol=1e-5)


# Weights alone, with their architecture


@pytest.fixture
def weights(tmp_path, model):
    model.save_weights(tmp_path / "net.weights.h5")
    (tmp_path / "net.json").write_text(model.to_json())
    other = network(seed=7)
    other.save(tmp_path / "other.keras")
    return tmp_path / "net.weights.h5"


@pytest.mark.parametrize("architecture", ["net.json", "other.keras"])
def test_weights_are_taken_with_an_architecture(ws, run, model, weights, architecture):
    file = weights.parent / architecture
    added = run("backbone", "add", "net", weights, "--architecture", file, "--preprocess", "unit")
    assert added.code == 0, added.err
    rows = np.random.default_rng(0).random((3, 12, 12, 3), np.float32)
    by_hand = keras.Model(model.input, model.get_layer("features").output)
    np.testing.assert_allclose(features(ws, "net", rows), by_hand(rows), atol=1e-5)


def test_weights_that_do_not_fit_are_refused(ws, fails, weights):
    network(classes=5).save(weights.parent / "five.keras")
    message = fails(
        "backbone", "add", "x", weights, "--architecture", weights.parent / "five.keras"
    )
    assert "do not fit the architecture of" in message
    message = fails("backbone", "add", "x", weights, "--architecture", weights.parent / "no.json")
    assert "no architecture file" in message
    message = fails("backbone", "add", "x", weights)
    assert "--architecture FILE" in message


def test_weights_that_point_elsewhere_are_refused(ws, fails, weights):
    with h5py.File(weights, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    message = fails("backbone", "add", "x", weights, "--architecture", weights.parent / "net.json")
    assert "is refused: /elsewhere is a ExternalLink" in message


def test_an_architecture_that_brings_code_is_refused(ws, fails, weights):
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Lambda(lambda v: v + 1, output_shape=(3,))(x))
    (weights.parent / "lambda.json").write_text(model.to_json())
    message = fails(
        "backbone", "add", "x", weights, "--architecture", weights.parent / "lambda.json"
    )
    assert "a Lambda layer" in message
