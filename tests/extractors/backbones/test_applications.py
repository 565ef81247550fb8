"""Models of keras.applications: added, cut and verified against the hand-cut model."""

import importlib
import re

import numpy as np
import pytest

from conftest import keras
from headstart.backbone_model import open_engine
from headstart.extractors.preprocessing.defaults import image_pipeline
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.registry.zoo import ENTRIES, get_entry

DEFAULT_CUTS = {
    "VGG": "fc2",
    "ResNet": "avg_pool",
    "DenseNet": "avg_pool",
    "EfficientNet": "avg_pool",
    "Inception": "avg_pool",
    "Xception": "avg_pool",
    "MobileNetV3": r"activation(_\d+)?",
    "MobileNet": r"global_average_pooling2d(_\d+)?",
    "NASNet": r"global_average_pooling2d(_\d+)?",
    "ConvNeXt": r"convnext_.*_head_layernorm",
}
"""The layer whose output feeds the classifier, by family, from Keras' own source."""

SMALLEST = {"Inception": 75, "Xception": 71}
NAMES = tuple(entry.name for entry in ENTRIES if entry.source.startswith("applications:"))
QUICK: set[str] = set()
"""Quick enough for every run: none; test_source_table.py adds some of them."""


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_a_model_is_added_cut_and_verified(ws, tmp_path, name):
    size = next((size for family, size in SMALLEST.items() if name.startswith(family)), 32)
    weights = calm_weights(tmp_path, size) if name == "EfficientNetV2L" else "none"
    backbone = ws.backbones.add("net", f"applications:{name}?weights={weights}&size={size}")
    expected = next(cut for family, cut in DEFAULT_CUTS.items() if name.startswith(family))
    assert re.fullmatch(expected, backbone.default_cut.name)
    assert backbone.default_cut.is_bottleneck
    assert backbone.warnings == ()
    checks = ws.backbones.verify("net", samples=3)
    assert [check for check in checks if not check.ok] == []
    hand_cut(ws, backbone)
    keras.backend.clear_session()


def calm_weights(folder, size):
    """Random weights of half their size.

    With Keras' own random ones the values of EfficientNetV2L grow from layer to layer until the
    last bit of a float decides, and a row then depends on its batch in plain Keras too.
    """
    keras.utils.set_random_seed(0)
    model = keras.applications.EfficientNetV2L(weights=None, input_shape=(size, size, 3))
    model.set_weights([w / 2 if w.ndim > 1 else w for w in model.get_weights()])
    model.save_weights(folder / "calm.weights.h5")
    return folder / "calm.weights.h5"


@pytest.mark.parametrize("name", NAMES)
def test_the_preprocessing_of_every_model_is_its_own_to_the_last_bit(name):
    module = importlib.import_module(getattr(keras.applications, name).__module__)
    entry = get_entry(f"applications:{name}")
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)
    ours = image_pipeline(entry.mode, 30, 20).prepare(pixels)
    theirs = module.preprocess_input(pixels.astype(np.float32)[None])[0]
    np.testing.assert_array_equal(ours, theirs)
    assert ours.dtype == np.float32


def test_there_are_forty():
    models = [
        name
        for name, value in vars(keras.applications).items()
        if callable(value) and name[0].isupper()
    ]
    assert sorted(NAMES) == sorted(models)
    assert len(NAMES) == 40


def hand_cut(ws, backbone):
    """The stored model, cut by hand, on the same pixels."""
    (file,) = ws.config.artifacts.rglob("*.keras")
    model = keras.saving.load_model(file, compile=False)
    by_hand = keras.Model(model.input, model.get_layer(backbone.default_cut.name).output)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    pipeline = Preprocessing.from_json(backbone.preprocessing)
    inputs = np.stack([pipeline.prepare(picture) for picture in pixels])
    _, (cut,) = ws.context.resolve("net")
    (ours,) = open_engine(ws.context, backbone, [cut]).run(inputs)
    theirs = by_hand.predict(inputs, verbose=0)
    scale = max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-5)
