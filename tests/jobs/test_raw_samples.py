"""A head predicts what people have in hand: paths, arrays, pictures, texts, frames, a dataset."""

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from conftest import keras
from headstart.errors import HeadError, HeadstartError, SampleUnreadable
from headstart.notices import HeadstartNote, HeadstartWarning


@pytest.fixture
def head(ready):
    return ready.heads.train("h", ready.extract("net", "pics"))


@pytest.fixture
def files(pictures) -> list[Path]:
    return sorted(pictures.glob("*/*.png"))[:4]


@pytest.fixture
def expected(head, files):
    return head.predict(files).probabilities


def same(predicted, expected):
    np.testing.assert_allclose(predicted.probabilities, expected, atol=1e-6)
    return predicted


def test_the_same_pictures_in_every_form_are_the_same_predictions(head, files, expected):
    arrays = [np.asarray(Image.open(file)) for file in files]
    assert same(head.predict([str(file) for file in files]), expected).ids == list(map(str, files))
    assert same(head.predict(iter(files)), expected).ids == list(map(str, files))
    assert same(head.predict(arrays), expected).ids == ["[0]", "[1]", "[2]", "[3]"]
    same(head.predict(np.stack(arrays)), expected)
    same(head.predict(arrays[0]), expected[:1])
    same(head.predict([Image.open(file) for file in files]), expected)
    same(head.predict(Image.open(files[0])), expected[:1])
    same(head.predict([file.read_bytes() for file in files]), expected)
    same(head.predict(files[0].read_bytes()), expected[:1])
    same(head.predict(pd.Series([str(file) for file in files])), expected)
    same(head.predict(pa.array([str(file) for file in files])), expected)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_of_paths_and_of_pictures(head, files, expected, make):
    frame = make({"id": list("abcd"), "image": [str(file) for file in files]})
    same(head.predict(frame), expected)
    frame = make({"id": list("abcd"), "image": [file.read_bytes() for file in files]})
    assert same(head.predict(frame), expected).ids == ["a", "b", "c", "d"]
    nested = [{"bytes": file.read_bytes(), "path": None} for file in files]
    with pytest.warns(HeadstartWarning, match="columns of the frame that are not used: other"):
        same(head.predict(make({"other": [1, 2, 3, 4], "image": nested})), expected)


def test_a_dataset_and_the_thing_itself(head, ready, pictures, monkeypatch):
    named = head.predict("pics")
    samples = ready.datasets.manifest("pics").samples
    assert named.ids == [sample.id for sample in samples]
    assert [one.split for one in named] == [sample.split for sample in samples]
    same(head.predict(ready.datasets["pics"]), named.probabilities)
    same(head.predict(["pics"]), named.probabilities)
    pictures.rename(pictures.with_name("moved"))
    (pictures.with_name("moved") / "red").rename(pictures.with_name("pics"))
    monkeypatch.chdir(pictures.parent)
    said = pytest.warns(HeadstartNote, match="pics is the registered dataset")
    with said, pytest.raises(HeadstartError, match="is gone"):
        head.predict("pics")
    assert len(head.predict("./pics")) == 12
    assert len(head.predict(Path("pics"))) == 12


def test_modes_of_pictures_are_those_of_files(head, files, tmp_path):
    for mode in ("1", "L", "P", "RGBA", "LA", "CMYK", "I;16"):
        picture = Image.open(files[0])
        picture = picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)
        file = tmp_path / f"p.{'tif' if mode == 'CMYK' else 'png'}"
        picture.save(file)
        np.testing.assert_allclose(
            head.predict(picture).probabilities, head.predict(file).probabilities, atol=1e-6
        )


