"""What a backbone does not take of a sample is counted and said."""

import numpy as np
import pytest
import tokenizers

from conftest import keras
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.notices import HeadstartWarning
from headstart.storage.artifacts import ArtifactStore

layers = keras.layers
RATE = 8000


@pytest.fixture
def sounds(tmp_path):
    """Nine sounds of half a second and three of two, in two classes."""
    soundfile = pytest.importorskip("soundfile")
    rng = np.random.default_rng(0)
    for number in range(12):
        folder = tmp_path / "sounds" / ("high" if number % 2 else "low")
        folder.mkdir(parents=True, exist_ok=True)
        seconds = 2.0 if number % 4 == 0 else 0.5
        wave = rng.uniform(-0.5, 0.5, int(seconds * RATE))
        soundfile.write(folder / f"{number}.wav", wave, RATE)
    return tmp_path / "sounds"


@pytest.fixture
def ear(ws, sounds):
    wave = keras.Input((RATE // 2, 1), name="wave")
    x = layers.GlobalMaxPooling1D(name="pool")(layers.Conv1D(4, 64, 32, name="conv")(wave))
    model = keras.Model(wave, layers.Dense(2, name="out")(x))
    ws.backbones.add("ear", model, preprocess=f"audio:{RATE}")
    ws.datasets.add("sounds", sounds)
    return ws


SAID = "3 of 12 samples are longer than the step 'window' takes: 75% of each is left out"


def test_sounds_longer_than_the_window_are_counted_each_once(ear):
    (line,) = ear.extract("ear", "sounds").report.warnings
    assert line.startswith(SAID)
    assert ear.extract("ear", "sounds").report.warnings == []  # it was said when it was computed


def test_commands_say_it(ear, run, sounds):
    ran = run("head", "train", "h", "ear", "sounds")
    assert ran.code == 0, ran
    assert f"warning: {SAID}" in ran.err
    ear.context.cache()
    long = next(path for path in sounds.rglob("0.wav"))
    other = long.with_name("other.wav")
    other.write_bytes(long.read_bytes()[:-2] + b"\1\2")
    with pytest.warns(HeadstartWarning, match="1 of 1 sample is longer"):
        ear.heads.get("h").predict([other])


def pipeline_of(tmp_path, step):
    return Preprocessing.from_json({"steps": [step]}, files=ArtifactStore(tmp_path / "files"))


def test_tokens_behind_the_last_are_counted_without_those_around_every_text(tmp_path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b"]
    vocabulary = {word: number for number, word in enumerate(words)}
    content = tokenizers.BertWordPieceTokenizer(vocabulary).to_str().encode()
    store = ArtifactStore(tmp_path / "files")
    step = {"step": "tokenize", "tokenizer": store.keep(content), "length": 6}
    pipeline = pipeline_of(tmp_path, step)
    assert pipeline.prepare(b"a b a b").tolist() == [2, 4, 5, 4, 5, 3]
    assert pipeline.shortened.lines() == []
    assert pipeline.prepare(b"a b a b a b a b").tolist() == [2, 4, 5, 4, 5, 3]
    (line,) = pipeline.shortened.lines()
    assert line.startswith("1 of 2 samples are longer than the step 'tokenize' takes: 50% of each")


def test_a_text_that_is_one_word_has_its_number_alone(tmp_path):
    store = ArtifactStore(tmp_path / "files")
    step = {"step": "vectorize", "vocabulary": store.keep(b"a b\nb"), "split": "none"}
    assert pipeline_of(tmp_path, step).prepare(b"a b").tolist() == 2


@pytest.mark.parametrize("text", ["a b", "a b a b", "a b a b a c a b", ""])
def test_words_are_those_of_keras_own_layer_and_what_is_left_out_is_counted(tmp_path, text):
    store = ArtifactStore(tmp_path / "files")
    step = {"step": "vectorize", "vocabulary": store.keep(b"a\nb"), "length": 4}
    pipeline = pipeline_of(tmp_path, step)
    layer = layers.TextVectorization(output_sequence_length=4, vocabulary=["a", "b"])
    np.testing.assert_array_equal(pipeline.prepare(text.encode()), np.asarray(layer([text])[0]))
    assert len(pipeline.shortened.lines()) == (len(text.split()) > 4)
