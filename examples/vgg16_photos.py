"""VGG16 with its `predictions` layer removed, and a Dense(128) + softmax(5) head.

The way it is done by hand: load_model, take the layer below `predictions`, freeze, put Dense
layers on it, and push every picture through the frozen part again in every epoch. Here it is run
once per picture. Run it with: python examples/vgg16_photos.py
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from headstart.demo import emoji_rows

CLASSES = ("Animals & Nature", "Flags", "Food & Drink", "People & Body", "Travel & Places")
PICTURES_PER_CLASS = 8


def main(folder: Path, weights: str = "imagenet") -> dict[str, float]:
    """The whole way from a saved file; returns what the comparison with plain Keras found."""
    import keras

    # Somebody's saved model, and their pictures.
    model = load_vgg16(weights)
    model.save(folder / "vgg16.keras")
    write_pictures(folder / "pictures.csv")

    # Register both. The default cut is `fc2`, below `predictions`; VGG16 wants caffe's pixels.
    ws = hs.init(folder / "zoo")
    backbone = ws.backbones.add("vgg16", folder / "vgg16.keras", preprocess="caffe")
    print("cut at", backbone.default_cut.name, backbone.default_cut.shape)
    ws.datasets.add("pictures", folder / "pictures.csv")

    # Run VGG16 once, then train on what it gave.
    features = ws.extract("vgg16", "pictures")
    head = ws.heads.train("pictures", features, hs.MLP(hidden=(128,)))
    print("held-out accuracy", head.metrics["accuracy"])

    # One model again: trunk and head.
    # It takes preprocessed pictures here, as the model by hand does.
    attached, attached_difference = head.attach_checked(
        folder / "classifier.keras", pixels=False, overwrite=True
    )

    # The same by hand, for comparison.
    by_hand = keras.Model(model.inputs, model.get_layer("predictions").input)
    pixels = np.stack([load_by_hand(str(sample.location)) for sample in features.samples])
    expected = by_hand.predict(pixels, batch_size=16, verbose=0)
    return {
        "features": float(np.abs(features.to_numpy() - expected).max()),
        "attached": attached_difference,
        "weights": largest_weight_change(model, attached),
    }


def load_vgg16(weights: str) -> Any:
    """VGG16 with ImageNet weights; with random ones where they cannot be downloaded."""
    import keras

    keras.utils.set_random_seed(0)
    if weights == "none":
        return keras.applications.VGG16(weights=None)
    try:
        return keras.applications.VGG16(weights=weights)
    except Exception as error:  # Keras raises plain Exception when a download fails
        print(f"no ImageNet weights ({error}); going on with random ones")
        return keras.applications.VGG16(weights=None)


def load_by_hand(path: str) -> np.ndarray:
    """A picture as VGG16 wants it, by Keras' own functions, transparency on white."""
    import keras
    from PIL import Image

    image = Image.open(path).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    pixels = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    return keras.applications.vgg16.preprocess_input(pixels.copy())


def largest_weight_change(model: Any, attached: Any) -> float:
    """How far the attached model's trunk is from the model that was saved."""
    pairs = [
        (layer.get_weights(), attached.get_layer(layer.name).get_weights())
        for layer in model.layers
        if layer.weights and layer.name != "predictions"
    ]
    return max(
        float(np.abs(one - other).max())
        for ours, theirs in pairs
        for one, other in zip(ours, theirs, strict=True)
    )


def write_pictures(file: Path) -> None:
    """A CSV of emoji pictures in five classes."""
    chosen = []
    for name in CLASSES:
        chosen += [row for row in emoji_rows() if row["label"] == name][:PICTURES_PER_CLASS]
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["path", "label", "id"])
        writer.writeheader()
        writer.writerows(chosen)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(main(Path(place)))
