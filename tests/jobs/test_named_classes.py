"""A head of class names that are given needs no label, and tells that nothing is known of it."""

import json
import re

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.cli.heads.named_classes import names_in
from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.evaluation.provenance import calibration_text
from headstart.notices import HeadstartWarning
from page_client import open_page, text_of

CUT = "flat@as_it_is"
NAMED = hs.ZeroShot(prompt="kind {}", classes=("c", "a", "b"))


@pytest.fixture
def bare(linked):
    """Also `bare`, the rows without labels."""
    with np.load(linked.datasets.get("rows").source) as file:
        linked.datasets.add("bare", file["x"])
    return linked


@pytest.fixture
def head(bare):
    with pytest.warns(HeadstartWarning, match="bare has no label: how often head 'h' is right is"):
        return bare.heads.train("h", bare.features(CUT, "bare"), NAMED)


def test_without_labels_the_scale_is_the_usual_one_and_no_score_is_told(head, run):
    assert head.record.classes == ["c", "a", "b"] and head.record.settings["scale"] == 100
    assert not any(isinstance(value, float) for value in head.metrics.values())
    assert [head.metrics[f"n_{one}"] for one in ("train", "validation", "test")] == [0, 0, 0]
    assert calibration_text(head.record).startswith("not calibrated: there was no labelled sample")
    shown = " ".join(run("head", "show", "h").out.split())
    assert "how often it is right is not known" in shown and "it was tested on no sample" in shown
    assert head.looks.heads == 0 and "h" in run("head", "list").out and head.reproduce().agrees


def test_labels_in_the_train_split_alone_calibrate_it_and_no_score_is_told(linked, run, tmp_path):
    """It was refused, as the test split is empty."""
    with np.load(linked.datasets.get("rows").source) as file:
        x, y = file["x"], file["y"]
    splits = np.array(["train", "validation", "test"])[np.arange(len(x)) % 3]
    np.savez(tmp_path / "partly.npz", x=x, split=splits)
    linked.datasets.add("partly", tmp_path / "partly.npz")
    given = {str(row): str(y[row]) for row in np.flatnonzero(splits == "train")}
    linked.datasets.correct("partly", given)
    out = pytest.warns(HeadstartWarning, match="160 of 240 samples have no label and are left out")
    unknown = pytest.warns(HeadstartWarning, match="partly has no label in its test split: how oft")
    with out, unknown:
        head = linked.heads.train("p", linked.features(CUT, "partly"), NAMED)
    counts = [head.metrics[f"n_{one}"] for one in ("train", "validation", "test")]
    assert counts == [80, 0, 0] and head.record.settings["judged_on"]["train"] > 0
    assert not any(isinstance(value, float) for value in head.metrics.values())
    assert "no score: there was no labelled sample to test it on" in head.predict("partly").trust
    with pytest.raises(HeadError, match="'partly' had no labels to test it by: nothing is known"):
        head.held_out()
    assert "how often it is right is not known" in " ".join(run("head", "show", "p").out.split())


@pytest.mark.parametrize("kind", ["zeroshot", "tipadapter"])
@pytest.mark.parametrize("task", ["multi-label", "regression", "ordinal"])
def test_a_task_that_names_cannot_do_is_refused_before_the_names_are_read(
    linked, fails, kind, task
):
    """It was said that the names had the same text features, or that they were no numbers."""
    told = fails("head", "train", "h", CUT, "rows", "--kind", kind, "--task", task)
    assert f"a head of kind {kind} says one label a sample, by its name, and cannot do" in told
    assert f"the task {task}." in told
    assert "Take kind " in told and kind not in told.partition("Take kind ")[2]


def test_a_class_that_is_several_labels_is_named(linked):
    with np.load(linked.datasets.get("rows").source) as file:
        x, y = file["x"], file["y"]
    linked.datasets.add("many", x, np.array([f"kind {one}|kind c" for one in y]))
    said = "many: samples have several labels, and each combination, such as 'kind a|kind c'"
    same = pytest.raises(HeadError, match="have the same text features")
    with pytest.warns(HeadstartWarning, match=re.escape(said)), same:
        linked.heads.train("h", linked.features(CUT, "many"), hs.ZeroShot(prompt="x {}"))


def test_it_says_what_a_head_of_labelled_samples_says(head, bare, run):
    given = hs.ZeroShot(prompt="kind {}", logit_scale=100.0)
    other = bare.heads.train("other", bare.features(CUT, "rows"), given)
    said = head.predict("bare")
    assert said.labels == other.predict("bare").labels
    np.testing.assert_allclose(
        said.probabilities[:, [1, 2, 0]], other.predict("bare").probabilities, atol=1e-6
    )
    assert "no score: there was no labelled sample to test it on" in said.trust
    assert "no score" in run("head", "predict", "h", "bare", "--top", "2").err
    assert head.evaluate("rows").metrics["accuracy"] == pytest.approx(
        other.evaluate("rows", "all").metrics["accuracy"]
    )


