"""What is printed of datasets: where splits come from, several labels, samples without one."""

import json

import numpy as np
import pytest

from conftest import draw


def table_of(tmp_path, rows, name="t.jsonl"):
    lines = []
    for number, row in enumerate(rows):
        draw(tmp_path / f"{number}.png", number, tint=number)
        lines.append(json.dumps({"path": f"{number}.png", **row}))
    (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / name


def rows_with(splits):
    return [{"label": "ab"[n % 2], "split": split} for n, split in enumerate(splits)]


def test_splits_that_a_column_says_are_not_called_stratified(ws, run, tmp_path):
    file = table_of(tmp_path, rows_with(["train"] * 12 + ["test"] * 12))
    shown = run("dataset", "add", "d", file).out
    assert "splits  as its source says\n" in shown and "stratified" not in shown
    assert "splits  as its source says\n" in run("dataset", "show", "d").out
    assert run("dataset", "refresh", "d").out.count("as its source says") == 1
    assert run("dataset", "show", "d", "--json").json["own_splits"] == "all"
    half = table_of(tmp_path, rows_with(["train"] * 12 + [""] * 12), "half.jsonl")
    shown = run("dataset", "add", "half", half).out
    assert "splits  as its source says; stratified where it says nothing\n" in shown
    shown = run("dataset", "add", "d", file, "--split", "column:split").out
    assert "splits  as the column 'split' says\n" in shown
    shown = run("dataset", "resplit", "d", "--split", "stratified").out
    assert "splits  stratified\n" in shown
    plain = table_of(tmp_path, [{"label": "ab"[n % 2]} for n in range(24)], "plain.jsonl")
    assert "splits  stratified\n" in run("dataset", "add", "plain", plain).out


def test_members_of_an_npz_say_splits_too(ws, run, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 4), np.float32), np.arange(40) % 2
    np.savez(tmp_path / "k.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    shown = run("dataset", "add", "k", tmp_path / "k.npz").out
    assert "splits  as its source says" in shown


def test_several_labels_are_announced_and_none_is_counted(ws, run, tmp_path):
    rows = [{"label": [["a", "b"], ["a"], []][n % 3]} for n in range(30)]
    ran = run("dataset", "add", "d", table_of(tmp_path, rows))
    assert (
        "10 of 30 samples have several labels, such as 'a|b', 10 have none; "
        "`head train --task multi-label` takes each by itself"
    ) in ran.err
    for shown in (ran.out, run("dataset", "show", "d").out):
        line = next(line for line in shown.splitlines() if line.startswith("without label"))
        assert line.split()[-1] == "10"
        assert next(one for one in shown.splitlines() if one.startswith("all")).split()[-1] == "30"


@pytest.mark.parametrize("labels", [["a", "b"], [0, 1], ["0.5", "1.5"]])
def test_one_label_a_sample_is_no_news(ws, run, tmp_path, labels):
    rows = [{"label": labels[n % 2]} for n in range(24)]
    assert "several labels" not in run("dataset", "add", "d", table_of(tmp_path, rows)).err


def test_heads_of_splits_that_are_no_more_are_marked_wherever_they_are_shown(ready, run, pictures):
    ready.heads.train("old", ready.extract("net", "pics"))
    for command in ("list", "show old", "predict old {}/red"):
        ran = run("head", *command.format(pictures).split())
        assert "void" not in ran.out and "dealt" not in ran.err
    assert not ready.heads.get("old").is_void
    assert run("dataset", "resplit", "pics", "--seed", "7").code == 0
    ready.heads.train("new", ready.extract("net", "pics"))
    listed = run("head", "list")
    assert "void: dealt again" in listed.out and "Train it again." in " ".join(listed.out.split())
    assert [(row["name"], row["void"]) for row in run("head", "list", "--json").json] == [
        ("new", False),
        ("old", True),
    ]
    shown = " ".join(run("head", "show", "old").out.split())
    assert "void the dataset was dealt to other splits since" in shown
    assert "void" not in run("head", "show", "new").out
    ran = run("head", "predict", "old", pictures / "red", "--json")
    assert "warning: pics was dealt to other splits since old was trained" in ran.err
    assert "dealt" not in run("head", "predict", "new", pictures / "red").err
    run("dataset", "refresh", "pics")
    run("dataset", "add", "pics", pictures)  # as it is
    assert ready.heads.get("old").is_void and not ready.heads.get("new").is_void
    run("dataset", "resplit", "pics", "--seed", "7")  # nothing moves
    assert not ready.heads.get("new").is_void
    ran = run("dataset", "add", "pics", pictures, "--split", "60/20/20")
    assert ready.heads.get("old").is_void and ready.heads.get("new").is_void


def test_numbers_are_shown_as_numbers_and_not_as_a_class_each(ws, run, tmp_path):
    rng = np.random.default_rng(0)
    y = rng.normal(50, 10, 40).round(2)
    np.savez(tmp_path / "n.npz", x=rng.random((40, 4), np.float32), y=y)
    shown = run("dataset", "add", "n", tmp_path / "n.npz").out
    for out in (shown, run("dataset", "show", "n").out):
        lines = [line.split() for line in out.splitlines()]
        assert ["labels", "n", "least", "median", "largest"] in lines
        (train,) = [line for line in lines if line[:1] == ["train"]]
        of = [s.split == "train" for s in ws.context.manifest(ws.datasets.get("n")).samples]
        own = np.array([float(s.label) for s in ws.context.manifest(ws.datasets.get("n")).samples])
        own = own[of]
        assert [float(one) for one in train[1:]] == pytest.approx(
            [len(own), own.min(), np.median(own), own.max()], rel=1e-5
        )
        assert len(out.splitlines()) < 10  # 40 rows of one sample each, before


def test_several_numbers_have_a_line_each(ws, run, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "n.npz", x=rng.random((40, 4), np.float32), y=rng.random((40, 2)))
    shown = run("dataset", "add", "n", tmp_path / "n.npz").out
    assert "train, number 1" in shown and "test, number 2" in shown


def test_whole_numbers_that_look_like_quantities_are_pointed_out(ws, run, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.random((200, 4), np.float32)
    np.savez(tmp_path / "age.npz", x=x, y=rng.integers(18, 90, 200))
    ran = run("dataset", "add", "age", tmp_path / "age.npz")
    assert "whole numbers from 18 to 89: if they are quantities, and no classes" in ran.err
    np.savez(tmp_path / "digit.npz", x=x, y=np.arange(200) % 10)
    assert "whole numbers" not in run("dataset", "add", "digit", tmp_path / "digit.npz").err
