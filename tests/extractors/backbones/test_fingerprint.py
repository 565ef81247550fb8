"""The trunk fingerprint: what is computed below the cut, and nothing else."""

import subprocess
import sys

import numpy as np
import pytest

from conftest import clean_environment, keras, network
from headstart.errors import ModelFileError
from headstart.extractors.backbones.cuts import list_cuts, resolve
from headstart.extractors.backbones.keras_graph import read_graph

layers = keras.layers


def fingerprint(model, cut=None):
    return resolve(list_cuts(read_graph(model)), cut).fingerprint


IN_A_PROCESS = """
import sys
from pathlib import Path
from headstart.extractors.backbones.cuts import list_cuts, resolve
from headstart.extractors.backbones.loader import load_graph
print(resolve(list_cuts(load_graph(Path(sys.argv[1]))), None).fingerprint)
"""


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.slow
def test_keras_and_h5_have_one_fingerprint_in_different_processes(tmp_path):
    model = network()
    found = {fingerprint(model)}
    for name in ("a.keras", "b.h5", "c.hdf5"):
        file = tmp_path / name
        model.save(file) if name != "c.hdf5" else file.write_bytes((tmp_path / "b.h5").read_bytes())
        ran = subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS, str(file)],
            env=clean_environment(PYTHONHASHSEED="random"),
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(ran.stdout.strip())
    assert len(found) == 1


def test_another_head_on_the_same_trunk_has_the_same_fingerprint():
    model = network()
    x = model.get_layer("features").output
    x = layers.Dense(20, activation="relu", name="new")(x)
    other = keras.Model(model.input, layers.Dense(7, activation="softmax")(x))
    assert fingerprint(other, "features") == fingerprint(model)
    assert fingerprint(other) != fingerprint(model)


@pytest.mark.parametrize("layer", ["conv", "bn", "features"])
def test_one_changed_weight_below_the_cut_changes_it(layer):
    model = network()
    before = fingerprint(model)
    weights = model.get_layer(layer).get_weights()
    weights[-1].reshape(-1)[-1] = np.nextafter(weights[-1].reshape(-1)[-1], np.float32(9))
    model.get_layer(layer).set_weights(weights)
    assert fingerprint(model) != before


def test_a_changed_weight_above_the_cut_does_not():
    model = network()
    before = fingerprint(model)
    head = model.get_layer("final_output")
    head.set_weights([weight + 1 for weight in head.get_weights()])
    assert fingerprint(model) == before


def built(activation="relu", stride=1, name="a", trainable=True, regularizer=None):
    image = keras.Input((8, 8, 3), name=f"{name}_in")
    x = layers.Conv2D(
        4,
        3,
        strides=stride,
        activation=activation,
        name=f"{name}_conv",
        trainable=trainable,
        kernel_initializer="ones",
        kernel_regularizer=regularizer,
    )(image)
    x = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    return keras.Model(image, layers.Dense(2, activation="softmax", name=f"{name}_out")(x))


def test_names_and_training_settings_do_not_matter():
    same = [built(), built(name="b"), built(trainable=False), built(regularizer="l2")]
    assert len({fingerprint(model) for model in same}) == 1


def test_the_configuration_matters():
    different = [built(), built(activation="tanh"), built(stride=2)]
    assert len({fingerprint(model) for model in different}) == 3


def test_the_wiring_matters():
    def wired(swap: bool):
        image = keras.Input((6,))
        a = layers.Dense(4, kernel_initializer="ones")(image)
        b = layers.Dense(4, kernel_initializer="zeros")(image)
        x = layers.Subtract()([b, a] if swap else [a, b])
        return keras.Model(image, layers.Dense(2)(x))

    assert fingerprint(wired(False)) != fingerprint(wired(True))


def test_nesting_does_not_matter():
    inner_input = keras.Input((6,))
    hidden = layers.Dense(4, kernel_initializer="ones", name="hidden")
    inner = keras.Model(inner_input, hidden(inner_input), name="inner")
    outer_input = keras.Input((6,))
    nested = keras.Model(outer_input, layers.Dense(2)(inner(outer_input)))
    flat_input = keras.Input((6,))
    flat = keras.Model(
        flat_input,
        layers.Dense(2)(layers.Dense(4, kernel_initializer="ones")(flat_input)),
    )
    assert fingerprint(nested) == fingerprint(flat)


def test_pooling_is_part_of_it():
    model = built()
    found = {
        fingerprint(model, cut) for cut in ("a_conv", "a_conv|gap", "a_conv|gmp", "a_conv|flatten")
    }
    assert len(found) == 4


def test_a_fingerprint_is_the_same_on_every_machine():
    """Fixed: a change here throws every cache away, so it wants a new version of the scheme."""
    assert fingerprint(built()) == KNOWN


KNOWN = "506c89f9f08f53a0361fffb1bb140351221460e58a45bf16dd20ec8411e9067a"


def test_a_model_whose_wiring_cannot_be_read_is_refused():
    class Custom(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ModelFileError, match="not a Functional or Sequential model"):
        read_graph(Custom())


def test_numbers_that_json_lacks_are_part_of_it_like_any():
    x = keras.Input((3, 2))
    nan, low, zero = (
        fingerprint(keras.Model(x, layers.Masking(value)(x)))
        for value in (float("nan"), float("-inf"), 0.0)
    )
    assert len({nan, low, zero}) == 3
    assert nan == fingerprint(keras.Model(x, layers.Masking(np.float32("nan"))(x)))
