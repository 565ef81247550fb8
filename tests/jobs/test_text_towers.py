"""Two backbones whose features share a space: samples are found, and classes said, by texts."""

import json
import shutil

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.errors import (
    ArtifactDamaged,
    BackboneError,
    FeatureError,
    FeaturesMissing,
    HeadError,
    HeadstartError,
    LayerNotFound,
    NotFound,
    StillInUse,
)
from headstart.heads.evaluation.provenance import calibration_text
from headstart.heads.projection import of_length_one
from headstart.notices import HeadstartWarning
from headstart.values.sizes import size_text

CUT = "flat@as_it_is"


def nearest(ws, direction, count):
    x = ws.features(CUT, "rows").to_numpy()
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    order = np.argsort(-(unit @ (direction / np.linalg.norm(direction))), kind="stable")
    return [ws.features(CUT, "rows").ids[row] for row in order[:count]]


def test_samples_are_found_by_a_text_in_their_space(towers):
    found = towers.similar(
        CUT, "rows", texts=["kind a", "both"], text_backbone="texts@mean", count=5
    )
    assert [one.query for one in found] == ["kind a", "both"]
    assert [m.sample.id for m in found[0].matches] == nearest(towers, np.eye(6)[0], 5)
    between = np.eye(6)[0] + np.eye(6)[1]
    assert [m.sample.id for m in found[1].matches] == nearest(towers, between, 5)


def test_a_linked_text_backbone_need_not_be_named(linked, run):
    out = run("similar", "kind b", "rows", "--backbone", CUT, "--n", "3", "--json").json
    assert out[0]["query"] == "kind b"
    assert [m["label"] for m in out[0]["matches"]] == ["b"] * 3
    named = ("--text-backbone", "texts@mean", "--json")
    assert run("similar", "kind b", "rows", "--backbone", CUT, "--n", "3", *named).json == out


def test_without_a_text_backbone_it_is_said_how_to_name_one(towers):
    with pytest.raises(BackboneError, match="no backbone gives texts features") as raised:
        towers.similar(CUT, "rows", texts="kind a")
    assert "text-backbone=NAME" in str(raised.value.hint)


def test_towers_that_share_no_space_are_refused(towers):
    with pytest.raises(BackboneError, match="gives a text 2 numbers, flat has 6"):
        towers.similar(CUT, "rows", texts="kind a", text_backbone="texts@out")
    with pytest.raises(BackboneError, match="is to give texts features, and takes none"):
        towers.similar(CUT, "rows", texts="kind a", text_backbone="flat")


def test_a_text_with_a_token_that_the_model_has_no_row_for_is_refused(rows, tower_file, tmp_path):
    words = keras.Input((4,), dtype="int32", name="words")
    each = keras.layers.Embedding(6, 6, name="each")(words)
    mean = keras.layers.GlobalAveragePooling1D(name="mean")(each)
    keras.Model(words, keras.layers.Dense(2, name="out")(mean)).save(tmp_path / "short.keras")
    shutil.copy(tower_file.parent / "words.txt", tmp_path)
    step = {"step": "vectorize", "file": "words.txt", "length": 4}
    (tmp_path / "steps.json").write_text(json.dumps({"steps": [step]}))
    rows.backbones.add("short", tmp_path / "short.keras", preprocess=str(tmp_path / "steps.json"))
    with pytest.raises(BackboneError, match=r"short:1@mean cannot run on .* 6, its table has 6"):
        rows.similar(CUT, "rows", texts="kind both", text_backbone="short@mean")


def test_a_damaged_text_backbone_is_told_as_that(linked):
    texts = linked.backbones.get("texts")
    file = linked.context.artifacts.path_of(texts.artifact_digest, ".keras")
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(ArtifactDamaged, match="is damaged: its sha256") as raised:
        linked.similar(CUT, "rows", texts="kind a")
    assert "Add the same thing again" in str(raised.value.hint)


def test_texts_and_ids_are_not_asked_about_together(linked):
    with pytest.raises(FeatureError, match="ids and texts are given together"):
        linked.similar(CUT, "rows", ids="0", texts="a")
    with pytest.raises(HeadError, match="no texts are given"):
        linked.similar(CUT, "rows", texts=[])


def test_a_head_of_class_names_says_what_their_directions_say(linked):
    head = linked.heads.train(
        "names", linked.features(CUT, "rows"), hs.ZeroShot(prompt="kind {}", logit_scale=20.0)
    )
    view = linked.features(CUT, "rows")
    x = view.to_numpy()
    cosines = (x / np.linalg.norm(x, axis=1, keepdims=True))[:, :3]
    expected = np.exp(20 * cosines)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.stack.predict_proba(x), expected, atol=1e-5)
    assert head.metrics["accuracy"] > 0.9
    assert head.record.settings["text_backbone"] == "texts:1@mean"
    assert head.reproduce().agrees


