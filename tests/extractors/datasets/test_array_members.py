"""What the members of an `.npz` are: samples of splits, labels, groups, or named as not used."""

import time
import zipfile
from collections import Counter

import numpy as np
import pytest

from headstart.errors import DatasetError
from headstart.extractors.datasets import open_source
from headstart.extractors.datasets.sources.array_members import members_of
from headstart.notices import HeadstartNote, HeadstartWarning
from headstart.storage.keys import digest_of


def keras_made(folder, **more):
    rng = np.random.default_rng(1)
    x = {"x_train": rng.normal(size=(80, 3)), "x_test": rng.normal(size=(20, 3))}
    y = {"y_train": np.arange(80)[:, None] % 2, "y_test": np.arange(20)[:, None] % 2}
    np.savez(folder / "k.npz", **x, **y, **more)
    return folder / "k.npz", x


def of(ws, name="d"):
    return ws.datasets.manifest(name).samples


def test_the_test_rows_of_an_npz_of_keras_make_are_its_test_split(ws, tmp_path):
    path, x = keras_made(tmp_path)
    with pytest.warns(HeadstartNote, match="x_train, x_test are its splits.*out of x_train"):
        dataset = ws.datasets.add("d", path)
    assert (dataset.samples, dataset.classes) == (100, ["0", "1"])
    samples = of(ws)
    tested = [s for s in samples if s.split == "test"]
    assert [s.digest for s in tested] == [digest_of(row) for row in x["x_test"]]
    assert [s.id for s in tested] == [f"test/{n}" for n in range(20)]
    assert [s.label for s in tested] == [n % 2 for n in range(20)]
    counts = Counter(s.split for s in samples)
    assert counts["train"] + counts["validation"] == 80 and 3 <= counts["validation"] <= 17
    read = ws.context.datasets.get("d")
    from headstart.extractors.datasets import reader_of

    np.testing.assert_array_equal(reader_of(read)(samples[85]), x["x_test"][5])


def test_validation_rows_are_not_dealt_out_where_there_are_some(ws, tmp_path):
    path, _ = keras_made(tmp_path, x_val=np.eye(3), y_val=[0, 1, 1])
    ws.datasets.add("d", path)
    assert Counter(s.split for s in of(ws)) == {"train": 80, "validation": 3, "test": 20}


@pytest.mark.parametrize(
    "names",
    [
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_Training", "Y_Training", "X_eval", "y_eval"),
    ],
)
def test_members_of_splits_have_several_usual_names(ws, tmp_path, names):
    x, y = np.eye(6), np.arange(6) % 2
    np.savez(tmp_path / "m.npz", **dict(zip(names, (x, y, x + 1, y), strict=True)))
    ws.datasets.add("d", tmp_path / "m.npz")
    assert Counter(s.split == "test" for s in of(ws)) == {True: 6, False: 6}


def test_rows_of_a_split_without_labels_are_named_as_not_used(ws, tmp_path):
    np.savez(tmp_path / "k.npz", x_train=np.eye(6), y_train=np.arange(6) % 2, x_test=np.eye(6) + 1)
    with pytest.warns(HeadstartWarning, match=r"not used: array 'x_test' \(without labels\)$"):
        ws.datasets.add("d", tmp_path / "k.npz")
    assert ws.datasets.get("d").samples == 6


def test_rows_of_one_split_alone_are_dealt_out_which_is_said(ws, tmp_path):
    np.savez(tmp_path / "k.npz", x_train=np.eye(60), y_train=np.arange(60) % 2)
    with pytest.warns(HeadstartNote, match="x_train is there alone, and dealt out"):
        ws.datasets.add("d", tmp_path / "k.npz")
    assert set(Counter(s.split for s in of(ws))) == {"train", "validation", "test"}


def test_splits_of_members_are_left_alone_where_they_are_to_be_dealt_out(ws, tmp_path):
    path, _ = keras_made(tmp_path)
    ws.datasets.add("d", path, split="hash")
    assert 0 < Counter(s.split for s in of(ws))["test"] != 20


def test_splits_of_members_with_rows_that_do_not_fit_are_refused(ws, tmp_path):
    np.savez(
        tmp_path / "k.npz", x_train=np.eye(3), y_train=[0, 1], x_test=np.eye(3), y_test=[0, 1, 0]
    )
    with pytest.raises(DatasetError, match=r"x_train has 3 rows, y_train 2"):
        ws.datasets.add("d", tmp_path / "k.npz")


