"""Embedding and two LSTMs on 100 integer tokens, cut below `final_output`; a 3-class head.

Run it with: python examples/lstm_text.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs

WORDS, LENGTH = 500, 100


def main(folder: Path) -> dict[str, float]:
    """The whole way from a saved file; returns what the comparison with plain Keras found."""
    import keras

    # Somebody's trained text model, and token arrays of the new task with class names.
    model = trained_network()
    model.save(folder / "network.keras")
    tokens, topics = sentences(240, seed=1)
    np.savez(folder / "sentences.npz", x=tokens, y=np.array(["sport", "trade", "art"])[topics])

    ws = hs.init(folder / "zoo")
    backbone = ws.backbones.add("network", folder / "network.keras")
    print("cut at", backbone.default_cut.name, backbone.default_cut.shape)
    ws.datasets.add("sentences", folder / "sentences.npz")

    features = ws.extract("network", "sentences")
    head = ws.heads.train("sentences", features, hs.Linear())
    print("held-out accuracy", head.metrics["accuracy"])
    attached, attached_difference = head.attach_checked(folder / "classifier.keras", overwrite=True)

    # The same by hand, for comparison.
    by_hand = keras.Model(model.inputs, model.get_layer("final_output").input)
    expected = by_hand.predict(tokens, verbose=0)
    return {
        "features": float(np.abs(features.to_numpy() - expected).max()),
        "attached": attached_difference,
        "weights": largest_weight_change(model, attached),
    }


def trained_network() -> Any:
    """Embedding, LSTM, LSTM and `final_output` over 2 classes, trained for a moment."""
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(WORDS, 16, name="embedding"),
            layers.LSTM(24, return_sequences=True, name="lstm_1"),
            layers.LSTM(24, name="lstm_2"),
            layers.Dense(2, activation="softmax", name="final_output"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    tokens, topics = sentences(200, seed=0)
    model.fit(tokens, topics == 0, epochs=1, verbose=0)
    return model


def sentences(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random tokens; each of three topics likes words of its own."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, 3, count)
    tokens = rng.integers(1, WORDS, (count, LENGTH), dtype=np.int32)
    own = rng.random((count, LENGTH)) < 0.3
    own_words = topics[:, None] * 100 + rng.integers(1, 30, (count, LENGTH))
    return np.where(own, own_words, tokens).astype(np.int32), topics


def largest_weight_change(model: Any, attached: Any) -> float:
    """How far the attached model's trunk is from the model that was saved."""
    return max(
        float(np.abs(one - other).max())
        for name in ("embedding", "lstm_1", "lstm_2")
        for one, other in zip(
            model.get_layer(name).get_weights(), attached.get_layer(name).get_weights(), strict=True
        )
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(main(Path(place)))
