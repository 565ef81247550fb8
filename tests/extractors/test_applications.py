"""Models of keras.applications: added, cut and verified against the hand-cut model."""

import re

import numpy as np
import pytest

from conftest import keras
from headstart.extractors.preprocessing import Preprocessing

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
NAMES = (
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "MobileNetV2",
    "VGG16",
)
"""The models that were run so far. EfficientNetV2L is left out on purpose: with random weights its
values grow from layer to layer until the last bit of a float decides, and a row then depends on
its batch in plain Keras too."""
QUICK = ("MobileNetV2", "VGG16")


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES],
)
def test_a_model_is_added_cut_and_verified(ws, name):
    size = next((size for family, size in SMALLEST.items() if name.startswith(family)), 32)
    backbone = ws.backbones.add("net", f"applications:{name}?weights=none&size={size}")
    expected = next(cut for family, cut in DEFAULT_CUTS.items() if name.startswith(family))
    assert re.fullmatch(expected, backbone.default_cut.name)
    assert backbone.default_cut.is_bottleneck
    assert backbone.warnings == ()
    checks = ws.backbones.verify("net", samples=3)
    assert [check for check in checks if not check.ok] == []
    hand_cut(ws, backbone)
    keras.backend.clear_session()


def hand_cut(ws, backbone):
    """The stored model, cut by hand, on the same pixels."""
    (file,) = ws.config.artifacts.rglob("*.keras")
    model = keras.saving.load_model(file, compile=False)
    by_hand = keras.Model(model.input, model.get_layer(backbone.default_cut.name).output)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    pipeline = Preprocessing.from_json(backbone.preprocessing)
    inputs = np.stack([pipeline.prepare(picture) for picture in pixels])
    _, (cut,) = ws.resolve("net")
    (ours,) = ws.open_engine(backbone, [cut]).run(inputs)
    theirs = by_hand.predict(inputs, verbose=0)
    scale = max(1.0, float(np.abs(theirs).max()))
    np.testing.assert_allclose(ours / scale, theirs / scale, atol=1e-5)