def test_groups_in_an_npz_stand_in_one_split(ws, tmp_path):
    groups = np.repeat(np.arange(20), 5)
    np.savez(
        tmp_path / "g.npz", x=np.arange(300.0).reshape(100, 3), y=np.arange(100) % 2, groups=groups
    )
    ws.datasets.add("d", tmp_path / "g.npz")
    splits = {}
    for sample in of(ws):
        splits.setdefault(sample.group, set()).add(sample.split)
    assert len(splits) == 20 and all(len(found) == 1 for found in splits.values())


def test_the_split_of_an_npz_is_used_and_weights_are_named(ws, tmp_path):
    np.savez(
        tmp_path / "s.npz",
        left=np.eye(4),
        right=np.eye(4),
        y=[0, 1, 0, 1],
        split=["train", "Training", "eval", "dev"],
        sample_weight=np.ones(4),
    )
    named = r"not used: array 'sample_weight' \(--weight-column .*\)$"
    with pytest.warns(HeadstartWarning, match=named):
        ws.datasets.add("d", tmp_path / "s.npz")
    assert [s.split for s in of(ws)] == ["train", "train", "test", "validation"]


def test_a_group_pattern_beside_groups_is_named(ws, tmp_path):
    np.savez(tmp_path / "g.npz", x=np.eye(4), y=[0, 1, 0, 1], groups=[1, 1, 2, 2])
    with pytest.warns(HeadstartWarning, match="not used: option group_pattern$"):
        ws.datasets.add("d", tmp_path / "g.npz", group_pattern="[0-9]")
    assert [s.group for s in of(ws)] == ["1", "1", "2", "2"]


def test_arrays_of_before_are_read_as_they_were(ws, tmp_path):
    from dataclasses import replace

    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[0, 1, 0, 1], groups=[1, 1, 2, 2])
    ws.datasets.add("d", tmp_path / "a.npz")
    old = ws.datasets.get("d")
    ws.context.datasets.update(replace(old, options={}), old)
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[0, 1, 1, 1], groups=[1, 1, 2, 2])
    ws.datasets.refresh("d")
    assert [s.group for s in of(ws)] == [None] * 4


def test_an_array_that_may_be_another_input_is_said_to(ws, tmp_path):
    x = np.arange(24.0).reshape(8, 3)
    np.savez(tmp_path / "a.npz", features=x, meta=x[:, :2], notes=np.arange(3), y=np.arange(8) % 2)
    message = (
        r"not used: array 'meta' \(of 8 rows, too: if it is an input besides 'features', rename "
        r"that\), array 'notes'$"
    )
    with pytest.warns(HeadstartWarning, match=message):
        ws.datasets.add("d", tmp_path / "a.npz")


def test_labels_beside_the_file_never_make_its_own_labels_an_input(ws, tmp_path):
    given = np.random.default_rng(1).normal(size=(30, 3))
    np.savez(tmp_path / "k.npz", x_train=given, y_train=np.arange(30) % 2)
    np.save(tmp_path / "l.npy", np.arange(30) % 3)
    with pytest.warns(HeadstartWarning, match="not used: array 'y_train'"):
        ws.datasets.add("d", tmp_path / "k.npz", labels=str(tmp_path / "l.npy"))
    assert {sample.digest for sample in of(ws)} == {digest_of(row) for row in given}
    assert Counter(sample.label for sample in of(ws)) == {0: 10, 1: 10, 2: 10}


def test_an_array_of_objects_that_is_not_used_is_named_and_does_no_harm(ws, tmp_path):
    names = np.array([{"a": 1}, None, "b", "c"], dtype=object)
    np.savez(tmp_path / "m.npz", x=np.eye(4), y=[0, 1, 0, 1], names=names, more=np.arange(4))
    with pytest.warns(HeadstartWarning, match=r"not used: array 'names', array 'more' \(of 4"):
        assert ws.datasets.add("d", tmp_path / "m.npz").samples == 4


def test_what_is_not_used_is_not_read(tmp_path):
    """Such as members whose headers are none."""
    path = tmp_path / "m.npz"
    np.savez(path, x=np.eye(4), y=[0, 1, 0, 1])
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("notes.npy", b"these are no numbers")
        file.writestr("empty.npy", b"")
    source = open_source("arrays", str(path), {})
    assert len(list(source.scan())) == 4
    assert source.unused() == ["array 'notes'", "array 'empty'"]


def test_very_many_members_take_as_long_as_they_are_many():
    """Each was looked for in a list that was made anew for it: 60,000 took two minutes."""
    names = [f"x_train{number}" for number in range(60_000)]
    start = time.process_time()
    found = members_of(["a", "b", *names])
    assert len(found.inputs) == 60_002 and not found.unused
    assert time.process_time() - start < 10
