"""What stands on the screen is what is meant, and says what to do next."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs
from headstart.cli.cache import _calibration
from headstart.cli.console import Out
from headstart.cli.extract import loss_text
from headstart.cli.output import json_text
from headstart.cli.workspace.log import _changed
from headstart.errors import HeadError, RegistryError
from headstart.heads.models.export import write_checked
from headstart.registry.names import check_name

CUT = "flat@as_it_is"
VERDICT = {
    "samples": 90,
    "relative_error": 0.81,
    "mean_relative_error": 0.41,
    "accuracy": {"samples": 80, "int8": 0.5, "float32": 0.75},
}


def test_scores_of_all_splits_are_not_called_those_of_the_held_out_one(rows, run):
    rows.heads.train("h", rows.features(CUT, "rows"), hs.Linear((0.1,)))
    said = run("head", "evaluate", "h", "rows", "--split", "train").out
    assert "Each class on the train split of rows" in said
    assert "Confusion on the train split of rows" in said
    rows.datasets.exclude("rows", ["1"])
    said = run("head", "evaluate", "h", "rows", "--split", "all").out
    assert "Each class on all splits of rows" in said and "held-out" not in said


def test_the_log_has_a_line_for_each_change(rows, run):
    rows.datasets.exclude("noisy", ["1"])
    assert "\\x0a" not in run("log", "noisy").out
    assert _changed({"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 3, "c": 3}) == ("a 1 -> 2", "b 2 -> 3")


def test_an_unknown_object_of_the_log_is_named_with_what_may_be_meant(rows, run):
    assert "Nothing called 'noisi' is in the log. Did you mean 'noisy'?" in run("log", "noisi").out
    assert "leave filters out" in run("log", "noisy", "--action", "remove").out
    assert "alone lists all" in run("log", "qqqqqqqq").out


def test_which_letters_a_name_may_have_is_said():
    with pytest.raises(RegistryError, match=r"'ê' cannot name a head\. Use a to z, A to Z"):
        check_name("ê", "head")


def test_a_place_that_cannot_be_written_to_is_said_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "h.keras"
    with pytest.raises(HeadError) as caught:
        write_checked(None, target, np.zeros((1, 2)), lambda given: 0.0)
    assert str(caught.value).startswith(f"cannot write {target}: ")
    assert "Error" not in str(caught.value) and "Errno" not in str(caught.value)


def test_both_errors_of_int8_are_said_with_what_they_are_of():
    assert loss_text(VERDICT) == (
        "relative error 0.41 on average, 0.81 of the worst row, a linear head 50.0% right, "
        "75.0% in float32, on 80 others"
    )


def test_a_calibration_that_was_refused_is_not_called_none():
    told = {"dataset": "d", "calibrated_by": 100, "refused": True, **VERDICT}
    cut = SimpleNamespace(cut="top", precision="int8", calibration=told)
    line = _calibration(cut)
    assert "one was refused for what it loses" in line and "--max-loss" in line
    assert "refused" not in _calibration(
        SimpleNamespace(cut="top", precision="int8-1", calibration={**told, "refused": False})
    )
    none = SimpleNamespace(cut="top", precision="int8", calibration=None)
    assert _calibration(none) == "top: not calibrated for int8 yet."


def test_a_dataset_in_the_place_of_a_head_is_noticed(rows, fails):
    rows.heads.train("h", rows.features(CUT, "rows"), hs.Prototype())
    said = fails("head", "evaluate", "rows", "h")
    assert "'rows' is a dataset, where a head is wanted: the head comes first." in said
    assert "'flat' is a backbone, where a head is wanted" in fails("head", "show", "flat")
    assert "Did you mean 'h'" in fails("head", "show", "hh")


def test_json_for_people_is_json_whatever_it_holds(capsys):
    given = {"name": "a\x1b[31m\n\u202e", "rows": ["1 samples"]}
    Out().print(json_text(given), soft_wrap=True)
    printed = capsys.readouterr().out
    assert json.loads(printed) == given and "\x1b" not in printed and printed.count("\n") == 6
