"""What looks like a slip is said: folders called nearly like splits, semicolons, `nan`, ids."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import headstart as hs
from conftest import draw
from headstart.errors import DatasetError, HeadstartError
from headstart.notices import DifferingCopies, FewSamples, HeadstartNote, HeadstartWarning


def folders(root, *names, count=8):
    for place, name in enumerate(names):
        for number in range(count):
            draw(root / name / f"{number}.png", 100 * place + number, (8, 8), tint=place)
    return root


def table(path, rows, separator=","):
    path.write_text("\n".join(separator.join(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_folders_that_are_called_nearly_like_splits_are_named(ws, run, tmp_path):
    ran = run("dataset", "add", "d", folders(tmp_path / "d", "train_set", "test-images"))
    assert "test-images, train_set are taken for classes; where splits are meant, call" in ran.err
    assert "train_set train" in ran.err and "test-images test" in ran.err
    ran = run("dataset", "add", "e", folders(tmp_path / "e", "birds", "trainset"))
    assert "trainset is taken for a class; where splits are meant, call trainset train" in ran.err
    ran = run("dataset", "add", "f", folders(tmp_path / "f", "trains", "contest", "valley"))
    assert "taken for" not in ran.err


def test_a_class_called_nan_is_a_warning(ws, tmp_path):
    rows = [("text", "label"), *((f"word {n}", ("a", "b", "nan")[n % 3]) for n in range(24))]
    with pytest.warns(HeadstartWarning, match="8 samples are of a class called 'nan'"):
        ws.datasets.add("d", table(tmp_path / "t.csv", rows))


def test_a_label_of_its_own_for_each_sample_is_a_warning(ws, tmp_path):
    rows = [("text", "label"), *((f"word {n}", f"id{n}") for n in range(24))]
    with pytest.warns(FewSamples, match="24 labels on 24 samples are too many to be classes"):
        ws.datasets.add("d", table(tmp_path / "t.csv", rows))


def test_what_is_new_beside_the_splits_is_named_at_a_refresh(ws, run, tmp_path):
    root = folders(tmp_path / "d", "train/a", "train/b", "test/a", "test/b")
    (root / "notes.txt").write_text("mine")
    ran = run("dataset", "add", "d", root)
    assert "not used: file 'notes.txt'" in ran.err
    assert "not used" not in run("dataset", "refresh", "d").err
    folders(root, "extra")
    assert "not used, and new there: folder 'extra'" in run("dataset", "refresh", "d").err
    assert "not used" not in run("dataset", "refresh", "d").err
    shutil.rmtree(root / "extra")
    assert "not used" not in run("dataset", "refresh", "d").err


def test_a_layout_that_was_found_or_said_stays_when_it_is_split_another_way(ws, tmp_path):
    root = folders(tmp_path / "d", "train/a", "train/b", "test/a", "test/b", "other/a")
    for split in ("folders", "50/0/50"):
        with pytest.warns(HeadstartWarning, match="not used: folder 'other'"):
            assert ws.datasets.add("d", root, split=split).classes == ["a", "b"]


def test_unpooled_features_are_only_ranked_where_they_are_named(ready, run):
    ready.extract("net@relu,relu|gap,features", "pics")
    with pytest.warns(HeadstartNote, match=r"unpooled features are left out: net@relu; name"):
        ranks = ready.rank("pics", trying=hs.CrossValidation(folds=2))
    assert sorted(rank.cut for rank in ranks) == ["features", "relu|gap"]
    ranks = ready.rank("pics", ["net@relu"], trying=hs.CrossValidation(folds=2))
    assert [rank.cut for rank in ranks] == ["relu"]
    assert (
        "left out: net@relu" in run("head", "sweep", "pics", "--folds", "2", "--strengths", "1").err
    )


def test_sweeps_say_what_can_be_asked_of_them(ws):
    assert "find_all() lists the sweeps" in repr(ws.sweeps)


def test_an_empty_number_of_a_frame_is_told_by_its_column_and_row(ws):
    polars = pytest.importorskip("polars")
    numbers = {"a": [1.0, None, 3.0] * 8, "b": [1, 2, 3] * 8, "label": ["x", "y", "z"] * 8}
    with pytest.raises(
        DatasetError, match=r"^a polars\S*DataFrame\S*, row 1: a is None, not a num"
    ):
        ws.datasets.add("d", polars.DataFrame(numbers))


def test_copies_with_different_labels_are_counted_and_named(ws, tmp_path):
    folder = folders(tmp_path / "d", "cats", "dogs")
    for number in range(9):
        shutil.copy(folder / "cats" / "0.png", folder / "dogs" / f"copy {number} é.png")
    shutil.copy(folder / "cats" / "1.png", folder / "cats" / "copy.png")
    with pytest.warns(DifferingCopies, match="labels: 9, such as") as told:
        ws.datasets.add("d", folder)
    (line,) = (str(one.message) for one in told if "copies with" in str(one.message))
    assert "'dogs/copy 0 é.png' ('dogs') of 'cats/0.png' ('cats')" in line and line.endswith(", …")


def test_copies_with_different_labels_that_came_later_are_named_at_the_refresh(ws, run, tmp_path):
    folder = folders(tmp_path / "d", "cats", "dogs")
    ws.datasets.add("d", folder)
    shutil.copy(folder / "cats" / "0.png", folder / "dogs" / "copy.png")
    said = run("dataset", "refresh", "d").err
    assert "with different labels: 1, such as 'dogs/copy.png' ('dogs') of 'cats/0.png'" in said
    draw(folder / "cats" / "new.png", 77, (8, 8))
    assert "different labels" not in run("dataset", "refresh", "d").err  # that was said


@pytest.mark.filterwarnings("error::headstart.notices.DifferingCopies")
def test_copies_without_labels_or_with_numbers_are_nothing_to_say(ws):
    ws.datasets.add("d", ["same"] * 6)
    ws.datasets.add("e", ["same"] * 6 + ["other"] * 6, [0.5, 1.5, 2.5] * 4)
    ws.datasets.add("f", ["same", "same", "b", "c"], ["x", "x", "y", "y"])


@pytest.mark.parametrize("form", ["t.csv", "t.jsonl", "t.parquet"])
def test_rows_may_be_repeated_where_they_are_numbered(ws, tmp_path, fails, form):
    names = [str(draw(tmp_path / "p" / f"{n}.png", n, (8, 8))) for n in range(3)] * 2
    if form == "t.csv":
        table(tmp_path / form, [("path", "label"), *((name, "a") for name in names)])
    elif form == "t.jsonl":
        rows = (json.dumps({"path": name, "label": "a"}) for name in names)
        (tmp_path / form).write_text("\n".join(rows))
    else:
        columns = {"path": names, "label": ["a"] * 6}
        parquet.write_table(pa.table(columns), tmp_path / form)
    line = fails("dataset", "add", "d", tmp_path / form)
    assert "occurs 2 times" in line and "--id-column none numbers the rows" in line
    ws.datasets.add("d", tmp_path / form, id_column="none")
    assert [one.id for one in ws.datasets.manifest("d").samples] == list("012345")
    assert ws.datasets.get("d").unique == 3


def test_a_column_that_is_called_none_is_that_column(ws, tmp_path):
    table(tmp_path / "t.csv", [("none", "text", "label"), ("x", "a", "p"), ("y", "b", "q")])
    ws.datasets.add("d", tmp_path / "t.csv", id_column="none")
    assert [one.id for one in ws.datasets.manifest("d").samples] == ["x", "y"]


def test_what_is_told_of_data_in_memory_names_the_data(ws, recwarn):
    frame = pa.table({"text": ["a", "b", "c"], "label": ["x", "y", "z"], "other": [1, 2, 3]})
    ws.datasets.add("d", frame)
    told = [str(one.message) for one in recwarn]
    assert "a pyarrow.Table: not used: column 'other'" in told
    assert told and not any("contents" in line for line in told), told
    recwarn.clear()
    ws.datasets.refresh("d")
    assert not any("contents" in str(one.message) for one in recwarn)


def test_windows_are_not_cut_of_several_arrays(ws):
    data = {"p": np.zeros((4, 10)), "q": np.zeros((4, 10))}
    with pytest.raises(DatasetError, match="several arrays, p, q; windows are cut of one"):
        ws.datasets.add("d", data, window="4")


def test_samples_of_which_none_can_be_read_say_why(ready, run, tmp_path):
    rows = [("text", "label"), *((f"word {n}", "ab"[n % 2]) for n in range(12))]
    ready.datasets.add("words", table(tmp_path / "t.csv", rows))
    for _ in range(2):
        told = run("extract", "net", "words", "--on-error", "skip")
        assert told.code == 1 and "none of the 12 samples of 'words' can be read" in told.err
        assert "it is a text, and the backbone takes pictures" in told.err


def test_arguments_in_each_others_place_are_told_so(ready, run, fails, tmp_path):
    features = ready.extract("net", "pics")
    with pytest.raises(HeadstartError, match=r"Give a text\. The order is name, features"):
        ready.heads.train(features, "h")
    with pytest.raises(HeadstartError, match=r"Give a text\. The order is name, source"):
        ready.datasets.add(tmp_path / "t.csv", "d")
    with pytest.raises(HeadstartError, match=r"names no backbone\. Are two arguments in"):
        ready.extract(ready.datasets.get("pics"), ready.backbones.get("net"))
    told = fails("dataset", "add", tmp_path / "t.csv", "mine")
    assert told.endswith(f"The name comes first: mine {tmp_path / 't.csv'}?")
    told = fails("head", "train", "net", "pics", "h")
    assert "'pics' is a dataset, where a backbone is wanted" in told


def test_several_names_of_columns_are_told_to_be_one_text(ws):
    frame = pa.table({"text": list("abcdefghijkl"), "lat": range(12), "lon": range(12)})
    with pytest.raises(DatasetError, match=r"label_column is \['lat', 'lon'\].* such as lat\+lon"):
        ws.datasets.add("d", frame, label_column=["lat", "lon"])
    ws.datasets.add("d", frame, label_column="lat+lon")
    assert ws.datasets.manifest("d").samples[3].label == "3|3"


def test_windows_are_called_so_in_one_line(ws, run, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 64, 2)).astype(np.float32), np.arange(12) % 2
    np.savez(tmp_path / "s.npz", x=x, y=y)
    with pytest.warns(HeadstartWarning):
        added = ws.datasets.add("d", tmp_path / "s.npz", window="16", hop="16")
    assert "48 windows" in repr(added)
    (row,) = run("dataset", "list", "--json").json
    assert (row["samples"], row["windows"]) == (48, True)
    assert " 48 windows " in run("dataset", "list").out
