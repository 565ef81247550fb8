"""Numbers that nothing can be done with: an error of usage that says which there are, at once."""

import warnings

import numpy as np
import pytest

import headstart as hs
from headstart.errors import EXITS, HeadstartError

SEEDED = [
    ("backbone", "verify", "flat"),
    ("head", "train", "h", "flat@as_it_is", "rows"),
    ("head", "sweep", "rows"),
    ("rank", "rows"),
    ("features", "verify", "flat@as_it_is", "rows"),
    ("features", "outliers", "flat@as_it_is", "rows"),
    ("dataset", "resplit", "rows"),
    ("features", "plot", "flat@as_it_is", "rows", "map.png"),
]


@pytest.mark.parametrize("seed", ["-1", "99999999999999999999"])
@pytest.mark.parametrize("command", SEEDED, ids=" ".join)
def test_a_seed_that_is_none_is_refused_before_any_work(run, command, seed):
    ran = run(*command, "--seed", seed, "--workspace", "/nowhere")
    assert ran.code == EXITS["usage"], ran.err
    assert "--seed" in ran.err and "0<=x<=2147483647" in ran.err


@pytest.mark.parametrize("seed", [-1, 10**20])
def test_the_same_in_python(rows, seed):
    view = rows.features("flat@as_it_is", "rows")
    for call in (
        lambda: hs.CrossValidation(seed=seed),
        lambda: rows.heads.train("h", view, seed=seed),
        lambda: rows.verify("flat@as_it_is", "rows", seed=seed),
        lambda: rows.outliers("flat@as_it_is", "rows", seed=seed),
        lambda: rows.datasets.resplit("rows", seed=seed),
        lambda: next(view.batches(shuffle=True, seed=seed)),
    ):
        with pytest.raises(HeadstartError, match=rf"is {seed}.*0 to 2147483647") as raised:
            call()
        assert raised.value.code == "usage"


def test_the_largest_seed_trains_and_tries(rows):
    view = rows.features("flat@as_it_is", "rows")
    assert rows.heads.train("h", view, seed=2**31 - 1).record.seed == 2**31 - 1
    tried = rows.rank("rows", trying=hs.CrossValidation(seed=2**31 - 1, repeats=3))
    assert len(tried) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--kind", "mlp", "--dropout", "5"), "Give 0 to below 1"),
        (("--kind", "mlp", "--hidden", "99999999999"), "Give widths of 1 to 65,536"),
        (("--kind", "mlp", "--learning-rate", "1e400"), "finite"),
        (("--strengths", "-1"), "Give numbers above 0 that are finite"),
        (("--strengths", "1e400"), "Give numbers above 0 that are finite"),
        (("--kind", "svm", "--strengths", "1e400"), "Give numbers above 0 that are finite"),
    ],
)
def test_settings_of_a_head_that_cannot_be_are_errors_of_usage(rows, run, arguments, said):
    ran = run("head", "train", "h", "flat@as_it_is", "rows", *arguments)
    assert (ran.code, said in ran.err) == (EXITS["usage"], True), ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("log", "--limit", "99999999999999999999"), "--limit"),
        (("extract", "flat", "rows", "--commit-seconds", "nan"), "commit_seconds"),
        (("extract", "flat", "rows", "--batch-size", "1000000000"), "Give 1 to 65,536"),
        (("features", "audit", "flat@as_it_is", "rows", "--folds", "1"), "--folds"),
        (("dataset", "resplit", "rows", "--split", "kfold:5:9"), "there is no fold 9 of 5"),
        (("features", "outliers", "flat@as_it_is", "rows", "--limit", "1"), "with limit 1"),
    ],
)
def test_numbers_of_other_commands_too(rows, run, arguments, said):
    ran = run(*arguments)
    assert (ran.code, said in ran.err) == (EXITS["usage"], True), ran.err


def test_a_sample_that_is_not_there_is_not_found(rows, run, tmp_path):
    (tmp_path / "c.csv").write_text("id,new_label\nnobody,a\n")
    for arguments in (
        ("dataset", "correct", "rows", tmp_path / "c.csv"),
        ("dataset", "exclude", "rows", "nobody"),
        ("dataset", "exclude", "rows", "nobody", "--undo"),
    ):
        ran = run(*arguments)
        assert (ran.code, "nobody" in ran.err) == (EXITS["not_found"], True), ran.err


def test_fewer_neighbours_than_were_asked_for_are_said(rows, run):
    view = rows.features("flat@as_it_is", "rows")
    head = rows.heads.train("h", view, hs.Neighbours(100_000))
    chosen = head.record.settings["chosen"]
    told = f"{chosen:,} neighbours were taken, not the 100,000 asked for"
    assert told in head.record.settings["not_chosen"]
    assert told in " ".join(run("head", "show", "h").out.replace("│", " ").split())
    as_asked = rows.heads.train("h", view, hs.Neighbours(1))
    assert "not_chosen" not in as_asked.record.settings


def test_the_wrapper_for_scikit_learn_refuses_a_seed_too():
    from headstart.sklearn import HeadClassifier

    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with warnings.catch_warnings(), pytest.raises(ValueError, match="0 to 2147483647"):
        HeadClassifier(seed=-1).fit(x, y)