def test_its_scale_is_calibrated_on_labelled_samples_of_which_it_learned_none(linked, run):
    view = linked.extract(CUT, "noisy")  # some labels are wrong: nothing is as sure as 100 says
    found = linked.heads.train("names", view, hs.ZeroShot(prompt="kind {}"))
    plain = linked.heads.train("plain", view, hs.ZeroShot(prompt="kind {}", logit_scale=100.0))
    assert found.metrics["accuracy"] == plain.metrics["accuracy"]
    assert found.metrics["log_loss"] < plain.metrics["log_loss"]
    assert found.record.settings["scale"] != 100
    judged = found.record.settings["judged_on"]
    told = calibration_text(found.record)
    assert told.startswith("calibrated by the logit scale on ") and str(judged["train"]) in told
    assert calibration_text(plain.record).startswith("not calibrated: the logit scale is as given")
    shown = " ".join(run("head", "show", "names").out.split())
    assert f"fitted logit scale {found.record.settings['scale']:.3g}; " in shown and told in shown
    assert "fitted logit scale" not in run("head", "show", "plain").out


def test_it_needs_no_training_sample(linked, tmp_path):
    view = linked.features(CUT, "rows")
    y = np.array(view.labels)
    np.savez(tmp_path / "tested.npz", x=view.to_numpy(), y=y, split=np.repeat("test", len(y)))
    linked.datasets.add("tested", tmp_path / "tested.npz")
    tested = linked.extract(CUT, "tested")
    head = linked.heads.train("names", tested, hs.ZeroShot(prompt="kind {}"))
    assert head.metrics["n_train"] == 0 and head.metrics["accuracy"] > 0.9
    assert head.record.settings["scale"] == 100 and head.metrics["few"] == []
    assert calibration_text(head.record).startswith("not calibrated: there was no labelled sample")
    with pytest.raises(HeadError, match="the train split is empty"):
        linked.heads.train("learned", tested, "prototype")


def test_several_prompts_are_the_mean_of_their_directions(linked):
    view = linked.features(CUT, "rows")
    head = linked.heads.train("names", view, hs.ZeroShot(prompt="{}|kind {}", logit_scale=1.0))
    one = linked.heads.train("one", view, hs.ZeroShot(prompt="kind {}", logit_scale=1.0))
    for many, single in zip(head.stack.layers, one.stack.layers, strict=True):
        np.testing.assert_allclose(many.kernel, single.kernel, atol=1e-6)
    with pytest.raises(HeadError, match=r"has no \{\} where the class name stands"):
        linked.heads.train("names", view, hs.ZeroShot(prompt="a photo"))


def test_names_with_the_same_text_features_are_said(linked, tmp_path, run):
    """All of them unknown: every sample got the same class, without a word."""
    view = linked.features(CUT, "rows")
    with pytest.raises(HeadError, match="class names 'a', 'b', 'c' have the same text features"):
        linked.heads.train("names", view, hs.ZeroShot(prompt="{}{}"))
    y = np.where(
        np.array(view.labels) == "c", "x", np.where(np.arange(len(view)) % 2, "y", view.labels)
    )
    np.savez(tmp_path / "some.npz", x=view.to_numpy(), y=y)
    linked.datasets.add("some", tmp_path / "some.npz")
    some = linked.extract(CUT, "some")
    with pytest.warns(HeadstartWarning, match="class names 'x', 'y' have the same text features"):
        linked.heads.train("some", some, hs.ZeroShot(prompt="kind {}"))
    shown = " ".join(run("head", "show", "some").out.split())
    assert "fitted on no sample: its weights are of the class names" in shown
    assert "training rows" in shown and "by a fit without" not in shown


def test_a_tag_that_names_no_backbone_is_said_to_be_the_tag(towers):
    towers.context.backbones.set_tags("flat", {"text-backbone": "nope"})
    view = towers.features(CUT, "rows")
    with pytest.raises(NotFound, match=r"the tag text-backbone of flat.* is 'nope': no backbone"):
        towers.heads.train("names", view, hs.ZeroShot())
    with pytest.raises(HeadError, match=r"has no \{\} where the class name stands"):
        towers.heads.train("names", view, hs.ZeroShot(prompt="a photo"))


