"""Data in memory are datasets: written once, found again, named where they are none."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

import headstart as hs
from headstart.errors import AlreadyExists, DatasetError
from headstart.extractors.datasets.memory.adapter import as_source
from headstart.extractors.datasets.memory.pictures import encoded
from headstart.notices import HeadstartNote, HeadstartWarning
from headstart.storage.contents import Contents
from headstart.storage.keys import digest_of

X, Y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2


def labels_in(ws, name):
    return [one.label for one in ws.datasets.manifest(name).samples]


def splits_in(ws, name):
    return [one.split for one in ws.datasets.manifest(name).samples]


def read_all(ws, name):
    dataset = ws.datasets.get(name)
    from headstart.extractors.datasets import reader_of

    read = reader_of(dataset)
    return [read(sample) for sample in ws.datasets.manifest(name).samples]


@pytest.mark.parametrize("given", [(X, Y), ((X, Y),), (X.tolist(), Y.tolist())])
def test_arrays_and_their_labels(ws, given):
    added = ws.datasets.add("d", *given)
    assert (added.kind, added.samples, labels_in(ws, "d")) == ("arrays", 20, Y.tolist())
    assert np.stack(read_all(ws, "d")).tolist() == X.tolist()


def test_pairs_as_keras_datasets_gives_them_are_splits(ws):
    ws.datasets.add("d", ((X[:15], Y[:15]), (X[15:], Y[15:])))
    assert splits_in(ws, "d")[15:] == ["test"] * 5
    assert set(splits_in(ws, "d")[:15]) <= {"train", "validation"}
    texts = [f"text {number}" for number in range(20)]
    ws.datasets.add("t", ((texts[:15], Y[:15]), (texts[15:], Y[15:])))
    assert splits_in(ws, "t")[15:] == ["test"] * 5


def test_a_dict_of_arrays_is_of_several_inputs(ws):
    ws.datasets.add("d", {"left": X, "right": X + 1}, Y)
    assert read_all(ws, "d")[3]["right"].tolist() == (X[3] + 1).tolist()


def test_one_array_has_no_labels(ws):
    ws.datasets.add("d", X)
    assert labels_in(ws, "d") == [None] * 20


def test_pictures_are_kept_as_they_are(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (9, 8, 3)).astype(np.uint8)
    made = Image.fromarray(pixels)
    made.save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert encoded(opened) == (tmp_path / "a.jpg").read_bytes()
        opened.putpixel((0, 0), (1, 2, 3))  # now it is another picture
        content = encoded(opened)
        (tmp_path / "b.png").write_bytes(content)
        with Image.open(tmp_path / "b.png") as again:
            assert again.format == "PNG" and again.tobytes() == opened.tobytes()
    for mode in ("1", "L", "P", "RGBA", "CMYK", "F", "I;16"):
        picture = made.convert("L").convert("I;16") if mode == "I;16" else made.convert(mode)
        (tmp_path / "c").write_bytes(encoded(picture))
        with Image.open(tmp_path / "c") as again:
            assert np.array_equal(np.asarray(again), np.asarray(picture)), mode
    with pytest.raises(DatasetError, match=r"mode HSV.*convert\('RGB'\)"):
        encoded(made.convert("HSV"))


def test_texts_that_name_files_are_paths_which_must_be_said_where_only_some_do(ws, tmp_path):
    files = [tmp_path / f"{number}.txt" for number in range(4)]
    for file in files:
        file.write_text(f"text of {file.name}")
    ws.datasets.add("d", [str(file) for file in files], list("abab"))
    assert read_all(ws, "d")[1] == b"text of 1.txt"
    ws.datasets.add("t", ["one text", "two", "three", "four"], list("abab"))
    assert read_all(ws, "t")[1] == b"two"
    with pytest.raises(DatasetError, match=r"1 of 2 texts name files.*pathlib\.Path"):
        ws.datasets.add("n", [str(files[0]), "no file"], list("ab"))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_of_texts_and_of_numbers(ws, make):
    ws.datasets.add("t", make({"text": ["one", "two"] * 4, "label": ["a", "b"] * 4}))
    assert labels_in(ws, "t") == ["a", "b"] * 4 and read_all(ws, "t")[1] == b"two"
    numbers = make({"age": list(range(8)), "height": [1.5] * 8, "label": [0, 1] * 4})
    ws.datasets.add("n", numbers)
    assert read_all(ws, "n")[3].tolist() == [3, 1.5] and labels_in(ws, "n") == [0, 1] * 4


def test_categories_of_frames_are_labels(ws):
    texts, labels = ["one", "two"] * 2, list("abab")
    series = [
        pd.Series(pd.Categorical(labels)),
        pl.Series(labels, dtype=pl.Categorical),
        pl.Series(labels, dtype=pl.Enum(["a", "b"])),
    ]
    for number, one in enumerate(series):
        make = pd.DataFrame if number == 0 else pl.DataFrame
        ws.datasets.add(f"d{number}", make({"text": texts, "label": one}))
        assert labels_in(ws, f"d{number}") == labels


def test_a_row_that_is_no_sample_is_one_of_the_frame_and_can_be_skipped(ws):
    frame = pd.DataFrame({"text": ["one", "two", "three"], "label": [1, None, 2]})
    with pytest.raises(DatasetError, match=r"^a pandas\.DataFrame, row 1: no label"):
        ws.datasets.add("d", frame)
    with pytest.warns(HeadstartWarning, match="1 sample skipped"):
        ws.datasets.add("d", frame, on_error="skip")
    assert labels_in(ws, "d") == [1, 2]


def test_a_frame_with_labels_beside_it(ws):
    frame = pd.DataFrame({"age": range(8), "height": [1.5] * 8})
    ws.datasets.add("d", frame, pd.Series(list("abababab")))
    assert labels_in(ws, "d") == list("abababab")
    with pytest.raises(DatasetError, match=r"labels besides .* that has a column 'label'"):
        ws.datasets.add("e", frame.assign(label=1), list("abababab"))


def test_an_index_of_different_texts_is_the_ids_and_another_one_is_named(ws):
    columns = {"text": ["one", "two"] * 2, "label": list("abab")}
    with pytest.warns(HeadstartNote, match="the index .* is the samples' ids"):
        ws.datasets.add("d", pd.DataFrame(columns, index=list("pqrs")))
    assert [one.id for one in ws.datasets.manifest("d").samples] == list("pqrs")
    with pytest.warns(HeadstartWarning, match="not used: column '__index_level_0__': an index"):
        ws.datasets.add("e", pd.DataFrame(columns, index=list("pqrp")))


def test_relative_paths_in_a_frame_are_those_of_here(ws, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Path(f"{name}.txt").write_text(f"text {name}")
    ws.datasets.add("d", pl.DataFrame({"path": ["a.txt", "b.txt"], "label": ["x", "y"]}))
    monkeypatch.chdir("/")
    assert read_all(ws, "d") == [b"text a", b"text b"]


def test_a_generator_is_gone_through_once(ws):
    seen = []

    def pairs():
        for number in range(20):
            seen.append(number)
            yield X[number], "ab"[number % 2]

    ws.datasets.add("d", pairs())
    assert seen == list(range(20)) and labels_in(ws, "d") == list("ab") * 10
    assert np.stack(read_all(ws, "d")).tolist() == X.tolist()


def test_batches_of_tensorflow_are_taken_apart(ws):
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensor_slices((X, Y))
    ws.datasets.add("one", pairs)
    with pytest.warns(HeadstartNote, match="samples are taken out"):
        ws.datasets.add("batched", pairs.batch(8))
    one, batched = (ws.datasets.manifest(name).samples for name in ("one", "batched"))
    assert [s.digest for s in one] == [s.digest for s in batched] == [digest_of(row) for row in X]


def test_rows_of_zeros_and_ones_are_several_labels_also_of_texts(ws):
    rows = [[1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    ws.datasets.add("d", ["a", "b", "c", "d"], np.array(rows))
    assert labels_in(ws, "d") == ["0|2", "1", "2", "0|1"]
    ws.datasets.add("h", ["a", "b", "c", "d"], np.eye(4))
    assert labels_in(ws, "h") == [0, 1, 2, 3]
    ws.datasets.add("n", ["a", "b", "c", "d"], [["x", "y"], ["x"], ["y"], ["z"]])
    assert labels_in(ws, "n") == ["x|y", "x", "y", "z"]


WRONG = {
    "lengths": ((X, Y[:5]), "20 samples and 5 labels"),
    "ragged lists": (([[1, 2], [3]], [0, 1]), r"shapes in the list: \(2,\), \(1,\)"),
    "objects": ((np.array([[1], [1, 2]], object), [0, 1]), "different shapes in the array"),
    "a dict of labels": ((X, {"a": Y}), "a dict of 1 as labels"),
    "labels twice": (((X, Y), Y), "labels twice"),
    "labels in and beside": (({"x": X, "y": Y}, Y), "labels twice: 'y' and y"),
    "a lazy frame": ((pl.LazyFrame({"text": ["a"]}),), r"not computed yet. Give its .collect\(\)"),
    "a number": ((5,), "received int. Expected: arrays"),
    "a path with labels": (("photos", Y), "the path 'photos' with separate labels"),
    "a text": ((["a", 5], [0, 1]), r"sample 1 of type int, after others \(text\)"),
    "labels of several types": ((["a", "b"], ["x", 1]), "labels of several types: int, str"),
    "nothing": (([],), "a list of 0 without any sample"),
    "a text of labels": ((X, "labels"), "received str as labels"),
    "columns of several lengths": (({"text": ["a"], "label": [1, 2]},), "text 1, label 2"),
    "three": (((X, Y, X),), "a tuple of 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_dataset_is_named_with_what_is_expected(ws, name):
    given, message = WRONG[name]
    with pytest.raises(DatasetError, match=message) as error:
        ws.datasets.add("d", *given)
    assert len(str(error.value).splitlines()) == 1
    contents = ws.config.contents
    assert ws.datasets.list() == [] and not (contents.exists() and list(contents.iterdir()))


def test_the_same_again_is_the_same_file_and_other_data_take_their_place(ws):
    ws.datasets.add("d", X, Y)
    before = splits_in(ws, "d")
    assert ws.datasets.add("d", X, Y).source == ws.datasets.add("e", X, Y).source
    assert len(list(ws.config.contents.iterdir())) == 1
    more = np.concatenate([X, X + 100])
    with pytest.warns(HeadstartNote, match="'d' held other data before, 20 samples"):
        ws.datasets.add("d", more, np.concatenate([Y, Y]))
    assert splits_in(ws, "d")[:20] == before  # nothing tested on is trained on


def test_a_dataset_of_files_is_not_taken_for_data_in_memory(ws, tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    ws.datasets.add("d", tmp_path / "a.npz")
    with pytest.raises(AlreadyExists):
        ws.datasets.add("d", X, Y)


def test_a_workspace_that_was_moved_still_has_them(ws, tmp_path):
    ws.datasets.add("d", X, Y)
    ws.datasets.add("t", ["one", "two"] * 4, list("ab") * 4)
    ws.database.close()
    shutil.move(tmp_path / "zoo", tmp_path / "elsewhere")
    moved = hs.open(tmp_path / "elsewhere")
    assert moved.datasets.refresh("d").samples == 20
    assert np.stack(read_all(moved, "d")).tolist() == X.tolist()
    assert read_all(moved, "t")[0] == b"one"
    copied = tmp_path / "copied"
    shutil.copytree(tmp_path / "elsewhere", copied)
    shutil.rmtree(tmp_path / "elsewhere")
    assert hs.open(copied).datasets.refresh("d").source.startswith(str(copied))


def test_contents_that_no_dataset_needs_are_garbage(ws):
    import os
    import time

    ws.datasets.add("d", X, Y)
    ws.datasets.add("e", X + 1, Y)
    gone = Path(ws.datasets.remove("d").source)
    old = time.time() - 2 * 24 * 3600
    for path in ws.config.contents.iterdir():
        os.utime(path, (old, old))
    found = ws.cache.gc(apply=True).found
    assert [(one.kind, one.what) for one in found if one.kind == "content"] == [
        ("content", str(gone))
    ]
    assert not gone.exists() and len(read_all(ws, "e")) == 20


def test_what_gives_data_one_by_one_is_not_in_memory_as_a_whole(tmp_path):
    import tracemalloc

    def pictures():
        for number in range(400):
            yield bytes([number % 251]) * (1 << 18), "ab"[number % 2]

    tracemalloc.start()
    kept = as_source(pictures(), contents=Contents(tmp_path / "contents"))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.path.exists() and most < 48 << 20  # of 100 MiB


@pytest.mark.parametrize("make", [list, iter, lambda texts: (one for one in texts)])
@pytest.mark.parametrize("place", ["s3://b/{}.jpg", "https://h.org/{}.jpg", "{folder}/{}"])
def test_texts_that_are_all_addresses_or_paths_are_no_texts(ws, tmp_path, make, place):
    for name in "ab":
        (tmp_path / name).mkdir()
    texts = [place.format(name, folder=tmp_path) for name in "ab"]
    pairs = [(text, label) for text, label in zip(texts, "xy", strict=True)]
    given = (make(texts),) if make is not list else (texts, ["x", "y"])
    for data in (given, (make(pairs),)):
        with pytest.raises(DatasetError, match="2 texts that all are"):
            ws.datasets.add("d", *data)
    assert not list(ws.config.contents.glob("*"))
    assert ws.datasets.add("d", {"text": texts, "label": ["x", "y"]}).samples == 2
    assert ws.datasets.add("e", [f"{text} is a place" for text in texts], ["x", "y"]).samples == 2


def test_doctor_misses_contents_that_were_lost(ws, run):
    ws.datasets.add("kept", np.eye(4), [0, 1, 0, 1])
    assert run("doctor").code == 0
    (path,) = ws.config.contents.iterdir()
    path.unlink()
    ran = run("doctor")
    assert ran.code == 1 and "1 registered, missing: kept" in ran.out


def test_labels_with_an_index_stand_in_the_order_of_the_samples(ws):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": range(8), "b": range(8)})
    labels = pd.Series(list("xyxyxyxy"))
    turned = labels[::-1]
    with pytest.raises(DatasetError, match=r"labels whose index is not that of the samples"):
        ws.datasets.add("d", frame, turned)
    with pytest.warns(HeadstartWarning, match=r"their index \(7, 6, 5 …\) is not looked at"):
        ws.datasets.add("d", frame.to_numpy(), turned)
    ws.datasets.add("e", frame[::-1], turned)
    with warnings.catch_warnings():
        warnings.simplefilter("error", HeadstartWarning)
        ws.datasets.add("f", frame.to_numpy(), labels, split="none")
