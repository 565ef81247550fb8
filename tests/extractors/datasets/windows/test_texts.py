"""Long texts in windows of words or tokens, series in windows of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import keras
from headstart.errors import DatasetError
from headstart.extractors.datasets.windows.tokens import word_windows

tokenizers = pytest.importorskip("tokenizers")
layers = keras.layers
WORDS = "the cat sat on a mat while dog ran to park and bird flew over red house".split()  # noqa: SIM905
PARTS = ["##s", "##ing", "walk"]
STEPS = 16


@pytest.fixture
def vocabulary(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *PARTS]))
    return path


@pytest.fixture
def texts(tmp_path):
    """Eight texts of 3 to 80 words, in two classes."""
    rng = np.random.default_rng(0)
    for number in range(8):
        folder = tmp_path / "texts" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        words = rng.choice([*WORDS, "cats", "walking"], 3 + 11 * number)
        (folder / f"{number}.txt").write_text(
            "\n".join(" ".join(w) for w in np.array_split(words, 3))
        )
    return tmp_path / "texts"


@pytest.fixture
def reader(ws, vocabulary):
    """A workspace with a model of 16 tokens, and the model up to its feature."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((STEPS,), dtype="int32", name="token_ids")
    x = layers.Embedding(len(WORDS) + 7, 8, name="words")(tokens)
    x = layers.GlobalAveragePooling1D(name="pool")(layers.Conv1D(8, 3, name="conv")(x))
    model = keras.Model(tokens, layers.Dense(2, name="out")(x))
    ws.backbones.add("reader", model, preprocess=str(vocabulary))
    return ws, keras.Model(tokens, x)


def features_of(trunk, vocabulary, texts):
    lines = vocabulary.read_text().splitlines()
    tool = tokenizers.BertWordPieceTokenizer(dict(zip(lines, range(len(lines)), strict=True)))
    tool.enable_truncation(STEPS)
    tool.enable_padding(length=STEPS)
    ids = np.array([tool.encode(text).ids for text in texts], np.int32)
    return trunk.predict(ids, verbose=0)


def test_a_row_a_window_of_words(reader, texts, vocabulary):
    ws, trunk = reader
    ws.datasets.add("texts", texts, window="10w", hop="5w")
    view = ws.extract("reader", "texts")
    expected = []
    for path in sorted(texts.rglob("*.txt")):
        words = path.read_text().split()
        starts = list(range(0, len(words) - 9, 5)) if len(words) > 10 else [0]
        if len(words) > 10 and starts[-1] + 10 < len(words):
            starts.append(len(words) - 10)
        expected += [" ".join(words[start : start + 10]) for start in starts]
    assert len(view) == len(expected)
    np.testing.assert_allclose(view.to_numpy(), features_of(trunk, vocabulary, expected), atol=1e-5)


@pytest.mark.parametrize("by", ["reader", "vocab.txt"])
def test_a_model_cuts_nothing_off_windows_of_as_many_tokens_as_it_takes(
    reader, texts, tmp_path, by
):
    ws, _ = reader
    tokenizer = str(tmp_path / by) if by.endswith("txt") else by
    ws.datasets.add("texts", texts, window="16tok", hop="8tok", tokenizer=tokenizer)
    view = ws.extract("reader", "texts")
    assert view.report.warnings == []
    assert len(view) > 8
    covered = {}
    for sample in view.samples:
        name, _, place = sample.id.partition("#c=")
        start, stop = map(int, place.split("-"))
        covered.setdefault(name, set()).update(range(start, stop))
    for name, places in covered.items():
        text = (texts / name).read_text()
        assert {n for n, letter in enumerate(text) if not letter.isspace()} <= places
    vocab = tmp_path / "vocab.txt"
    vocab.unlink()
    (texts / "a" / "new.txt").write_text("the cat " * 20)
    ws.datasets.refresh("texts")  # the tokenizer lies in the workspace
    assert any("new.txt" in sample.id for sample in ws.datasets.manifest("texts").samples)
    assert ws.datasets.get("texts").options["tokenizer"] in ws.context.needed_artifacts()


def test_a_head_on_windows_of_tokens_says_one_thing_a_text(reader, texts):
    ws, _ = reader
    ws.datasets.add("texts", texts, window="16tok", tokenizer="reader", split="80/20")
    head = ws.heads.train("h", ws.extract("reader", "texts"))
    (said,) = head.predict(texts / "b" / "7.txt")
    assert said.name.endswith("7.txt")


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_windows_of_tokens_hold_every_word_and_no_more_than_fits(tokens, room, hop):
    from fractions import Fraction

    found = word_windows([(0, 0, count) for count in tokens], room, Fraction(min(hop, room)))
    assert {word for start, stop in found for word in range(start, stop)} == set(range(len(tokens)))
    assert found[-1][1] == len(tokens)
    for start, stop in found:
        assert sum(tokens[start:stop]) <= room or stop - start == 1
    starts = [start for start, _ in found]
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"window": "16tok"}, "counts tokens, and there is no --tokenizer"),
        ({"window": "16w", "tokenizer": "reader"}, "counts no tokens: --tokenizer has no use"),
        ({"window": "16tok", "tokenizer": "nobody"}, "no backbone and no file 'nobody'"),
        ({"window": "2tok", "tokenizer": "reader"}, "puts 2 tokens around every text"),
        ({"window": "2s"}, "not a readable sound file"),
        ({"window": "16"}, "the window is of rows, the sample is no array"),
        ({"frames": 4, "every": "1s"}, "none of MP4, WebM, Matroska, AVI"),
    ],
)
def test_what_cannot_be_cut_is_said(reader, texts, asked, said):
    ws, _ = reader
    with pytest.raises(DatasetError, match=said):
        ws.datasets.add("texts", texts, **asked)


def test_a_window_of_text_is_refused_by_a_model_of_sounds(reader, texts):
    ws, _ = reader
    wave = keras.Input((100,), name="wave")
    ws.backbones.add("ear", keras.Model(wave, layers.Dense(2)(wave)), preprocess="audio:1000")
    ws.datasets.add("texts", texts, window="10w")
    from headstart.errors import SampleUnreadable

    with pytest.raises(SampleUnreadable, match=r"sample 'a/0.txt#c=.*not a readable sound file"):
        ws.extract("ear", "texts")


def test_series_have_a_row_a_window(ws, tmp_path):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(12, 100, 3)).astype(np.float32)
    np.savez(tmp_path / "series.npz", x=series, y=np.arange(12) % 2)
    given = keras.Input((32, 3), name="steps")
    x = layers.GlobalMaxPooling1D(name="pool")(layers.Conv1D(5, 4, name="conv")(given))
    ws.backbones.add("net", keras.Model(given, layers.Dense(2, name="out")(x)))
    ws.datasets.add("series", tmp_path / "series.npz", window=32, hop=16)
    view = ws.extract("net", "series")
    starts = [0, 16, 32, 48, 64, 68]
    by_hand = np.concatenate([[one[s : s + 32] for s in starts] for one in series])
    expected = keras.Model(given, x).predict(by_hand, verbose=0)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)
    assert view.ids[:2] == ["0#rows=0-32", "0#rows=16-48"]
    with pytest.raises(DatasetError, match="numbers without a rate"):
        ws.datasets.add("series", tmp_path / "series.npz", window="2s")
    with pytest.raises(DatasetError, match="the window is of words, the sample is an array"):
        ws.datasets.add("series", tmp_path / "series.npz", window="2w")