def test_a_backbone_that_others_take_texts_by_is_in_use(linked):
    with pytest.raises(StillInUse, match="'texts' is in use: the texts of backbone 'flat'"):
        linked.backbones.remove("texts")
    linked.heads.train("names", linked.features(CUT, "rows"), hs.ZeroShot(prompt="kind {}"))
    linked.jobs.train("names", CUT, "rows", hs.ZeroShot(prompt="kind {}"))
    linked.backbones.tag("flat", {"text-backbone": None})
    with pytest.raises(StillInUse, match="head 'names', job 1 is queued"):
        linked.backbones.remove("texts")
    linked.backbones.remove("texts", force=True)


def test_a_bundle_links_no_text_backbone_of_another_workspace(linked, tmp_path):
    linked.backbones.export("flat", tmp_path / "flat.zip")
    other = hs.init(tmp_path / "other")
    with pytest.warns(HeadstartWarning, match="'texts@mean' where it was written") as told:
        other.backbones.import_(tmp_path / "flat.zip")
    assert "headstart backbone tag flat text-backbone=NAME" in str(told[0].message)
    assert other.backbones.get("flat").tags == {}
    linked.backbones.import_(tmp_path / "flat.zip")  # it is there, and stays as it is
    assert linked.backbones.get("flat").tags == {"text-backbone": "texts@mean"}


def test_a_tag_that_names_no_layer_is_said_to_be_the_tag(towers):
    towers.context.backbones.set_tags("flat", {"text-backbone": "texts@nope"})
    with pytest.raises(LayerNotFound, match=r"the tag text-backbone of flat is 'texts@nope': no"):
        towers.similar(CUT, "rows", texts="kind a")


def test_a_link_to_nothing_is_told_before_anything_is_extracted(towers, run, fails):
    asked = ("kind b", "rows", "--backbone", "flat@out")
    towers.context.backbones.set_tags("flat", {"text-backbone": "nope"})
    assert "the tag text-backbone of flat is 'nope'" in fails("similar", *asked)
    assert "no backbone 'gone'" in fails("similar", *asked, "--text-backbone", "gone")
    with pytest.raises(FeaturesMissing):
        towers.features("flat@out", "rows")
    own = towers.features(CUT, "rows").ids[0]
    assert run("similar", own, "rows", "--backbone", CUT, "--json").json[0]["query"] == own


def test_what_no_joined_features_take_is_told_before_anything_is_extracted(linked, fails, tmp_path):
    by = ("rows", "--backbone", f"{CUT} + flat@out")
    said = fails("similar", "kind b", *by)
    assert "no file, folder or dataset kind b" in said and "have no space of texts" in said
    assert "are joined" in fails("similar", "kind b", *by, "--text-backbone", "texts@mean")
    linked.backbones.tag("flat", {"text-backbone": None})
    assert "no file, folder or dataset" in fails("similar", "b", "rows", "--backbone", "flat@out")
    with pytest.raises(FeaturesMissing):
        linked.features("flat@out", "rows")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("../x", "no backbone '../x' is registered"),
        ("texts@nope", "no layer 'nope'"),
        ("flat", "flat is to give texts features, and takes none"),
        ("", "is empty"),
    ],
)
def test_a_link_to_what_gives_texts_no_features_is_refused(towers, value, says):
    with pytest.raises(HeadstartError, match=says):
        towers.backbones.tag("flat", {"text-backbone": value})
    assert towers.backbones.get("flat").tags == {}
    with pytest.raises(HeadstartError, match=says):
        towers.backbones.add("other", "nowhere.keras", tags={"text-backbone": value})


def test_a_text_without_a_text_backbone_is_told_how_one_is_named(towers, fails):
    said = fails("similar", "kind b", "rows", "--backbone", CUT)
    assert "no file, folder or dataset kind b" in said and "--text-backbone NAME" in said


def test_a_link_is_seen_in_eighty_columns(linked, run, tower_file):
    how = {"preprocess": str(tower_file.parent / "steps.json"), "licence": "Apache-2.0"}
    linked.backbones.add("another-of-texts", tower_file, **how)
    listed = run("backbone", "list").out
    assert "text backbone" in listed and "texts@mean" in listed
    assert "text backbone" in run("glossary", "text-backbone").out