def test_what_needs_scores_is_refused_in_a_line(head, bare, fails, tmp_path):
    assert len(head.label_next("bare", 3)) == 3  # that needs none
    told = "is of class names alone, and dataset 'bare' had no labels"
    for asked in (head.conformal, head.novelty, head.held_out, head.least_sure):
        with pytest.raises(HeadError, match=told):
            asked()
    with pytest.raises(HeadError, match=told):
        bare.heads.compare("h", "h")
    assert told in fails("head", "predict", "h", "bare", "--unsure", "set")
    assert told in fails("head", "report", "h", tmp_path / "h.html")


def test_its_page_says_that_nothing_is_known_of_it_here_and_where_it_is_imported(
    head, bare, tmp_path
):
    page = open_page(bare)
    said = text_of(page.get("/heads/h"))
    assert "how often it is right is not known" in said and "no labels" in said
    assert "class names alone, and dataset 'bare' had no labels" in said
    assert "nan" not in said.lower().split() and "None" not in said.split()
    assert "h" in text_of(page.get("/heads")).split()
    assert page.get("/heads/h:1/samples?truth=a&guess=b").status_code in (404, 409, 422)
    head.export(tmp_path / "h.zip")
    bare.heads.import_(tmp_path / "h.zip", "back")
    told = text_of(page.get("/heads/back"))
    assert "of workspace" in told and "how often it is right is not known" in told


def test_it_attaches_and_travels(head, bare, tmp_path):
    head.attach(tmp_path / "h.keras")
    x = head.present().to_numpy()
    attached = keras.models.load_model(tmp_path / "h.keras").predict(x, verbose=0)
    np.testing.assert_allclose(attached, head.stack.predict_proba(x), atol=1e-4)
    told = json.loads((tmp_path / "h.json").read_text())
    assert told["classes"] == ["c", "a", "b"] and "not calibrated" in told["probabilities"]
    head.export(tmp_path / "h.zip")
    back = bare.heads.import_(tmp_path / "h.zip", "back")
    np.testing.assert_array_equal(back.stack.predict_proba(x), head.stack.predict_proba(x))


def test_with_labels_it_is_scored_as_ever_and_other_labels_are_refused(bare):
    view = bare.features(CUT, "rows")
    named, plain = (
        bare.heads.train("n", view, kind) for kind in (NAMED, hs.ZeroShot(prompt="kind {}"))
    )
    assert named.metrics["accuracy"] == plain.metrics["accuracy"]
    assert named.record.settings["scale"] == pytest.approx(plain.record.settings["scale"])
    more = hs.ZeroShot(prompt="kind {}", classes=("a", "b", "c", "both"))
    assert bare.heads.train("m", view, more).metrics["untested"] == ["both"]
    with pytest.raises(HeadError, match="'c', a label of the samples, is none of the 2 classes"):
        bare.heads.train("f", view, hs.ZeroShot(prompt="kind {}", classes=("a", "b")))


@pytest.mark.parametrize("classes", [("a",), ("a", "b", "a"), ("a", " ")])
def test_names_that_are_no_choice_are_refused(classes):
    with pytest.raises(InvalidHeadSetting, match="classes have"):
        hs.ZeroShot(classes=classes)


def test_the_command_line_takes_the_names_from_a_file(bare, run, fails, tmp_path):
    (tmp_path / "names.txt").write_text("c\n\n a \r\nb\n", encoding="utf-8")
    asked = ("head", "train", "h", CUT, "bare", "--classes", tmp_path / "names.txt")
    ran = run(*asked, "--kind", "zeroshot", "--prompt", "kind {}", "--json")
    assert ran.json["classes"] == ["c", "a", "b"] and "is not known" in " ".join(ran.err.split())
    assert run("job", "list").code == 0
    assert "--classes is not for a head of kind linear" in fails(*asked)
    gone = ("head", "train", "h", CUT, "bare", "--classes", tmp_path / "no", "--kind", "zeroshot")
    assert "cannot be read" in fails(*gone)


def test_a_job_trains_it(bare):
    bare.jobs.train("h", CUT, "bare", NAMED)
    with pytest.warns(HeadstartWarning, match="has no label"):
        bare.jobs.work()
    assert bare.heads.get("h").record.classes == ["c", "a", "b"]


@pytest.mark.filterwarnings("ignore:bare has no label")
@pytest.mark.parametrize("name", ["bare", "rows"])
def test_a_kind_of_one_label_is_refused_where_several_are_asked_for(bare, name):
    """Without labels a head of zeros was registered, which said every label of every sample."""
    with pytest.raises(HeadError, match="a head of kind zeroshot says one label a sample"):
        bare.heads.train("h", bare.features(CUT, name), NAMED, task="multi-label")
    assert "h" not in bare.heads


def test_a_name_ends_where_its_line_does(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("caf\u2028e\r\n\x0cb\n\nc\x85d\rlast".encode())
    assert names_in(path) == ("caf\u2028e", "b", "c\x85d", "last")