def test_a_picture_is_turned_where_files_are(ready, pictures, model_file):
    ready.backbones.add("turned", model_file, preprocess="unit", orient="exif")
    head = ready.heads.train("t", ready.extract("turned", "pics"))
    picture = Image.open(next(pictures.glob("red/*.png")))
    exif = picture.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    picture.save(file, "PNG", exif=exif)
    turned = Image.open(io.BytesIO(file.getvalue()))
    np.testing.assert_allclose(
        head.predict(turned).probabilities, head.predict(file.getvalue()).probabilities, atol=1e-6
    )


def test_lists_of_several_kinds_are_refused_in_a_line(head, files):
    picture = Image.open(files[0])
    for mixed, words in (
        ([str(files[0]), picture], "sample 0 is a path or text, sample 1 is a picture"),
        ([picture, np.asarray(picture)], "sample 0 is a picture, sample 1 is an array"),
        ([np.asarray(picture), b"x"], "sample 0 is an array, sample 1 is the bytes of a file"),
    ):
        with pytest.raises(HeadError, match=words):
            head.predict(mixed)


@pytest.mark.parametrize("odd", [None, 3, 1.5, object(), [None], [3], [[]], {"a": 1}, {1: [2]}])
def test_what_is_no_sample_is_refused_in_a_line(head, odd):
    with pytest.raises(HeadError) as refused:
        head.predict(odd)
    assert "\n" not in str(refused.value) and refused.value.hint


def test_nothing_is_predicted_of_nothing(head):
    found = head.predict([])
    assert found == [] and found.probabilities.shape == (0, 3)
    assert found.to_arrow().num_rows == 0


def test_what_is_wrong_with_a_sample_names_it(head, files):
    with pytest.raises(SampleUnreadable, match=r"\[1\]: an array of shape"):
        head.predict([np.asarray(Image.open(files[0])), np.zeros((5, 5, 7), np.uint8)])
    found = head.predict([b"no picture", files[0].read_bytes()], on_error="skip")
    assert found.ids == ["[1]"] and found.skipped == ("[0]",)
    with pytest.raises(HeadError, match=r"on_error is 'skipp'. It can be fail or skip"):
        head.predict(files, on_error="skipp")


def test_predictions_are_tables(head, files):
    found = head.predict(files)
    table = found.to_arrow()
    assert table.column_names == ["name", "label", "probability", "p_blue", "p_green", "p_red"]
    assert found.classes == ("blue", "green", "red")
    frame = found.to_pandas()
    assert list(frame["label"]) == found.labels and list(frame["name"]) == found.ids
    np.testing.assert_allclose(frame[["p_blue", "p_green", "p_red"]], found.probabilities)
    np.testing.assert_allclose(frame["probability"], found.probabilities.max(axis=1))
    assert pickle.loads(pickle.dumps(found)).to_arrow() == table