def test_it_attaches_like_any_other_head(linked, tmp_path):
    view = linked.features(CUT, "rows")
    head = linked.heads.train("names", view, hs.ZeroShot(prompt="kind {}"))
    with pytest.raises(HeadError, match="is of kind zeroshot, which steps cannot improve"):
        head.finetune("as_it_is")
    model = head.attach(tmp_path / "names.keras")
    x = view.to_numpy()
    attached = keras.models.load_model(tmp_path / "names.keras").predict(x, verbose=0)
    np.testing.assert_allclose(attached, head.stack.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(model.predict(x, verbose=0), attached, atol=1e-6)


def test_on_the_command_line_it_is_trained_by_prompt(linked, run, fails):
    asked = ("head", "train", "names", CUT, "rows", "--kind", "zeroshot")
    told = run(*asked, "--prompt", "kind {}", "--json").json
    assert told["metrics"]["accuracy"] > 0.9 and told["settings"]["prompt"] == "kind {}"
    assert "learns nothing of samples" in fails("head", "sweep", "rows", CUT, "--kinds", "zeroshot")


def test_a_job_takes_the_text_backbone_that_was_meant_when_it_was_begun(linked, tower_file):
    job = linked.jobs.train("names", CUT, "rows", hs.ZeroShot(prompt="kind {}"))
    assert job.plan["head"]["text_backbone"] == "texts:1@mean"
    how = {"preprocess": str(tower_file.parent / "steps.json")}
    linked.backbones.add("others", tower_file, **how)
    linked.backbones.tag("flat", {"text-backbone": "others@out"})
    linked.jobs.work()
    settings = linked.heads.get("names").record.settings
    assert settings["text_backbone"] == "texts:1@mean"


FEW = hs.TipAdapter(prompt="kind {}", logit_scale=20.0, alpha=1.5, beta=4.0)


def trained_on_few(ws, kind=FEW):
    return ws.heads.train("few", ws.extract(CUT, "noisy"), kind)


def test_names_and_training_samples_together_say_what_the_formula_does(linked):
    head, view = trained_on_few(linked), linked.features(CUT, "noisy")
    train = view.split("train")
    x, keys = (of_length_one(one.to_numpy().astype(np.float64)) for one in (view, train))
    labels = np.array(train.labels)[:, None] == np.array(["a", "b", "c"])
    expected = np.exp(20 * x[:, :3] + 1.5 * np.exp(-4 * (1 - x @ keys.T)) @ labels)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(head.stack.predict_proba(view.to_numpy()), expected, atol=1e-5)
    assert head.metrics["n_train"] == len(keys) == head.record.settings["carried"]
    assert head.record.settings["text_backbone"] == "texts:1@mean"


def test_it_says_how_it_weighs_them_and_what_memory_that_takes(linked, run):
    head = trained_on_few(linked, hs.TipAdapter(prompt="kind {}"))
    assert head.reproduce().agrees
    shown = " ".join(run("head", "show", "few").out.split())
    settings, size = head.record.settings, head.record.artifact_size
    told = f"alpha {settings['alpha']:.3g} of training samples, beta {settings['beta']:.3g}"
    carries = f"carries {settings['carried']} training rows along"
    assert f"{told}, the best of 7 that were tried" in shown
    assert f"{carries}, {size_text(settings['bytes'])} in all" in shown
    assert settings["bytes"] <= size
    assert "probabilities calibrated by the logit scale on" in shown and "train samples" in shown


def test_a_head_of_names_and_samples_attaches_and_travels(linked, tmp_path, run):
    head = trained_on_few(linked)
    with pytest.raises(HeadError, match="is of kind tipadapter, which steps cannot improve"):
        head.finetune("as_it_is")
    x = linked.features(CUT, "noisy").to_numpy()
    _, difference = head.attach_checked(tmp_path / "exchanged.onnx")
    assert difference < 1e-4
    head.attach(tmp_path / "few.keras")
    attached = keras.models.load_model(tmp_path / "few.keras").predict(x, verbose=0)
    np.testing.assert_allclose(attached, head.stack.predict_proba(x), atol=1e-4)
    head.export(tmp_path / "few.zip")
    back = linked.heads.import_(tmp_path / "few.zip", "back")
    np.testing.assert_array_equal(back.stack.predict_proba(x), head.stack.predict_proba(x))
    assert back.reproduce().agrees


def test_on_the_command_line_names_and_samples_are_weighed_as_they_are_told(linked, run, fails):
    linked.extract(CUT, "noisy")
    asked = ("head", "train", "few", CUT, "noisy", "--kind", "tipadapter", "--prompt", "kind {}")
    told = run(*asked, "--alpha", "2", "--beta", "3", "--json").json["settings"]
    assert [told["given"][name] for name in ("alpha", "beta", "logit_scale")] == [2, 3, None]
    assert [told["alpha"], told["beta"]] == pytest.approx([2, 3]) and told["scale"] > 0
    assert "alpha is -1.0" in fails(*asked, "--alpha", "-1")
    assert "takes names of classes" in fails("head", "sweep", "noisy", CUT, "--kinds", "tipadapter")
    with pytest.raises(HeadError, match="takes names of classes: it has no learning curve"):
        linked.heads.get("few").learning_curve()
