"""Attentive heads on their trunks: attached, exported, tuned, on maps and on texts with masks."""

import csv

import numpy as np
import pytest

import headstart as hs
from conftest import draw, keras, network
from headstart.errors import HeadError, LayerNotFound
from headstart.heads.attention.layer import NAME as QUERIES
from headstart.heads.attention.tokens import Tokens
from headstart.heads.kinds.every_kind import kind_of

TOLERANCE = 1e-4
layers = keras.layers
KIND = hs.Attentive(queries=2, epochs=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace, and a head on maps of 12 x 12 places of its pictures."""
    folder = tmp_path_factory.mktemp("trained")
    for tint, name in enumerate(("red", "green", "blue")):
        for number in range(12):
            draw(folder / "pics" / name / f"{number:02}.png", 100 * tint + number, tint=tint)
    network().save(folder / "net.keras")
    ws = hs.init(folder / "zoo")
    ws.backbones.add("net", folder / "net.keras", preprocess="tf", licence="MIT")
    ws.datasets.add("pics", folder / "pics")
    return ws, ws.heads.train("whole", ws.extract("net@relu", "pics"), KIND)


@pytest.mark.parametrize(
    "name",
    ["h.keras", "h.onnx", "h.tflite", pytest.param("h", marks=pytest.mark.slow)],
)
def test_each_format_gives_the_cached_paths_probabilities(trained, tmp_path, name):
    _, head = trained
    assert head.stack.layers[0].attention.tokens == Tokens(144, 6)
    _, difference = head.attach_checked(tmp_path / name)
    assert difference < TOLERANCE
    if name == "h.keras":  # nothing of ours is needed to load it
        stored = keras.models.load_model(tmp_path / name)
        assert all(type(one).__module__.startswith("keras.") for one in stored.layers)


def test_a_pooled_grid_trains_and_attaches_as_well(trained):
    ws, _ = trained
    view = ws.extract("net@relu|tokens4", "pics")
    assert view.shape == (36, 4, 6)
    head = ws.heads.train("fewer", view, KIND)
    assert head.attach_checked()[1] < TOLERANCE
    model = head.attach(pixels=False)
    assert model.get_layer(QUERIES).trainable
    assert not model.get_layer("conv").trainable
    with pytest.raises(LayerNotFound, match="there are 12 x 12"):
        ws.extract("net@relu|tokens169", "pics")


def test_it_is_reproduced_to_the_bit(trained):
    """With the epochs that it was given for each rate, not with those that all of them made."""
    ws, head = trained
    brief = hs.Attentive(queries=2, learning_rate=1e-3, epochs=2)
    short = ws.heads.train("short", ws.features("net@relu|tokens4", "pics"), brief)
    assert short.record.settings["epochs"] > brief.epochs
    assert kind_of("attentive", short.record.settings) == brief
    for one in (head, short):
        found = one.reproduce()
        assert found.agrees and found.max_abs_diff == 0


def test_its_queries_are_tuned_with_the_layers_below_them(trained, tmp_path):
    ws, head = trained
    ws.extract("net@conv", "pics")
    head.finetune("conv", tmp_path / "tuned.keras", hs.FineTuning(0.01, 2, patience=2))
    tuned = ws.heads.get("whole")
    assert tuned.is_tuned
    was, now = (one.stack.layers[0].attention.queries for one in (head, tuned))
    assert np.abs(was - now).max() > 1e-4
    stored = keras.models.load_model(tmp_path / "tuned.keras")
    inner = stored.get_layer("net_whole_tuned")
    np.testing.assert_array_equal(inner.get_layer(QUERIES).get_weights()[0], now)
    assert tuned.attach_checked()[1] < TOLERANCE


def test_one_vector_a_sample_is_refused(trained):
    ws, _ = trained
    view = ws.extract("net@pool", "pics")
    with pytest.raises(HeadError, match="takes tokens, and these features are one vector of 6"):
        ws.heads.train("h", view, "attentive")
    with pytest.raises(HeadError, match="takes tokens"):
        ws.sweep("pics", ["net@pool"], [hs.Attentive()])
    joined = ws.extract("net@relu + net@pool", "pics")
    with pytest.raises(HeadError, match="takes tokens"):
        ws.heads.train("h", joined, "attentive")


SAID = "the cat sat on a mat while dog ran to park and bird flew over red house"
WORDS = SAID.split()
STEPS = 12


@pytest.fixture
def lm(ws, tmp_path):
    """A model of masked words, and reviews of 2 to 11 words whose label one of them says."""
    pytest.importorskip("tokenizers")
    rng = np.random.default_rng(0)
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["review", "label"])
        for number in range(160):
            words = rng.choice(WORDS[2:], rng.integers(2, 12))
            words[rng.integers(len(words))] = WORDS[number % 2]
            rows.writerow([" ".join(words), "odd" if number % 2 else "even"])
    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]))
    keras.utils.set_random_seed(3)
    tokens = keras.Input((STEPS,), dtype="int32", name="token_ids")
    x = layers.Embedding(len(WORDS) + 4, 8, mask_zero=True, name="words")(tokens)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    model = keras.Model(tokens, layers.Dense(2, activation="softmax", name="out")(x))
    model.save(tmp_path / "lm.keras")
    ws.backbones.add("lm", tmp_path / "lm.keras", preprocess=str(tmp_path / "vocab.txt"))
    ws.datasets.add("reviews", tmp_path / "reviews.csv", text_column="review")
    return ws


def test_auto_leaves_heads_out_that_would_look_at_padding(lm):
    found = lm.auto("reviews", "lm@words", minutes=60, kinds=("attentive", "prototype"))
    assert {one.head.split()[0].rstrip(",") for one in found.tried} == {"linear", "prototype"}
    (one,) = [one for one in found.dropped if one.what == "attentive on lm@words"]
    assert "is a sequence with a mask, which is not stored with it" in one.why


def test_words_that_are_padding_are_not_looked_at(lm, run):
    kind = hs.Attentive(queries=2)
    with pytest.raises(HeadError, match="is a sequence with a mask, which is not stored"):
        lm.heads.train("h", lm.extract("lm@words", "reviews"), kind)
    ran = run("head", "sweep", "reviews", "lm@words|tokens4", "--kinds", "attentive")
    assert ran.code == 1 and "Name 'lm@words|masked', which has both" in ran.err
    head = lm.heads.train("h", lm.extract("lm@words|masked", "reviews"), kind)
    assert head.stack.layers[0].attention.tokens == Tokens(STEPS, 8, is_masked=True)
    assert head.attach_checked()[1] < TOLERANCE
    rows = lm.features("lm@words|masked", "reviews").to_numpy()
    noisy = rows.reshape(-1, STEPS, 9).copy()
    assert 0.2 < (noisy[..., 8] == 0).mean() < 0.8
    noisy[noisy[..., 8] == 0, :8] = 7.0
    said = head.stack.predict_proba(rows)
    np.testing.assert_array_equal(head.stack.predict_proba(noisy), said)
