"""Preprocessing that is silently wrong is seen at `add` or at `extract`."""

import numpy as np
import pytest

from conftest import keras
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.lint import FAMILIES, find_family, lint_pipeline
from headstart.extractors.preprocessing.defaults import image_pipeline
from headstart.extractors.preprocessing.pipeline import Preprocessing

layers = keras.layers


def small(*first, padding=None):
    image = x = keras.Input((16, 16, 3), name="image")
    for layer in first:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(x))
    return keras.Model(image, layers.Dense(2, name="out")(x))


def warnings_of(model, mode, is_given=True):
    return lint_pipeline(read_graph(model), image_pipeline(mode, 16, 16), is_given=is_given)


@pytest.mark.parametrize("mode", ["unit", "tf", "torch"])
@pytest.mark.parametrize(
    "first",
    [
        (layers.Rescaling(1 / 255),),
        (layers.Rescaling(1 / 127.5, offset=-1),),
        (layers.ZeroPadding2D(1), layers.Rescaling(1 / 255)),
        (layers.Normalization(mean=[123.7, 116.3, 103.5], variance=[3400.0, 3300.0, 3300.0]),),
    ],
    ids=["255", "127.5", "padded", "normalization"],
)
def test_pixels_scaled_twice_are_seen(first, mode):
    (warning,) = warnings_of(small(*first), mode)
    assert "scaled twice" in warning
    assert "--preprocess raw" in warning
    assert warnings_of(small(*first), "raw") == []


def test_pixels_that_nobody_scales_are_seen_where_nobody_said_so():
    (warning,) = warnings_of(small(), "raw", is_given=False)
    assert "pixels go in as 0..255" in warning
    assert warnings_of(small(), "raw") == []
    assert warnings_of(small(), "unit", is_given=False) == []


@pytest.mark.parametrize("channels", [1, 3])
def test_a_flattened_picture_is_looked_at_too(channels):
    image = keras.Input((8, 8, channels), name="image")

    def warnings(*first, mode="raw", is_given=False):
        x = image
        for layer in (*first, layers.Flatten(), layers.Dense(4), layers.Dense(2)):
            x = layer(x)
        pipeline = image_pipeline(mode, 8, 8, channels)
        return lint_pipeline(read_graph(keras.Model(image, x)), pipeline, is_given=is_given)

    assert "pixels go in as 0..255" in warnings()[0]
    assert warnings(mode="unit", is_given=True) == []
    assert warnings(layers.Rescaling(1 / 255)) == []
    assert "scaled twice" in warnings(layers.Rescaling(1 / 255), mode="unit", is_given=True)[0]


APPLICATIONS = {
    "VGG": "VGG16",
    "ResNetV2": "ResNet50V2",
    "ResNet": "ResNet50",
    "DenseNet": "DenseNet121",
    "InceptionV3": "InceptionV3",
    "InceptionResNetV2": "InceptionResNetV2",
    "Xception": "Xception",
    "MobileNet": "MobileNet",
    "MobileNetV2": "MobileNetV2",
    "NASNet": "NASNetMobile",
}


def build(name):
    return read_graph(getattr(keras.applications, name)(weights=None, include_top=False))


@pytest.mark.parametrize(
    "family",
    [*["VGG", "MobileNetV2"], *(pytest.param(f, marks=pytest.mark.slow) for f in FAMILIES)],
)
def test_a_family_is_known_and_wants_its_own_mode(family):
    graph = build(APPLICATIONS[family])
    assert find_family(graph) == family
    own = FAMILIES[family][1]
    for mode in ("raw", "unit", "tf", "torch", "caffe"):
        warnings = lint_pipeline(graph, image_pipeline(mode, 64, 64), is_given=True)
        assert len(warnings) == (mode != own), (mode, warnings)
        if warnings:
            assert f"--preprocess {own}" in warnings[0]
    assert find_family(read_graph(small())) is None


def test_the_other_order_of_channels_is_named():
    rgb = Preprocessing.from_json(
        {
            "steps": [
                {"step": "decode_image"},
                {"step": "resize", "height": 32, "width": 32},
                {"step": "standardize", "mean": [123.68, 116.779, 103.939]},
            ]
        }
    )
    (warning,) = lint_pipeline(build("VGG16"), rgb, is_given=True)
    assert "the channels arrive in the other order (RGB for BGR)" in warning


def test_what_add_sees_is_shown_and_kept(ws, run, tmp_path):
    small(layers.Rescaling(1 / 255)).save(tmp_path / "r.keras")
    ran = run("backbone", "add", "x", tmp_path / "r.keras", "--preprocess", "unit")
    assert ran.code == 0
    assert "warning: pixels seem to be scaled twice" in ran.err
    assert "scaled twice" in " ".join(run("backbone", "show", "x").out.split())


def extracted(ws, tmp_path, name, model, values, **options):
    np.savez(tmp_path / f"{name}.npz", x=values, y=np.arange(len(values)) % 2)
    ws.backbones.add(name, model, **options)
    ws.datasets.add(name, tmp_path / f"{name}.npz")
    return ws.extract(name, name).report.warnings


def test_arrays_that_were_scaled_before_are_seen_at_extract(ws, tmp_path):
    pixels = np.random.default_rng(0).random((6, 16, 16, 3), np.float32)
    model = small(layers.Rescaling(1 / 255))
    (warning,) = extracted(ws, tmp_path, "twice", model, pixels, preprocess="array")
    assert "scaled twice" in warning
    assert extracted(ws, tmp_path, "once", model, pixels * 255, preprocess="array") == []


def test_arrays_that_nobody_scaled_are_seen_at_extract(ws, tmp_path):
    pixels = np.random.default_rng(0).random((6, 16, 16, 3), np.float32) * 255
    (warning,) = extracted(ws, tmp_path, "net", small(), pixels, preprocess="array")
    assert "reach the first weights unscaled" in warning
    assert extracted(ws, tmp_path, "good", small(), pixels / 255, preprocess="array") == []


def test_fractions_that_would_be_cut_off_are_refused(ws, fails, tmp_path):
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    x = layers.Flatten()(layers.Embedding(9, 2, name="words")(tokens))
    ws.backbones.add("net", keras.Model(tokens, layers.Dense(2)(x)))
    np.savez(tmp_path / "d.npz", x=np.full((4, 4), 0.5), y=[0, 1, 0, 1])
    ws.datasets.add("d", tmp_path / "d.npz")
    assert "0.5 is not a number of type int32" in fails("extract", "net", "d")


def test_numbers_of_words_that_are_not_there_are_named(ws, fails, tmp_path):
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    x = layers.Flatten()(layers.Embedding(9, 2, name="words")(tokens))
    ws.backbones.add("net", keras.Model(tokens, layers.Dense(2)(x)))
    np.savez(tmp_path / "d.npz", x=np.arange(16).reshape(4, 4), y=[0, 1, 0, 1])
    ws.datasets.add("d", tmp_path / "d.npz")
    message = fails("extract", "net", "d")
    assert "the input tokens holds numbers from 0 to 15, its table has 9 rows" in message
