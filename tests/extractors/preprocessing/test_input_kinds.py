"""Texts, sounds, tables and several inputs: from real files to features, against plain Keras."""

import csv
import json
import sys

import numpy as np
import pytest
import tokenizers
from waves import sine

import headstart as hs
from conftest import keras
from headstart.backbone_model import pipeline_of
from headstart.errors import PreprocessingError
from headstart.extractors.preprocessing.defaults import for_input

layers = keras.layers
TOLERANCE = 1e-5
WORDS = ["the", "cat", "sat", "on", "mat", "dog", "ran", "far", "day", "sun", ".", "bird", "sang"]


@pytest.fixture
def texts(tmp_path):
    """A CSV of 36 short texts of two classes, with commas, quotes and other scripts in them."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(36):
        words = rng.choice(WORDS[: 6 + number % 2 * 7], 5)
        text = " ".join(words[: 1 + number % 5])
        ending = f', "{number}" Straße 犬' if number % 3 else f" {number}"
        rows.append((text + ending, "ab"[number % 2]))
    with (tmp_path / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    return tmp_path / "texts.csv", [text for text, _ in rows]


@pytest.fixture
def vocabulary(tmp_path):
    file = tmp_path / "vocab.txt"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ",", '"', "##s", "str"]
    file.write_text("\n".join([*pieces, *map(str, range(10)), *(f"##{n}" for n in range(10))]))
    return file


def sequence_model(mask_zero=True, dtype="int32", name="tokens"):
    keras.utils.set_random_seed(0)
    tokens = keras.Input((12,), dtype=dtype, name=name)
    x = layers.Embedding(60, 6, mask_zero=mask_zero, name="words")(tokens)
    x = layers.LSTM(5, return_sequences=True, name="steps")(x)
    pooled = layers.LSTM(4, name="lstm")(x)
    return keras.Model(tokens, layers.Dense(2, activation="softmax", name="out")(pooled))


def bert_like():
    """Ids, mask and types; the mask is an input, not one that Keras carries."""
    keras.utils.set_random_seed(0)
    ids, mask, types = (
        keras.Input((12,), dtype="int32", name=name)
        for name in ("token_ids", "padding_mask", "segment_ids")
    )
    x = layers.Embedding(60, 6)(ids) + layers.Embedding(2, 6)(types)
    allowed = layers.Reshape((1, 12))(mask)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x, attention_mask=allowed)
    x = layers.LayerNormalization(name="sequence")(x)
    out = layers.Dense(2, name="out")(layers.GlobalAveragePooling1D(name="average")(x))
    return keras.Model([ids, mask, types], out)


def test_texts_are_tokenized_by_the_kept_library(ws, texts, vocabulary):
    file, rows = texts
    model = bert_like()
    backbone = ws.backbones.add("bert", model, preprocess=str(vocabulary))
    (step,) = backbone.preprocessing["steps"]
    assert step["outputs"] == {
        "token_ids": "ids",
        "padding_mask": "mask",
        "segment_ids": "types",
    }
    assert step["length"] == 12
    ws.datasets.add("texts", file)
    view = ws.extract("bert@sequence|mean", "texts")
    tokenizer = tokenizers.BertWordPieceTokenizer(str(vocabulary), lowercase=True)
    tokenizer.enable_truncation(12)
    tokenizer.enable_padding(length=12)
    encoded = [tokenizer.encode(text) for text in rows]
    ids = np.array([e.ids for e in encoded], np.int32)
    mask = np.array([e.attention_mask for e in encoded], np.int32)
    assert {0, 1} == set(mask.ravel())
    by_hand = keras.Model(model.inputs, model.get_layer("sequence").output)
    sequence = np.asarray(by_hand([ids, mask, np.zeros_like(ids)]))
    mean = (sequence * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(view.to_numpy(), mean, atol=TOLERANCE)
    assert [check for check in ws.backbones.verify("bert", dataset="texts") if not check.ok] == []


def test_the_tokenizer_lies_in_the_workspace_and_is_part_of_the_key(ws, texts, vocabulary):
    file, _ = texts
    ws.datasets.add("texts", file)
    ws.backbones.add("one", bert_like(), preprocess=str(vocabulary))
    first = ws.extract("one", "texts")
    vocabulary.write_text(vocabulary.read_text().replace("cat", "tac"))
    ws.backbones.add("two", bert_like(), preprocess=str(vocabulary))
    second = ws.extract("two", "texts")
    assert first.key != second.key
    vocabulary.unlink()
    assert ws.extract("one", "texts").report.computed == 0
    np.testing.assert_array_equal(ws.features("one", "texts").to_numpy(), first.to_numpy())


def test_a_byte_level_bpe_is_taken_from_a_pipeline_file(ws, texts, tmp_path):
    file, rows = texts
    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(rows, vocab_size=300)
    bpe.save_model(str(tmp_path))
    (tmp_path / "p.toml").write_text(
        """
        [[steps]]
        step = "tokenize"
        file = "vocab.json"
        merges = "merges.txt"
        length = 12
        outputs = { tokens = "ids" }
        """
    )
    model = keras.Sequential(
        [keras.Input((12,), dtype="int32", name="tokens"), layers.Embedding(300, 3), layers.GRU(4)]
    )
    ws.backbones.add("gru", model, preprocess=str(tmp_path / "p.toml"))
    ws.datasets.add("texts", file)
    view = ws.extract("gru", "texts")
    bpe.enable_truncation(12)
    bpe.enable_padding(length=12)
    ids = np.array([bpe.encode(text).ids for text in rows], np.int32)
    np.testing.assert_allclose(view.to_numpy(), model(ids), atol=TOLERANCE)


def test_a_text_vectorization_outside_of_the_model_is_recorded(ws, texts, tmp_path):
    file, rows = texts
    layer = layers.TextVectorization(output_sequence_length=12)
    layer.adapt(rows)
    (tmp_path / "words.txt").write_text("\n".join(layer.get_vocabulary()[2:]), encoding="utf-8")
    (tmp_path / "p.toml").write_text(
        '[[steps]]\nstep = "vectorize"\nfile = "words.txt"\nlength = 12\n'
    )
    model = sequence_model()
    ws.backbones.add("lstm", model, preprocess=str(tmp_path / "p.toml"))
    ws.datasets.add("texts", file)
    by_hand = keras.Model(model.input, model.get_layer("lstm").output)
    np.testing.assert_allclose(
        ws.extract("lstm", "texts").to_numpy(), by_hand(layer(rows)), atol=TOLERANCE
    )


def test_a_text_vectorization_inside_of_the_model_takes_texts(ws, texts, tmp_path):
    file, rows = texts
    layer = layers.TextVectorization(output_sequence_length=12, name="vectorize")
    layer.adapt(rows)
    text = keras.Input((1,), dtype="string", name="text")
    x = layers.Embedding(60, 6, mask_zero=True)(layer(text))
    x = layers.LSTM(4, name="lstm")(x)
    model = keras.Model(text, layers.Dense(2, name="out")(x))
    model.save(tmp_path / "inside.keras")
    backbone = ws.backbones.add("inside", tmp_path / "inside.keras")
    assert backbone.preprocessing["steps"] == [{"step": "text", "version": 1, "axes": 1}]
    ws.datasets.add("texts", file)
    by_hand = keras.Model(text, model.get_layer("lstm").output)
    given = keras.ops.convert_to_tensor([[row] for row in rows])
    view = ws.extract("inside", "texts")
    np.testing.assert_allclose(view.to_numpy(), by_hand(given), atol=TOLERANCE)
    assert [check for check in ws.backbones.verify("inside") if not check.ok] == []


def test_a_folder_of_texts_and_a_json_lines_file_give_the_same_features(ws, texts, tmp_path):
    file, rows = texts
    layer = layers.TextVectorization(output_sequence_length=12)
    layer.adapt(rows)
    text = keras.Input((), dtype="string", name="text")
    ws.backbones.add(
        "words", keras.Model(text, layers.Dense(3)(keras.ops.cast(layer(text), "float32")))
    )
    for number, row in enumerate(rows):
        place = tmp_path / "folder" / "ab"[number % 2] / f"{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(row, encoding="utf-8")
    lines = [json.dumps({"body": row, "label": "ab"[n % 2]}) for n, row in enumerate(rows)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines), encoding="utf-8")
    ws.datasets.add("csv", file)
    ws.datasets.add("jsonl", tmp_path / "t.jsonl", text_column="body")
    ws.datasets.add("folder", tmp_path / "folder")
    assert ws.extract("words", "csv").report.computed == 36
    assert ws.extract("words", "jsonl").report.computed == 0  # the same texts, so the same digests
    assert ws.extract("words", "folder").report.computed == 0


def test_a_text_that_is_not_utf_8_is_named(ws, fails, tmp_path):
    text = keras.Input((), dtype="string", name="text")
    model = keras.Model(
        text,
        layers.Dense(2)(layers.TextVectorization(output_sequence_length=3, vocabulary=["a"])(text)),
    )
    ws.backbones.add("words", model)
    for name in "ab":
        (tmp_path / "folder" / name).mkdir(parents=True)
        (tmp_path / "folder" / name / "1.txt").write_bytes(b"a \xff" if name == "b" else b"a")
    ws.datasets.add("folder", tmp_path / "folder")
    message = fails("extract", "words", "folder")
    assert "b/1.txt" in message
    assert "not UTF-8 text (invalid start byte at byte 2)" in message


def test_a_head_predicts_texts_as_its_attached_model_does(ws, run, texts, vocabulary, tmp_path):
    file, rows = texts
    ws.backbones.add("bert", bert_like(), preprocess=str(vocabulary))
    ws.datasets.add("texts", file)
    head = ws.heads.train("kind", ws.extract("bert", "texts"), hs.Linear())
    attached = head.attach(tmp_path / "attached.keras")
    new = [*rows[:3], "a text that nobody has seen"]
    for number, row in enumerate(new):
        (tmp_path / f"{number}.txt").write_text(row, encoding="utf-8")
    said = head.predict(tmp_path / f"{number}.txt" for number in range(4))
    pipeline = pipeline_of(ws.context, ws.backbones.get("bert"))
    prepared = [pipeline.prepare(row.encode()) for row in new]
    batch = {name: np.stack([p[name] for p in prepared]) for name in prepared[0]}
    probabilities = attached.predict(batch, verbose=0)
    assert [p.label for p in said] == ["ab"[row.argmax()] for row in probabilities]
    np.testing.assert_allclose([p.probability for p in said], probabilities.max(axis=1), atol=1e-4)


def test_a_head_predicts_the_rows_of_a_table(ws, run, texts, vocabulary):
    file, rows = texts
    ws.backbones.add("bert", bert_like(), preprocess=str(vocabulary))
    ws.datasets.add("texts", file)
    head = ws.heads.train("kind", ws.extract("bert", "texts"), hs.Linear())
    said = head.predict([file])
    assert [p.name for p in said] == [f"{file}[{number}]" for number in range(len(rows))]
    unlabelled = file.with_name("new.csv")
    unlabelled.write_text("text\nthe cat sat\n")
    assert run("head", "predict", "kind", unlabelled).code == 0


def test_the_columns_of_numbers_of_a_table_are_a_sample(ws, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 3)).round(3)
    lines = ["age,height,weight,label"]
    lines += [f"{a},{b},{c},{'xy'[n % 2]}" for n, (a, b, c) in enumerate(values)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    x = keras.Input((3,), name="x")
    model = keras.Model(x, layers.Dense(2, name="out")(layers.Dense(4, name="hidden")(x)))
    ws.backbones.add("net", model)
    ws.datasets.add("table", tmp_path / "table.csv")
    hidden = keras.Model(x, model.get_layer("hidden").output)
    np.testing.assert_allclose(
        ws.extract("net", "table").to_numpy(), hidden(values.astype("float32")), atol=TOLERANCE
    )


def test_a_picture_and_numbers_together_are_a_sample(ws, run, tmp_path, pictures):
    files = sorted(pictures.rglob("*.*"))
    rows = [(f.relative_to(tmp_path), n / 10, n % 3, f.parent.name) for n, f in enumerate(files)]
    with (tmp_path / "both.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("photo", "age", "size", "label"), *rows])
    image, table = keras.Input((12, 12, 3), name="image"), keras.Input((2,), name="table")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name="conv")(image))
    both = layers.Concatenate(name="both")([x, layers.Dense(3, name="dense")(table)])
    model = keras.Model([image, table], layers.Dense(2, name="out")(both))
    ws.backbones.add("both", model, preprocess="unit")
    added = run(
        "dataset",
        "add",
        "both",
        tmp_path / "both.csv",
        "--value",
        "image=path:photo",
        "--value",
        "table=number:age+size",
    )
    assert added.code == 0, added.err
    view = ws.extract("both", "both")
    pixels = np.stack(
        [for_input((12, 12, 3), "float32", "unit").prepare(f.read_bytes()) for f in files]
    )
    numbers = np.array([[row[1], row[2]] for row in rows], np.float32)
    by_hand = keras.Model(model.inputs, model.get_layer("both").output)
    np.testing.assert_allclose(view.to_numpy(), by_hand([pixels, numbers]), atol=TOLERANCE)
    draw = ws.datasets.manifest("both").samples
    files[0].write_bytes(files[1].read_bytes())
    assert "has changed" in str(ws.datasets.refresh("both")) or (
        ws.datasets.manifest("both").samples[0].digest != draw[0].digest
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("body", "a value is [NAME=]KIND:COLUMN, received 'body'"),
        ("words:text", "a value is [NAME=]KIND:COLUMN"),
        ("text:text+label", "names several columns"),
        ("text:txet", "has no column 'txet'; its columns are text, label. Did you mean 'text'"),
        ("number:text", "text is"),
    ],
)
def test_a_wrong_value_is_explained(ws, fails, texts, value, message):
    file, _ = texts
    assert message in fails("dataset", "add", "d", file, "--value", value)


def test_several_values_want_names(ws, fails, texts):
    file, _ = texts
    message = fails("dataset", "add", "d", file, "--value", "text:text", "--value", "text:label")
    assert "need a name each" in message


@pytest.mark.parametrize(
    ("name", "content"), [("vocab.txt", None), ("tokenizer.json", b'{"model": 3}')]
)
def test_a_tokenizer_that_cannot_be_read_is_explained(ws, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PreprocessingError, match=name):
        ws.backbones.add("net", sequence_model(), preprocess=str(tmp_path / name))
    assert ws.backbones.list() == []


def test_an_array_where_a_text_is_wanted_is_explained(ws, fails, tmp_path, vocabulary):
    ws.backbones.add("net", sequence_model(), preprocess=str(vocabulary))
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 12), np.int32), y=[0, 1, 0, 1])
    ws.datasets.add("a", tmp_path / "a.npz")
    assert "takes texts, the dataset holds arrays" in fails("extract", "net", "a")


@pytest.mark.parametrize(
    ("package", "extra", "preprocess"),
    [("tokenizers", "text", "vocab.txt"), ("soundfile", "audio", "audio:8000")],
)
def test_without_a_package_the_error_says_what_to_install(
    ws, fails, tmp_path, vocabulary, monkeypatch, package, extra, preprocess
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(tmp_path)
    if extra == "audio":
        wave = keras.Input((40,), name="wave")
        ws.backbones.add("net", keras.Model(wave, layers.Dense(2)(wave)), preprocess=preprocess)
        (tmp_path / "s" / "a").mkdir(parents=True)
        sine(tmp_path / "s" / "a" / "1.wav", 0.1, 8000, 1, 200)
        ws.datasets.add("s", tmp_path / "s")
        message = fails("extract", "net", "s")
    else:
        sequence_model().save(tmp_path / "net.keras")
        message = fails("backbone", "add", "net", "net.keras", "--preprocess", preprocess)
    assert f"pip install 'headstart[{extra}]'" in message


def test_doctor_misses_a_tokenizer_that_was_lost(ws, run, vocabulary):
    ws.backbones.add("net", sequence_model(), preprocess=str(vocabulary))
    assert run("doctor").code == 0
    before = set(ws.config.artifacts.rglob("*.part"))
    text = {part for part in before if b"[UNK]" in part.read_bytes()}
    (part,) = text  # the others are of the trunk that was converted
    part.unlink()
    ran = run("doctor")
    assert ran.code == 1
    assert "missing: net" in ran.out


@pytest.mark.parametrize(
    "name",
    [
        "whole.keras",
        "whole.onnx",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("whole", "whole.tflite")),
    ],
)
def test_a_model_of_several_inputs_is_shipped_in_every_format(
    ws, texts, vocabulary, tmp_path, name
):
    """Tokens and their mask go in by name; the file's own runtime must give the cached path."""
    file, _ = texts
    ws.backbones.add("bert", bert_like(), preprocess=str(vocabulary))
    ws.datasets.add("texts", file)
    head = ws.heads.train("kind", ws.extract("bert", "texts"), hs.Linear((1.0,)))
    _, difference = head.attach_checked(tmp_path / name)
    assert difference < 1e-5
    assert (tmp_path / name).exists()


def test_a_format_that_cannot_do_what_a_model_does_is_refused(ws, tmp_path, fails):
    """LiteRT's own runtime has no lists of tensors, which Keras' LSTM becomes."""
    sequence_model().save(tmp_path / "lstm.keras")
    ws.backbones.add("lstm", tmp_path / "lstm.keras", preprocess="array")
    x = np.random.default_rng(0).integers(1, 60, (40, 12)).astype("int32")
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(40) % 2)
    ws.datasets.add("d", tmp_path / "d.npz")
    ws.heads.train("h", ws.extract("lstm", "d"), hs.Linear((1.0,)))
    line = fails("head", "attach", "h", "-o", tmp_path / "h.tflite")
    assert "cannot be shipped as litert" in line and "Save it as .keras" in line
    assert not list(tmp_path.glob("*h.tflite*")) and not (tmp_path / "h.json").exists()
    assert ws.heads.get("h").attach_checked(tmp_path / "h.onnx")[1] < 1e-5
