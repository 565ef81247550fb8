"""A head of several labels says of which it does not know, and rejects what is unlike its own."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.calibration.label_answers import Between
from headstart.heads.dense_stack import stack_of
from headstart.heads.evaluation.clusters import groups_of
from headstart.heads.models.train import part_of
from headstart.notices import HeadstartWarning

CUT = "flat@as_it_is"


@pytest.fixture
def head(rows):
    """One of two labels for the rows whose features are there: `a`, and `low`, which chance tells
    as well as the features."""
    with np.load(rows.datasets.get("rows").source) as file:
        x, y = file["x"], file["y"]
    low = (x[:, 3] + 3 * np.random.default_rng(1).normal(size=len(x))) < -1
    labels = [
        "|".join(name for name, has in (("a", one == "a"), ("low", is_low)) if has) or "|"
        for one, is_low in zip(y, low, strict=True)
    ]
    rows.datasets.add("many", x, np.array(labels), split="40/30/30")
    features = rows.features(CUT, "many")
    return rows.heads.train("m", features, hs.Linear((0.01, 0.1)), task="multi-label")


def test_answers_are_told_by_samples_that_the_head_was_not_fitted_on(head):
    """A linear one was fitted on the validation split, too: one of the train split alone tells,
    each label by its own strength."""
    found, view = head.conformal(0.8), head.features()
    judging = view.split("validation")
    targets = head.task.read(judging.labels, head.record.classes) > 0
    train = view.split("train")
    alone = [hs.Linear((strength,)) for strength in head.record.settings["chosen"]]
    part = part_of([train], head.task, list(head.record.classes))
    fitted = head.task.fit_each(alone, part, part.only(np.zeros(len(part), bool)), 0)
    said = stack_of(fitted.layers, list(head.record.classes)).predict_proba(judging.to_numpy())
    groups = groups_of(judging.samples)
    for place, one in enumerate(found.labels):
        expected = Between.of(said[:, place], targets[:, place], 0.8, 0.5, groups)
        assert one.yes_from == pytest.approx(expected.yes_from, rel=1e-4)
        assert one.no_to == pytest.approx(expected.no_to, rel=1e-4)
    assert found.calibrated_on == len(judging) and found.tested_on == head.metrics["n_test"]


def test_coverage_is_counted_on_the_test_split_label_by_label(head):
    found, judged = head.conformal(0.8), head.held_out()
    answers = np.array([found.answers_of(row) for row in judged.probabilities])
    truth = judged.targets > 0
    wrong = np.where(truth, answers == "no", answers == "yes")
    for place, one in enumerate(found.labels):
        own = truth[:, place]
        assert one.held.coverage == pytest.approx(1 - wrong[:, place].mean())
        assert one.held_with.coverage == pytest.approx(1 - wrong[own, place].mean())
        assert one.held_without.coverage == pytest.approx(1 - wrong[~own, place].mean())
        assert one.held_with.samples + one.held_without.samples == one.held.samples == len(truth)
        assert one.held.interval[0] <= one.held.coverage <= one.held.interval[1]
        assert one.unknown == (answers[:, place] == "unknown").mean()
    sure, unsure = found.labels
    assert (sure.label, unsure.label) == ("a", "low") and unsure.unknown > 0.2 > sure.unknown
    assert "are not wrong of" in found.to_text() and "low 0." in found.to_text()


def test_predictions_have_their_answers_in_every_form(head, run, tmp_path):
    found = head.predict("many", unsure="set", level=0.8)
    told = head.conformal(0.8)
    assert all(one.answers == told.answers_of(one.outputs) for one in found)
    asked = ("head", "predict", "m", "many", "--unsure", "set", "--level", "0.8")
    ran = run(*asked)
    assert "unknown" in ran.out and "are not wrong of" in " ".join(ran.err.split())
    expected = [dict(zip(("a", "low"), one.answers, strict=True)) for one in found]
    assert [one["answers"] for one in run(*asked, "--json").json] == expected
    for suffix in ("csv", "jsonl", "parquet"):
        run(*asked, "-o", tmp_path / f"p.{suffix}")
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{"a": one["says_a"], "low": one["says_low"]} for one in rows] == expected
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [one["answers"] for one in lines] == expected
    kept = parquet.read_table(tmp_path / "p.parquet")["answers"].to_pylist()
    assert kept == [list(one.answers) for one in found]
    table = found.to_arrow()
    assert table["says_low"].to_pylist() == [one["low"] for one in expected]
    assert head.predict("many")[0].answers is None


def test_labels_of_too_few_samples_are_refused_by_name(head, fails):
    with pytest.raises(HeadError, match=r"level 0\.99 needs 99 .* has \d+ with 'a', ") as error:
        head.conformal(0.99)
    assert "Take a level of 0.9" in error.value.hint
    assert "needs 99" in fails("head", "predict", "m", "many", "--unsure", "set", "--level", "0.99")


@pytest.fixture
def with_rare(rows):
    """A head of the label `a`, and of two that few samples have, `rare` fewer than `few`."""
    with np.load(rows.datasets.get("rows").source) as file:
        x, y = file["x"], file["y"]
    labels = []
    for number, one in enumerate(y):
        own = ["a"] * (one == "a") + ["few"] * (number % 17 == 0) + ["rare"] * (number % 40 == 0)
        labels.append("|".join(own) or "|")
    rows.datasets.add("rarely", x, np.array(labels), split="40/30/30")
    return rows.heads.train("r", rows.features(CUT, "rarely"), hs.Linear(), task="multi-label")


def test_a_rare_label_is_unknown_of_every_sample_and_the_others_are_told(with_rare, run):
    """One rare label refused the answers about all others."""
    head, judging = with_rare, with_rare.features().split("validation")
    having = {
        name: sum(name in str(label).split("|") for label in judging.labels)
        for name in ("rare", "few")
    }
    assert 0 < having["rare"] < having["few"] < 9
    named = rf"has {having['rare']} with 'rare', {having['few']} with 'few': that is answered unkn"
    with pytest.warns(HeadstartWarning, match=named):
        found = head.conformal(0.9)
    told = {one.label: one for one in found.labels}
    assert [one.label for one in found.labels if one.is_calibrated] == ["a"]
    assert told["a"].unknown < 0.5 and told["a"].held.samples == found.tested_on
    assert told["rare"].unknown == 1 and told["rare"].held.coverage is None
    for row in np.array([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], np.float32):
        assert found.answers_of(row)[1:] == ("unknown", "unknown") != found.answers_of(row)[:1] * 2
    assert "all of few, rare among them" in found.to_text()
    ran = run("head", "predict", "r", "rarely", "--unsure", "set", "--json")
    assert {one["answers"]["rare"] for one in ran.json} == {"unknown"}
    assert {"yes", "no"} <= {one["answers"]["a"] for one in ran.json}
    assert "answered unknown of every sample" in " ".join(ran.err.split())


def test_what_is_unlike_the_dataset_is_rejected_by_its_novelty(head, run, tmp_path):
    odd = np.tile(np.array([[-9, -9, -9, 0, 0, 0]], np.float32), (4, 1))
    found = head.predict(odd, unsure="reject", level=0.8)
    assert [one.label for one in found] == [None] * 4 == found.to_arrow()["label"].to_pylist()
    own = head.predict("many", unsure="reject", level=0.8)
    assert all((one.label is None) == (one.novelty >= 0.8) for one in own)
    tested = [one.label is None for one in own if one.split == "test"]
    assert np.mean(tested) == head.novelty(0.8).false_alarms < 0.5
    np.save(tmp_path / "odd.npy", odd)
    asked = ("head", "predict", "m", tmp_path / "odd.npy", "--unsure", "reject")
    ran = run(*asked)
    assert "rejected" in ran.out and "samples count as new" in " ".join(ran.err.split())
    for suffix in ("csv", "jsonl", "parquet"):
        run(*asked, "-o", tmp_path / f"p.{suffix}")
    assert json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])["label"] is None
    assert parquet.read_table(tmp_path / "p.parquet")["label"][0].as_py() is None
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert row["label"] == "" and float(row["novelty"]) > 0.9