def test_frames_need_pandas_which_is_said(head, files, ready, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for give in (head.predict(files), ready.heads, ready.heads.list()):
        with pytest.raises(HeadstartError, match="needs the package pandas, which is not inst"):
            give.to_pandas()


def test_collections_and_results_are_frames(head, ready):
    assert list(ready.heads.to_pandas()["name"]) == ["h"]
    assert list(ready.backbones.to_pandas()["name"]) == ["net"]
    assert list(ready.datasets.list().to_pandas()["samples"]) == [36]
    assert list(ready.rank("pics").to_pandas()["backbone"]) == ["net"]


def test_the_old_name_of_the_argument_works_and_warns(head, files, expected):
    with pytest.warns(DeprecationWarning, match="called samples now"):
        same(head.predict(paths=files), expected)


@pytest.fixture
def rows(ws, tmp_path):
    """A head on a network that takes three numbers."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    numbers = keras.Input((3,), name="numbers")
    x = layers.Dense(4, activation="relu", name="hidden")(numbers)
    keras.Model(numbers, layers.Dense(2, activation="softmax")(x)).save(tmp_path / "n.keras")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=(x[:, 0] > 0).astype(int))
    ws.backbones.add("net", tmp_path / "n.keras", preprocess="array")
    ws.datasets.add("d", tmp_path / "d.npz")
    return ws.heads.train("h", ws.extract("net", "d")), x


def test_numbers_as_arrays_lists_and_frames(rows, tmp_path):
    head, x = rows
    expected = head.predict(tmp_path / "d.npz").probabilities
    same(head.predict(x), expected)
    same(head.predict(x[0]), expected[:1])
    same(head.predict(x.tolist()), expected)
    columns = {name: x[:, n] for n, name in enumerate("abc")}
    same(head.predict(pd.DataFrame(columns)), expected)
    same(head.predict(pl.DataFrame(columns)), expected)
    with pytest.raises(HeadError, match=r"shape \(2, 2, 3\) is neither a sample nor several"):
        head.predict(np.zeros((2, 2, 3)))
    with pytest.raises(HeadError, match="the backbone takes numbers"):
        head.predict({"numbers": x})


def test_several_inputs_by_their_names(ws, tmp_path):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    one, two = keras.Input((3,), name="one"), keras.Input((2,), name="two")
    x = layers.Dense(4, name="hidden")(layers.Concatenate()([one, two]))
    keras.Model([one, two], layers.Dense(2)(x)).save(tmp_path / "n.keras")
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(60, n)).astype(np.float32) for n in (3, 2))
    np.savez(tmp_path / "d.npz", one=a, two=b, y=(a[:, 0] > 0).astype(int))
    ws.backbones.add("net", tmp_path / "n.keras", preprocess="array")
    ws.datasets.add("d", tmp_path / "d.npz")
    head = ws.heads.train("h", ws.extract("net", "d"))
    expected = head.predict("d").probabilities
    same(head.predict({"one": a, "two": b}), expected)
    with pytest.raises(HeadError, match="different numbers of samples"):
        head.predict({"one": a, "two": b[:3]})
    with pytest.raises(HeadError, match="the backbone takes one, two"):
        head.predict({"one": a})


def test_texts_are_texts_where_they_are_no_files(ws, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    vectorizer = layers.TextVectorization(output_sequence_length=4, name="words")
    texts = [f"{'good' if n % 2 else 'bad'} thing number {n}" for n in range(60)]
    vectorizer.adapt(texts)
    given = keras.Input((1,), dtype="string", name="text")
    x = layers.Embedding(90, 5, name="embedding")(vectorizer(given))
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    keras.Model(given, layers.Dense(2, activation="softmax")(x)).save(tmp_path / "t.keras")
    table = pd.DataFrame({"text": texts, "label": [text.split()[0] for text in texts]})
    table.to_csv(tmp_path / "d.csv", index=False)
    ws.backbones.add("net", tmp_path / "t.keras")
    ws.datasets.add("d", tmp_path / "d.csv")
    head = ws.heads.train("h", ws.extract("net", "d"))
    expected = head.predict("d").probabilities
    same(head.predict(texts), expected)
    same(head.predict(texts[0]), expected[:1])
    same(head.predict(np.array(texts)), expected)
    same(head.predict(table), expected)
    same(head.predict(table.rename(columns={"text": "said"})), expected)
    same(head.predict(tmp_path / "d.csv"), expected)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HeadError, match=r"'d\.csv' is there, 'good news' leads nowhere"):
        head.predict(["d.csv", "good news"])


def test_of_several_it_is_said_which_are_many(head, files, pictures, run, recwarn):
    folder = pictures / "red"
    told = [str(one.message) for one in recwarn if "are predicted" in str(one.message)]
    assert told == []
    with pytest.warns(HeadstartNote, match="red: its 12 samples are predicted, each for itself"):
        found = head.predict([files[0], folder])
    below = map(str, sorted(folder.iterdir()))
    assert [one.name for one in found] == [str(files[0]), *below]
    ran = run("head", "predict", head.record.name, files[0], folder)
    assert "note: " in ran.err and "red: its 12 samples are predicted" in ran.err
    ran = run("head", "predict", head.record.name, folder)
    assert "are predicted" not in ran.err
