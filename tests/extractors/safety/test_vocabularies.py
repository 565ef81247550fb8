"""Words that a preset's tokenizer is built of are counted, wherever KerasHub takes them from."""

import json

import pytest

from headstart.errors import UnsafeModel
from headstart.extractors.safety import vocabularies
from headstart.extractors.safety.vocabularies import check_vocabularies

MOST = 10
WORDS = {f"w{number}": number for number in range(MOST + 2)}
FEW = dict(list(WORDS.items())[:MOST])
PAIRS = [["a", "b"]] * MOST


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(vocabularies, "MOST_ENTRIES", MOST)
    monkeypatch.setattr(vocabularies, "LARGEST_PIECES", 1 << 20)


def check(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    check_vocabularies([path], folder, "assets")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vocab.json", WORDS),
        ("assets/tokenizer/vocabulary.json", WORDS),
        ("tokenizer.json", {"model": {"vocab": WORDS, "merges": []}}),
        ("tokenizer.json", {"model": {"vocab": {}, "merges": [["a", "b"]] * (MOST + 1)}}),
        ("tokenizer.json", {"added_tokens": list(WORDS)}),
        ("tokenizer.json", {"model": [FEW, FEW, FEW, FEW]}),
        ("tekken.json", {"vocab": list(WORDS)}),
        ("preprocessor.json", {"config": {"tokenizer": {"config": {"vocabulary": WORDS}}}}),
    ],
)
def test_many_words_in_json_are_refused(tmp_path, name, content):
    with pytest.raises(UnsafeModel, match=r"it has more than (10|30) entries"):
        check(tmp_path, name, content)


@pytest.mark.parametrize("name", ["vocab.txt", "merges.txt", "assets/tokenizer/VOCABULARY.TXT"])
def test_many_lines_of_words_are_refused(tmp_path, name):
    with pytest.raises(UnsafeModel, match="it has more than 10 lines"):
        check(tmp_path, name, "a b\n" * (MOST + 1))


@pytest.mark.parametrize("name", ["spiece.model", "sentencepiece.bpe.model", "assets/v.spm"])
def test_a_large_model_of_sentencepiece_is_refused(tmp_path, name):
    with pytest.raises(UnsafeModel, match="it has more than 1 MiB"):
        check(tmp_path, name, "a" * ((1 << 20) + 1))


def test_a_large_model_of_sentencepiece_in_letters_is_refused(tmp_path):
    with pytest.raises(UnsafeModel, match="a text of more than 1 MiB"):
        check(tmp_path, "tokenizer.json", {"config": {"proto": "a" * ((1 << 20) + 1)}})


def test_as_many_words_and_merges_as_are_allowed_are_taken(tmp_path):
    check(tmp_path, "tokenizer.json", {"model": {"vocab": FEW, "merges": PAIRS}})
    check(tmp_path, "vocab.json", FEW)
    check(tmp_path, "merges.txt", "a b\n" * MOST)
