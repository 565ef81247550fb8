"""Labels that are numbers are told as numbers, with their range."""

from dataclasses import replace

import numpy as np
import pytest

from headstart.extractors.datasets.labels import odd_among_numbers
from headstart.notices import HeadstartNote
from headstart.values.quantities import range_of


@pytest.mark.parametrize(
    ("labels", "samples", "told"),
    [
        (["0.5", "2", "-1"], 40, (-1.0, 2.0)),
        ([*map(str, range(30))], 40, (0.0, 29.0)),
        ([*map(str, range(30))], 60, None),
        ([*map(str, range(29))], 29, None),
        ([f"{n}.0" for n in range(30)], 500, (0.0, 29.0)),
        ([f"{n}.0" for n in range(30)], 600, None),  # classes, as pandas has them beside none
        ([f"{n}.0" for n in range(29)], 29, None),
        (["1.5", "cat"], 4, None),
        (["nan", "1.5"], 4, None),
        (["1|2.5"], 4, None),
        ([], 4, None),
    ],
)
def test_labels_are_numbers_or_classes(labels, samples, told):
    assert range_of(labels, samples) == told


@pytest.mark.parametrize("are_whole", [False, True])
def test_a_dataset_of_numbers_says_their_range_and_what_learns_them(ws, run, tmp_path, are_whole):
    y = np.arange(40) * (1 if are_whole else 0.25)
    np.savez(tmp_path / "ages.npz", x=np.ones((40, 3), np.float32) * y[:, None], y=y)
    ran = run("dataset", "add", "ages", tmp_path / "ages.npz")
    end = "39" if are_whole else "9.75"
    assert f"from 0 to {end}" in ran.err and "class" not in ran.out
    assert "headstart head train NAME BACKBONE ages --task regression" in ran.out
    assert f"numbers from 0 to {end}" in repr(ws.datasets.get("ages"))
    assert "numbers" in run("dataset", "list").out


@pytest.fixture
def ages(tmp_path):
    """A table of 120 rows and 40 ages, such as `25.0`."""
    path = tmp_path / "ages.csv"
    rows = [f"word {n},{20 + n % 40}.0" for n in range(120)]
    path.write_text("\n".join(["text,age", *rows]) + "\n")
    return path


def test_whole_numbers_with_a_point_are_dealt_out_by_chance_and_told_as_numbers(ws, run, ages):
    ran = run("dataset", "add", "ages", ages, "--label-column", "age")
    assert "labels are numbers from 20 to 59: `head train --task regression`" in ran.err
    assert "class" not in ran.out and "warning" not in ran.err
    assert ws.datasets.get("ages").options["deal"] == "hash"
    assert "numbers from 20 to 59" in repr(ws.datasets.get("ages"))


def test_such_a_dataset_that_was_dealt_out_by_class_stays_as_it_is(ws, ages):
    """Those of before, and whoever says that the numbers are classes."""
    ws.datasets.add("ages", ages, label_column="age", split="stratified")
    before = {one.id: one.split for one in ws.datasets.manifest("ages").samples}
    for options in ({}, {"split": None}):
        old = ws.datasets.get("ages")
        kept = {k: v for k, v in (old.options | options).items() if v is not None}
        ws.context.datasets.update(replace(old, options=kept), old)
        ages.write_text(ages.read_text() + "more,25.0\n")
        ws.datasets.refresh("ages")
        assert ws.datasets.get("ages").options["deal"] == "stratified"
        after = {one.id: one.split for one in ws.datasets.manifest("ages").samples}
        assert before.items() <= after.items()


@pytest.mark.parametrize("odd", ["1e400", "nan", "none"])
def test_one_label_that_is_no_number_among_numbers_is_named(ws, run, ages, odd):
    """It made classes of all others, without a word."""
    ages.write_text(ages.read_text() + f"more,{odd}\n")
    ran = run("dataset", "add", "ages", ages, "--label-column", "age")
    assert f"120 labels are numbers, and of '120' ({odd!r}) none is: fix" in ran.err
    assert ran.err.count("warning") == 1 and ws.datasets.get("ages").options["deal"] == "hash"


def test_classes_of_which_one_is_a_word_are_classes():
    assert odd_among_numbers([*map(str, range(9)), "other"] * 9) == []
    assert odd_among_numbers(["0.5", *["cat"] * 9]) == []


def test_a_slip_among_many_classes_that_have_a_point_is_a_new_class(ws, tmp_path):
    """With a sample each, as the different ones are, they would be numbers."""
    labels = np.repeat([f"{n}.0" for n in range(40)], 25)
    rows = [f"text {n},{label}" for n, label in enumerate(labels)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    ws.datasets.add("d", tmp_path / "t.csv")
    with pytest.warns(HeadstartNote, match="new classes: '310.0'"):
        ws.datasets.correct("d", {"0": "310.0"})
