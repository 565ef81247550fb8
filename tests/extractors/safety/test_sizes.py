"""What a configuration says of a model's size is never more than what the model has."""

import json

import numpy as np
import pytest

from conftest import keras, network
from headstart.errors import UnsafeModel
from headstart.extractors.safety.inspection import check_file
from headstart.extractors.safety.sizes import least_numbers

L = keras.layers


def inputs(kind):
    shapes = {"series": (16, 8), "image": (16, 16, 8), "film": (4, 16, 16, 8), "tokens": (16,)}
    return keras.Input(shapes[kind], dtype="int32" if kind == "tokens" else "float32")


@pytest.mark.parametrize(
    ("kind", "make", "exact"),
    [
        ("series", lambda: L.Dense(7), True),
        ("series", lambda: L.LSTM(5), False),
        ("series", lambda: L.GRU(30), False),
        ("series", lambda: L.SimpleRNN(30), False),
        ("series", lambda: L.Conv1D(4, 3), True),
        ("image", lambda: L.Conv2D(8, (3, 2), groups=4), True),
        ("image", lambda: L.Conv2DTranspose(4, 3), True),
        ("image", lambda: L.DepthwiseConv2D(3, depth_multiplier=2), True),
        ("image", lambda: L.SeparableConv2D(5, 3, depth_multiplier=2), False),
        ("film", lambda: L.Conv3D(2, 2), True),
        ("film", lambda: L.ConvLSTM2D(3, 3), False),
        ("tokens", lambda: L.Embedding(50, 6), True),
        ("series", lambda: L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3)), True),
        ("series", lambda: L.EinsumDense("abc,bd->adc", output_shape=(5, 8)), True),
        ("image", lambda: L.BatchNormalization(), False),
    ],
)
def test_a_layer_has_at_least_what_is_computed(kind, make, exact):
    x, layer = inputs(kind), make()
    layer(x)
    given = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    least = least_numbers(given["class_name"], given["config"], given["build_config"])
    kernels = [int(np.prod(weight.shape)) for weight in layer.weights]
    assert least <= sum(kernels)
    assert not exact or least == max(kernels)


@pytest.mark.parametrize("value", [None, True, "3", -4, [None, "x"], {}])
def test_what_is_no_number_counts_for_nothing(value):
    config = dict.fromkeys(("units", "filters", "kernel_size", "input_dim", "output_dim"), value)
    assert least_numbers("Conv2D", config, {"input_shape": value}) == 0


def test_what_a_model_may_take_is_raised_by_who_means_it(tmp_path):
    file = tmp_path / "model.json"
    large = network().to_json().replace('"kernel_size": [3, 3]', '"kernel_size": [6000, 6000]')
    file.write_text(large)
    with pytest.raises(UnsafeModel, match="at least 648,00"):
        check_file(file)
    check_file(file, max_bytes=4 << 30)
