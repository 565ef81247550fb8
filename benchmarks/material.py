"""What the benchmarks run on: backbones, photographs, features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import headstart as hs
from headstart import demo
from headstart.extractors.runtime import keras, keras_hub

WIDTH, HEIGHT = 500, 375
"""Of the photographs; that of most in ImageNet."""


SHARED = 20
"""Directions that made features share."""


@dataclass(frozen=True)
class Model:
    """A backbone, and how many pictures it is measured on end to end."""

    name: str
    source: str
    preprocess: Any
    pictures: int


MODELS = (
    Model("lite0", "zoo:efficientnet-lite0", None, 512),
    Model("MobileNetV2", "applications:MobileNetV2?weights=none", None, 512),
    Model("EfficientNetB0", "applications:EfficientNetB0?weights=none", None, 384),
    Model("ResNet50", "applications:ResNet50?weights=none", None, 192),
    Model("VGG16", "applications:VGG16?weights=none", None, 48),
)
"""lite0 has ImageNet's weights, the others random ones: there is no network to fetch them by."""


def add(workspace: hs.Workspace, model: Model, name: str = "", preprocess: Any = None) -> str:
    """Register a model; gives its name."""
    name = name or model.name.lower()
    workspace.backbones.add(name, model.source, preprocess=preprocess or model.preprocess)
    return name


def photographs(folder: Path, count: int, seed: int = 0) -> Path:
    """So many different JPEG files of 500 x 375: parts of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(seed)
    originals = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    for number in range(count):
        original = originals[number % 2]
        width, height = (int(v) for v in rng.uniform(0.7, 0.99) * np.array(original.size))
        left = int(rng.integers(0, original.width - width + 1))
        top = int(rng.integers(0, original.height - height + 1))
        picture = original.crop((left, top, left + width, top + height)).resize((WIDTH, HEIGHT))
        if rng.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        target = folder / f"c{number % 4}" / f"{number:05}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.save(target, quality=int(rng.integers(80, 95)))
    return folder


def emoji(workspace: hs.Workspace, folder: Path) -> None:
    """The pictures of the demo as dataset `emoji`, lite0 with the preprocessing that suits them."""
    workspace.backbones.add("lite0", "zoo:efficientnet-lite0", preprocess=demo.preprocessing())
    workspace.datasets.add("emoji", demo.write_emoji_csv(folder / "emoji.csv"))


def bert(folder: Path) -> Path:
    """A BERT of 4 layers of 512 with a classifier, random weights, saved."""
    k, hub = keras(), keras_hub()
    k.utils.set_random_seed(0)
    backbone = hub.models.BertBackbone(30_000, 4, 8, 512, 2048, max_sequence_length=128)
    pooled = backbone.output["pooled_output"]
    model = k.Model(backbone.inputs, k.layers.Dense(4, activation="softmax")(pooled))
    model.save(folder / "bert.keras")
    return folder / "bert.keras"


def tokens(count: int, length: int = 128) -> dict[str, np.ndarray]:
    """Token numbers of texts of 20 to `length` tokens, padded."""
    rng = np.random.default_rng(0)
    used = rng.integers(20, length + 1, count)
    mask = (np.arange(length) < used[:, None]).astype(np.int32)
    numbers = rng.integers(1, 30_000, (count, length)).astype(np.int32) * mask
    return {"token_ids": numbers, "padding_mask": mask, "segment_ids": np.zeros_like(mask)}


def post_relu(rows: int, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Features as they leave a ReLU, and class numbers that can be told from them in part.

    Some directions are shared by all features, as in real ones, so that scikit-learn's lbfgs needs
    about as many steps as on real ones: 20 to 30 behind a StandardScaler at C = 0.01.
    """
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, rows)
    centres = rng.standard_normal((classes, width), dtype=np.float32)
    features = rng.standard_normal((rows, width), dtype=np.float32)
    shared = rng.standard_normal((SHARED, width), dtype=np.float32)
    features += 0.1 * (rng.standard_normal((rows, SHARED), dtype=np.float32) @ shared)
    features += 0.08 * centres[targets]
    features *= rng.uniform(0.5, 1.5, width).astype(np.float32)
    return np.maximum(features, 0), targets
