"""A custom Conv/Pool/Dense network on (10, 10, 3), cut below `final_output`; a 2-class head.

Run it with: python examples/custom_cnn.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs


def main(folder: Path) -> dict[str, float]:
    """The whole way from a saved file; returns what the comparison with plain Keras found."""
    import keras

    # Somebody's trained model in the old format, and arrays of the new task.
    model = trained_network()
    model.save(folder / "network.h5")
    x, y = tiles(200, seed=1)
    np.savez(folder / "tiles.npz", x=x, y=y)

    ws = hs.init(folder / "zoo")
    backbone = ws.backbones.add("network", folder / "network.h5", preprocess="array")
    print("cut at", backbone.default_cut.name, backbone.default_cut.shape)
    ws.datasets.add("tiles", folder / "tiles.npz")

    features = ws.extract("network", "tiles")
    head = ws.heads.train("tiles", features, hs.Linear())
    print("held-out accuracy", head.metrics["accuracy"])
    attached, attached_difference = head.attach_checked(folder / "classifier.keras", overwrite=True)

    # The same by hand, for comparison.
    by_hand = keras.Model(model.inputs, model.get_layer("final_output").input)
    expected = by_hand.predict(x, verbose=0)
    return {
        "features": float(np.abs(features.to_numpy() - expected).max()),
        "attached": attached_difference,
        "weights": largest_weight_change(model, attached),
    }


def trained_network() -> Any:
    """Conv, pool, dense and `final_output` over 4 classes, trained for a moment."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((10, 10, 3)),
            layers.Conv2D(16, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(32, activation="relu", name="dense"),
            layers.Dropout(0.3, name="dropout"),
            layers.Dense(4, activation="softmax", name="final_output"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = tiles(400, seed=0)
    model.fit(x, y + 2 * (x.mean(axis=(1, 2, 3)) > 0.5), epochs=2, verbose=0)
    return model


def tiles(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a brighter upper (class 0) or lower (class 1) half."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    x = rng.random((count, 10, 10, 3), dtype=np.float32) * 0.7
    x[y == 0, :5] += 0.3
    x[y == 1, 5:] += 0.3
    return x, y


def largest_weight_change(model: Any, attached: Any) -> float:
    """How far the attached model's trunk is from the model that was saved."""
    return max(
        float(np.abs(one - other).max())
        for name in ("conv", "dense")
        for one, other in zip(
            model.get_layer(name).get_weights(), attached.get_layer(name).get_weights(), strict=True
        )
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(main(Path(place)))
