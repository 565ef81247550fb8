"""What looks like a slip is said: folders called nearly like splits, semicolons, `nan`, ids."""

import shutil

import pytest

import headstart as hs
from conftest import draw
from headstart.notices import FewSamples, HeadstartNote, HeadstartWarning


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


@pytest.mark.parametrize(("separator", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_table_with_another_delimiter_is_told_which(ws, fails, tmp_path, separator, word):
    rows = [("text", "label"), *((f"word {n}", "ab"[n % 2]) for n in range(12))]
    line = fails("dataset", "add", "d", table(tmp_path / "t.csv", rows, separator))
    assert f"its cells are parted by {word}" in line
    assert "Save it with commas" in line or "Call it .tsv" in line


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
