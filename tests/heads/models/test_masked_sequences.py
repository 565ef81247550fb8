"""Masked text models: their values by name, and their last layers trained on cached sequences."""

import csv

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.backbone_model import load_graph
from headstart.errors import BackboneError, FeaturesMissing, HeadError
from headstart.extractors.backbones.cuts import resolve
from headstart.extractors.backbones.keras_graph import read_graph
from headstart.extractors.backbones.pooling import POOLINGS, pool
from headstart.heads.dense_stack import DenseStack, Layer
from headstart.heads.models.finetune import build_top

pytest.importorskip("tokenizers")
layers = keras.layers
SAID = "the cat sat on a mat while dog ran to park and bird flew over red house"
WORDS = SAID.split()
STEPS = 12


def language_model(masks=True):
    """Two recurrent layers on an Embedding that masks, a pooling that leaves masked steps out."""
    keras.utils.set_random_seed(3)
    tokens = keras.Input((STEPS,), dtype="int32", name="token_ids")
    x = layers.Embedding(len(WORDS) + 4, 8, mask_zero=masks, name="words")(tokens)
    x = layers.LSTM(8, return_sequences=True, name="lstm_1")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    x = layers.LSTM(6, return_sequences=True, name="lstm_2")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dense(6, activation="relu", name="features")(x)
    return keras.Model(tokens, layers.Dense(2, activation="softmax", name="out")(x))


@pytest.fixture
def lm(ws, tmp_path):
    """The model, whose folder has reviews of 2 to 15 words; who tells them apart looks at them
    word by word."""
    rng = np.random.default_rng(0)
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "label"])
        for number in range(160):
            words = rng.choice(WORDS, rng.integers(2, 16))
            words[0] = WORDS[0] if number % 2 else WORDS[1]
            rows.writerow([" ".join(words), "odd" if number % 2 else "even"])
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]))
    language_model().save(tmp_path / "lm.keras")
    ws.backbones.add("lm", tmp_path / "lm.keras", preprocess=str(tmp_path / "vocab.txt"))
    ws.datasets.add("reviews", tmp_path / "reviews.csv", text_column="review")
    return ws


@pytest.mark.parametrize("name", ["token_ids", "text"])
def test_the_one_value_of_a_table_may_have_a_name(lm, tmp_path, name):
    plain = lm.extract("lm", "reviews")
    lm.datasets.add("named", tmp_path / "reviews.csv", values=[f"{name}=text:review"])
    np.testing.assert_array_equal(lm.extract("lm", "named").to_numpy(), plain.to_numpy())


@pytest.mark.parametrize(
    "cut",
    [
        "words",
        "lstm_2",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("lstm_1", "dropout")),
    ],
)
def test_layers_above_a_cached_sequence_give_what_the_whole_model_gives(lm, tmp_path, cut):
    rows = lm.extract(f"lm@{cut}|masked", "reviews").to_numpy()
    model = keras.models.load_model(tmp_path / "lm.keras")
    kernel, bias = model.get_layer("out").get_weights()
    stack = DenseStack((Layer(kernel, bias, "softmax"),), ("even", "odd"))
    points = lm.backbones.get("lm").cuts
    top = build_top(
        read_graph(model), resolve(points, f"{cut}|masked"), resolve(points, "features"), stack
    )
    tokens = lm.extract("lm@token_ids", "reviews").to_numpy().astype(np.int32)
    assert 0 < (tokens == 0).mean() < 1
    np.testing.assert_allclose(
        top.predict(rows, verbose=0), model.predict(tokens, verbose=0), atol=1e-5
    )


def test_layers_of_a_masked_model_are_trained_on_cached_sequences(lm, run, tmp_path):
    assert run("head", "train", "h", "lm@pool", "reviews").code == 0
    saved = tmp_path / "whole.keras"
    ran = run("head", "finetune", "h", "--from", "lstm_1", "--epochs", "1")
    assert ran.code == 0, ran  # it has extracted the sequences
    lm.heads.get("h:1").finetune("lstm_1", saved, hs.FineTuning(0.003, 12, patience=12))
    tuned, before = lm.heads.get("h"), lm.heads.get("h:1")
    assert tuned.record.cut == "lstm_1|masked" and tuned.is_tuned
    assert tuned.record.settings["best_epoch"] > 0 and before.record.cut == "pool"
    texts = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, text in zip(
        texts, ("the cat ran", "cat on a mat and over the red house"), strict=True
    ):
        path.write_text(text)
    said = [one.probabilities for one in tuned.predict(texts)]
    tokens = lm.extract("lm@token_ids", "reviews").to_numpy().astype(np.int32)
    whole = keras.models.load_model(saved).predict(tokens, verbose=0)
    judged = tuned.held_out()
    ids = lm.features("lm@token_ids", "reviews").ids
    rows = [ids.index(one.id) for one in judged.samples]
    np.testing.assert_allclose(judged.probabilities, whole[rows], atol=1e-5)
    assert np.isfinite(said).all()


