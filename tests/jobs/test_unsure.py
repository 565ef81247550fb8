"""Sets of classes hold the right one as often as was asked."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.calibration.conformal import levels, sets_of, threshold_of

CUT = "flat@as_it_is"


def drawn(rng, count, classes=5, sharpness=3.0):
    """Probabilities of a head that is too sure of itself, and the truth: it is right on .6."""
    scores = rng.normal(size=(count, classes))
    true = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    targets = (true.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1)
    said = np.exp(sharpness * scores)
    said /= said.sum(axis=1, keepdims=True)
    return said.astype(np.float32), np.minimum(targets, classes - 1)


def threshold(said, targets, level):
    return threshold_of(said, said.argmax(axis=1), targets, level)


@pytest.mark.parametrize("level", [0.7, 0.9, 0.95])
def test_coverage_is_what_was_asked_on_ten_seeds(level):
    """Each within 99.9 % of the beta-binomial of so many samples, the mean nearer."""
    from scipy.stats import betabinom

    shares = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        limit = threshold(*drawn(rng, 300), level)
        said, targets = drawn(rng, 1000)
        held = sets_of(said, said.argmax(axis=1), limit)[np.arange(1000), targets]
        rank = int(np.ceil(301 * level))
        low, high = betabinom(1000, rank, 301 - rank).interval(0.999)
        assert low <= held.sum() <= high
        shares.append(held.mean())
    assert abs(np.mean(shares) - level) < 0.02


def test_classes_go_in_from_the_likeliest_down():
    said = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], np.float32)
    first = said.argmax(axis=1)
    assert levels(said, first) == pytest.approx(np.array([[0, 0.5, 0.8], [0.9, 0.7, 0]]))
    assert np.isinf(threshold(said, np.array([0, 2]), 0.9))  # two samples cannot tell
    assert sets_of(said, first, np.inf).all()
    assert (sets_of(said, first, 0.0).sum(axis=1) == 1).all()
    assert levels(said, np.array([2, 2]))[0] == pytest.approx([0.2, 0.7, 0])  # what is said leads


def test_a_sample_has_its_set_in_whatever_batch_it_is_asked_of():
    """The last bits of its probabilities differ, and chance was drawn from them."""
    said, targets = drawn(np.random.default_rng(0), 300)
    limit = threshold(said, targets, 0.9)
    for scores in (np.nextafter(said, np.float32(1)), said * np.float32(1 - 3e-7)):
        alone, first = scores.astype(np.float32), said.argmax(axis=1)
        assert np.array_equal(sets_of(alone, first, limit), sets_of(said, first, limit))
    assert sets_of(said, said.argmax(axis=1), limit).sum(axis=1).mean() < 4


@pytest.fixture
def head(rows):
    view = rows.extract(CUT, "noisy", settings=hs.Settings(engine="tensorflow"))
    return rows.heads.train("h", view, hs.Linear((0.01,)))


def test_sets_of_a_head_and_what_they_are_worth(head, rows):
    found = head.conformal(0.8)
    judged = head.held_out()
    sets = [found.set_of(row) for row in judged.probabilities]
    right = [head.record.classes[t] in one for t, one in zip(judged.targets, sets, strict=True)]
    assert found.coverage == np.mean(right) and found.tested_on == head.metrics["n_test"]
    assert found.mean_size == np.mean([len(one) for one in sets])
    assert found.interval[0] <= found.coverage <= found.interval[1]
    assert found.calibrated_on == head.metrics["n_validation"]
    said = head.predict("noisy", unsure="reject", level=0.8)
    assert all((one.label is None) == (len(one.likely) != 1) for one in said)
    again = [one.likely for one in said if one.split == "test"]
    assert again == sets and "task" not in found.to_json()


def test_what_an_ordinal_head_says_is_in_its_set(rows):
    """It says the class in the middle of the probabilities, which may be an unlikely one."""
    view = rows.extract(CUT, "noisy", settings=hs.Settings(engine="tensorflow"))
    task = hs.Ordinal(order=("a", "b", "c"))
    head = rows.heads.train("o", view, hs.Linear((0.01,)), task=task)
    found = replace(head.conformal(0.8), threshold=0.3)
    middle = np.array([0.45, 0.1, 0.45], np.float32)
    assert task.decide(middle, found.classes)[0] == "b" and "b" in found.set_of(middle)
    for one in head.predict("noisy", unsure="set", level=0.8):
        assert one.label in one.likely


def test_a_linear_head_is_not_calibrated_on_what_it_was_fitted_on(head):
    """It was fitted on the validation split, too, and is surer there: one of the train split alone
    is asked."""
    view = head.features().split("validation")
    targets = head.task.read(view.labels, head.record.classes)
    inside = threshold(head.judge.predict_proba(view.to_numpy()), targets, 0.8)
    assert head.conformal(0.8).threshold != inside


def test_what_predict_writes_of_sets(head, run, fails, tmp_path):
    asked = ("head", "predict", "h", "noisy", "--unsure", "reject", "--level", "0.8")
    ran = run(*asked)
    assert "sets of classes at level 0.8 hold the right one of" in ran.err and "one of" in ran.out
    said = run(*asked, "--json").json
    for suffix in ("csv", "jsonl", "parquet"):
        run(*asked, "-o", tmp_path / f"p.{suffix}")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    table = parquet.read_table(tmp_path / "p.parquet").to_pylist()
    sets = [one["set"] for one in said]
    assert any(len(one) > 1 for one in sets) or any(one["label"] for one in said)
    assert [row["set"].split("|") for row in rows] == sets
    assert [row["set"] for row in lines] == sets == [row["set"] for row in table]
    labels = [one["label"] for one in said]
    assert [row["label"] or None for row in rows] == labels == [row["label"] for row in table]


def test_where_sets_mean_nothing_they_are_refused(head, rows, tmp_path, fails):
    with pytest.raises(HeadError, match="level is 1"):
        head.conformal(1)
    with pytest.raises(HeadError, match="unsure is 'never'"):
        head.predict("noisy", unsure="never")
    rows.datasets.resplit("rows", "80/20")
    rows.heads.train("none", rows.features(CUT, "rows"), hs.Prototype())
    assert "has no validation split" in fails("head", "predict", "none", "rows", "--unsure", "set")
    assert "--level is of sets and intervals" in fails(
        "head", "predict", "none", "rows", "--level", "0.8"
    )
