"""Arguments of odd types work where it is clear what is meant; else a line says what is wanted."""

import numpy as np
import pytest

import headstart as hs
from headstart.errors import HeadError, HeadstartError


@pytest.fixture
def features(ready):
    return ready.extract("net", "pics")


@pytest.mark.parametrize("seed", [1.5, True, "7", None])
def test_a_seed_is_a_whole_number(ready, features, pictures, seed):
    refused = [
        (lambda: ready.heads.train("h", features, seed=seed), HeadstartError),
        (lambda: hs.CrossValidation(seed=seed), HeadstartError),
        (lambda: ready.verify("net", "pics", seed=seed), HeadstartError),
        (lambda: ready.backbones.verify("net", seed=seed), HeadstartError),
    ]
    if seed is not None:  # the default of these
        refused += [
            (lambda: ready.datasets.add("d", pictures, seed=seed), HeadstartError),
            (lambda: ready.datasets.resplit("pics", seed=seed), HeadstartError),
        ]
    for call, error in refused:
        with pytest.raises(error, match=r"seed.* is .*, of type .*\. Give a whole number"):
            call()
    assert "d" not in ready.datasets and "h" not in ready.heads


def test_numbers_of_numpy_are_numbers(ready, features):
    head = ready.heads.train("h", features, hs.Linear((np.float32(0.5),)), seed=np.int64(3))
    assert head.record.seed == 3 and type(head.record.seed) is int


def test_strengths_that_are_no_numbers_are_refused(run, ready, features):
    for given in ([float("nan")], float("nan"), ["1"], [True]):
        with pytest.raises(HeadError, match=r"strengths of Linear is .* Give numbers"):
            hs.Linear(strengths=given)
    ran = run("head", "train", "h", "net", "pics", "--strengths", "nan")
    assert ran.code == 2 and "strengths of Linear is" in ran.err, ran.err


def test_a_task_is_called_by_its_name(ready, features):
    ready.heads.train("h", features, task="classification")
    for task in ("regresion", 3, {"task": "regression"}):
        with pytest.raises(HeadstartError, match=r"task.* is .*, of type .* Give "):
            ready.heads.train("h", features, task=task)


def test_a_ratio_may_be_given_as_numbers(ready, pictures):
    dataset = ready.datasets.add("d", pictures, split=(60, 20, 20))
    assert dataset.options["split"] == "60/20/20"
    assert (
        ready.datasets.details("d").splits == {"train": 21, "validation": 6, "test": 9}
        or sum(ready.datasets.details("d").splits.values()) == 36
    )
    assert ready.datasets.resplit("d", [0.5, 0.5]).dataset.options["split"] == "0.5/0.5"
    for split in (60, {"train": 60}, (1, 2, 3, 4), ("a", "b")):
        with pytest.raises(HeadstartError, match=r"split.* is .*"):
            ready.datasets.add("e", pictures, split=split)


def test_a_cut_is_one_name(ready, model_file):
    for cut in (["relu"], 3):
        with pytest.raises(HeadstartError, match=r"cut.* is .*, of type .* Give "):
            ready.backbones.add("other", model_file, preprocess="unit", cut=cut)


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("kfold", "kfold:5, the first of five folds"),
        ("kfold:x", "kfold:5, the first of five folds"),
        ("column", "column:NAME"),
        ("stratified:a", "stratified:60/20/20"),
        ("folders:3", "Such as folders"),
        ("kfol:5", "Did you mean 'kfold'"),
    ],
)
def test_a_way_to_split_that_is_half_said_is_told_how_it_is_spelled(
    ready, fails, pictures, split, told
):
    line = fails("dataset", "add", "d", pictures, "--split", split)
    assert told in line
    assert "Did you mean" not in line or split == "kfol:5"


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        ("70/10/30", "the ratio 70/10/30 adds up to 110, and is taken for 63.6/9.09/27.3 %"),
        ("stratified:80/30", "the ratio 80/30 adds up to 110"),
        ("70/10/20", None),
        ("7/1/2", None),
        ("0.7/0.1/0.2", None),
        ("80/20", None),
    ],
)
def test_a_ratio_that_adds_up_to_something_else_is_said_what_it_is_taken_for(
    ready, run, pictures, ratio, told
):
    ran = run("dataset", "add", "d", pictures, "--split", ratio)
    assert ran.code == 0
    assert (told in ran.err) if told else "adds up" not in ran.err