@pytest.mark.slow
def test_layers_above_a_sequence_whose_mask_is_an_input_are_trained(lm, tmp_path):
    """As of KerasHub's models: `padding_mask` goes into every layer."""
    hub = pytest.importorskip("keras_hub")
    keras.utils.set_random_seed(4)
    inputs = {
        name: keras.Input((STEPS,), dtype="int32", name=name)
        for name in ("token_ids", "padding_mask")
    }
    x = layers.Embedding(len(WORDS) + 4, 8, name="words")(inputs["token_ids"])
    for name in ("first", "second"):
        encoder = hub.layers.TransformerEncoder(16, 2, name=name)
        x = encoder(x, padding_mask=inputs["padding_mask"])
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dense(5, activation="relu", name="features")(x)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="out")(x))
    model.save(tmp_path / "bert.keras")
    lm.backbones.add("bert", tmp_path / "bert.keras", preprocess=str(tmp_path / "vocab.txt"))
    head = lm.heads.train("h", lm.extract("bert", "reviews"))
    rows = lm.extract("bert@first|masked", "reviews").to_numpy()
    kernel, bias = model.get_layer("out").get_weights()
    stack = DenseStack((Layer(kernel, bias, "softmax"),), ("even", "odd"))
    backbone = lm.backbones.get("bert")
    start, end = (resolve(backbone.cuts, name) for name in ("first|masked", "features"))
    top = build_top(load_graph(lm.context, backbone), start, end, stack)
    given = {
        name: lm.extract(f"bert@{name}", "reviews").to_numpy().astype(np.int32) for name in inputs
    }
    assert 0 < given["padding_mask"].mean() < 1
    np.testing.assert_allclose(
        top.predict(rows, verbose=0), model.predict(given, verbose=0), atol=1e-5
    )
    assert head.finetune("first", settings=hs.FineTuning(epochs=1)).difference < 1e-5


def test_what_is_missing_is_named_with_its_mask(lm):
    head = lm.heads.train("h", lm.extract("lm", "reviews"))
    with pytest.raises(FeaturesMissing) as error:
        head.finetune("lstm_2")
    assert "headstart extract 'lm:1@lstm_2|masked' reviews" in str(error.value.hint).replace(
        "'lm@", "'lm:1@"
    )


def test_a_head_on_a_masked_mean_is_trained_from_below_it(lm):
    """The pooling behind the head's own cut leaves masked steps out on cached sequences too."""
    head = lm.heads.train("h", lm.extract("lm@lstm_2|mean", "reviews"))
    lm.extract("lm@lstm_1|masked", "reviews")
    tuned = head.finetune("lstm_1", settings=hs.FineTuning(epochs=1))
    assert tuned.difference < 1e-5


def test_what_needs_more_than_a_sequence_and_its_mask_is_no_bottleneck_still(ws, lm, tmp_path):
    tokens = keras.Input((STEPS,), dtype="int32", name="token_ids")
    first = layers.Embedding(30, 8, mask_zero=True, name="words")(tokens)
    x = layers.LSTM(8, return_sequences=True, name="lstm")(first)
    x = layers.Add(name="sum")([x, first])
    x = layers.Dense(4, activation="relu", name="features")(layers.LSTM(4, name="end")(x))
    model = keras.Model(tokens, layers.Dense(2, name="out")(x))
    ws.backbones.add("leap", model, preprocess=str(tmp_path / "vocab.txt"))
    head = ws.heads.train("h", ws.extract("leap", "reviews"))
    with pytest.raises(BackboneError, match="'lstm' is not a bottleneck"):
        head.finetune("lstm")
    ws.extract("leap@sum|masked,words|masked", "reviews")
    for start in ("sum", "words"):
        assert head.finetune(start, settings=hs.FineTuning(epochs=1)).difference < 1e-5


def test_a_sequence_without_a_mask_has_none_to_cache(ws, lm, tmp_path):
    ws.backbones.add("open", language_model(masks=False), preprocess=str(tmp_path / "vocab.txt"))
    with pytest.raises(BackboneError, match=r"\|masked is for sequences with a mask"):
        ws.extract("open@lstm_1|masked", "reviews")
    head = ws.heads.train("h", ws.extract("open", "reviews"))
    with pytest.raises(HeadError, match=r"'lstm_1\|mean' is pooled"):
        head.finetune("lstm_1|mean")


def test_a_sequence_and_its_mask_are_one_vector():
    assert POOLINGS["masked"].width((5, 6)) == 35
    assert POOLINGS["masked"].width((None, 6)) is None
    sequence, mask = keras.Input((5, 6)), keras.Input((5,), dtype="bool")
    model = keras.Model([sequence, mask], pool(sequence, "masked", mask))
    steps = np.random.default_rng(0).normal(size=(2, 5, 6)).astype(np.float32)
    counts = np.array([[True, True, False, True, False]] * 2)
    found = model.predict([steps, counts], verbose=0).reshape(2, 5, 7)
    np.testing.assert_array_equal(found[..., :6], steps)
    np.testing.assert_array_equal(found[..., 6], counts)


def test_two_cuts_may_have_the_same_pooling(lm, tmp_path):
    lm.backbones.add("open", language_model(masks=False), preprocess=str(tmp_path / "vocab.txt"))
    lm.extract("open@lstm_1|flatten,lstm_2|flatten", "reviews")
    assert lm.features("open@lstm_1|flatten", "reviews").shape == (160, STEPS * 8)
