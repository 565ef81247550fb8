"""Features of several cuts and backbones as one: from heads to rankings, predictions and models."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import headstart as hs
from conftest import draw, network
from headstart.errors import FeatureError, HeadError, StillInUse
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.heads.models.attach import predict
from headstart.origins.blocks import Block, Blocks, check_common_input

BOTH = "net@features,pool + other@features"
TRYING = hs.CrossValidation(folds=3)


def each_of(ws):
    return [ws.features(name, "pics") for name in ("net@features", "net@pool", "other@features")]


def test_a_row_holds_those_of_each_on_a_scale_of_its_own(two):
    view, parts = two.features(BOTH, "pics"), each_of(two)
    scales = view.origin.scales
    expected = np.concatenate(
        [one.to_numpy() / scale for one, scale in zip(parts, scales, strict=True)], axis=1
    )
    assert view.shape == expected.shape and view.ids == parts[0].ids
    np.testing.assert_allclose(view.to_numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(view[[5, 1]], view.to_numpy()[[5, 1]])
    np.testing.assert_array_equal(
        view.split("test").to_numpy(),
        view.to_numpy()[
            [place for place, sample in enumerate(view.samples) if sample.split == "test"]
        ],
    )
    start = 0
    for part in parts:
        own = view.split("train").to_numpy()[:, start : start + part.shape[1]]
        assert np.sqrt(own.var(axis=0, dtype=np.float64).mean()) == pytest.approx(1, abs=1e-5)
        start += part.shape[1]


def test_rows_are_read_in_batches_and_in_another_process_alike(two):
    view = two.features(BOTH, "pics").split("train")
    again = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(again.to_numpy(), view.to_numpy())
    assert again.key == view.key and str(again.origin) == str(view.origin)
    mixed = np.concatenate([x for x, _ in view.batches(7, shuffle=True, seed=3)])
    assert sorted(map(tuple, mixed.tolist())) == sorted(map(tuple, view.to_numpy().tolist()))


def test_nothing_is_stored_of_joined_features(two):
    before = sorted(two.config.features.rglob("*"))
    two.heads.train("h", two.features(BOTH, "pics"))
    assert sorted(two.config.features.rglob("*")) == before


def test_a_head_on_them_says_of_files_what_its_model_and_the_cache_say(two, tmp_path):
    head = two.heads.train("h", two.features(BOTH, "pics"))
    assert head.reproduce().agrees
    known = head.features()
    new = draw(tmp_path / "new.png", 999, tint=1)
    files = [two.datasets.get("pics").source + "/" + one for one in known.ids[:3]]
    said = head.predict([*files, str(new)])
    cached = head.judge.predict_proba(known[:3])
    np.testing.assert_allclose(said.probabilities[:3], cached, atol=1e-6)
    made = head.attach_checked(tmp_path / "model.keras")
    assert made.difference < 1e-4
    assert {one.name for one in made.model.inputs} == {"pixels_net", "pixels_other"}
    assert "12 by 12" in made.takes and "16 by 16" in made.takes
    trunks = [one for one in made.model.layers if one.name.startswith("trunk_")]
    assert len(trunks) == 2 and not any(one.trainable_weights for one in trunks)
    fed = {}
    for name in ("net", "other"):
        pipeline = Preprocessing.from_json(two.backbones.get(name).preprocessing)
        fed[f"pixels_{name}"] = pipeline.pixels.prepare(new.read_bytes())[None]
    np.testing.assert_allclose(predict(made.model, fed)[0], said.probabilities[3], atol=1e-5)


def test_what_takes_the_same_shares_an_input(two, tmp_path):
    network(seed=8).save(tmp_path / "third.keras")
    two.backbones.add("third", tmp_path / "third.keras", preprocess="unit")
    view = two.extract("net@pool + third@pool", "pics", engine="tensorflow")
    made = two.heads.train("h", view).attach_checked()
    (given,) = made.model.inputs
    assert given.name == "pixels" and made.difference < 1e-4
    assert len([one for one in made.model.layers if one.name.startswith("trunk_")]) == 2
    plain = two.heads.get("h").attach_checked(pixels=False)
    assert [one.name for one in plain.model.inputs] == ["samples"] and plain.difference < 1e-4


def test_a_ranking_says_what_joining_is_worth_and_what_it_costs(two, run):
    ranks = {one.name: one for one in two.rank("pics", BOTH, trying=TRYING)}
    assert len(ranks) == 4 and [one.gain for one in ranks.values()].count(None) == 3
    both = ranks["net@features + net@pool + other@features"]
    best = max((one for one in ranks.values() if one is not both), key=lambda x: x.linear.accuracy)
    assert both.gain.over == best.name
    assert both.gain.difference == pytest.approx(both.linear.accuracy - best.linear.accuracy)
    low, high = both.gain.interval
    assert low <= both.gain.difference <= high
    assert both.gain.size == both.size - best.size > 0
    ran = run("rank", "pics", BOTH, "--folds", "3")
    assert ran.code == 0 and "Joining is not shown to help: net@features + " in ran.out, ran
    assert "paired" in ran.out


def test_a_sweep_tries_them_and_a_head_is_trained_of_its_row(two, run):
    ran = run("head", "sweep", "pics", BOTH, "--folds", "3", "--confirm", "kept", "--json")
    assert ran.code == 0, ran
    assert {one["features"] for one in ran.json["trials"]} == {
        "net@features + net@pool + other@features"
    }
    made = run("head", "train", "again", "--from-sweep", ran.json["id"])
    assert made.code == 0 and "other:1@features" in made.out, made
    one, other = (two.heads.get(name) for name in ("kept", "again"))
    np.testing.assert_array_equal(one.stack.layers[0].kernel, other.stack.layers[0].kernel)


def test_verbs_of_a_head_know_them(two, run):
    assert run("head", "train", "h", BOTH, "pics").code == 0
    assert run("head", "retrain", "h").code == 0
    compared = two.heads.compare("h:1", "h:2")
    assert compared.fixed == compared.broken == []
    scored = run("head", "evaluate", "h", "pics", "--json")
    assert scored.json["metrics"]["accuracy"] == two.heads.get("h").metrics["accuracy"]


def test_the_head_travels_with_what_it_joins(two, tmp_path):
    head = two.heads.train("h", two.features(BOTH, "pics"))
    head.export(tmp_path / "h.head.zip")
    two.heads.remove("h")
    back = two.heads.import_(tmp_path / "h.head.zip")
    assert back.record.settings["joined"] == head.record.settings["joined"]
    np.testing.assert_array_equal(back.held_out().probabilities, head.held_out().probabilities)


def test_a_backbone_of_them_is_in_use(two):
    two.heads.train("h", two.features(BOTH, "pics"))
    with pytest.raises(StillInUse, match="head 'h'"):
        two.backbones.remove("other")
    two.backbones.remove("other", force=True)
    with pytest.raises(HeadError, match=r"no backbone here gives other:1@features"):
        two.heads.get("h").attach()


def test_verbs_of_one_cut_refuse_them(two, fails):
    two.heads.train("h", two.features(BOTH, "pics"))
    for verb in ("verify", "map", "explain"):
        assert "features are joined" in fails("features", verb, BOTH, "pics")
    assert "takes joined features" in fails("head", "finetune", "h", "--from", "pool")
    line = fails("head", "train", "x", "net@features,pool", "pics")
    assert "2 cuts are named, features, pool" in line
    assert "'net@features + net@pool'" in line


def test_features_of_a_dataset_at_two_times_are_not_joined(two, tmp_path):
    before = two.features("net@features", "pics")
    draw(tmp_path / "zoo" / "x.png", 1)  # no sample
    two.datasets.exclude("pics", [before.ids[0]])
    after = two.features("other@features", "pics")
    with pytest.raises(FeatureError, match="as it was at two times: net@features"):
        hs.join([before, after])


@pytest.mark.parametrize("scales", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (1.0, float("nan"))])
def test_a_scale_that_is_missing_or_none_is_said(two, scales):
    views = [two.features(f"{name}@features", "pics") for name in ("net", "other")]
    for joins in (hs.join, lambda views, scales: views[0].beside(views[1:], scales)):
        with pytest.raises(FeatureError, match="of 2 features to be joined"):
            joins(views, scales)


def test_views_of_augmented_pictures_are_joined_on_the_scales_of_the_plain_ones(two):
    how = {"settings": hs.Settings(engine="tensorflow")}
    plain = two.extract("net@pool + other@features", "pics", **how)
    view = two.extract("net@pool + other@features", "pics", augmentation=1, **how)
    assert view.origin.scales == plain.origin.scales


def test_the_command_extracts_them_and_reports_each_backbone(two, run):
    ran = run("extract", "net@features,pool + other@features", "pics", "--views", "1", "--json")
    assert ran.code == 0, ran
    (other,) = ran.json["beside"]
    assert [ran.json["backbone"], other["backbone"]] == ["net", "other"]
    assert [len(one["views"]) for one in (ran.json, other)] == [1, 1]
    shown = run("extract", BOTH, "pics")
    assert shown.code == 0 and shown.out.count("pics: 36 samples") == 2, shown
    jobs = run("extract", BOTH, "pics", "--detach", "--json").json
    assert [one["subject"].partition("@")[0] for one in jobs] == ["net", "other"]


def test_a_sample_that_is_missing_in_one_is_named(two):
    one, other = two.features("net@features", "pics"), two.features("other@features", "pics")
    with pytest.raises(FeatureError, match=f"sample '{one.ids[0]}' has no row in other@features"):
        one.beside([other.split("test")], (1.0, 1.0))


def test_what_takes_pictures_is_not_joined_with_what_takes_texts(two):
    one, other = (two.features(f"{n}@features", "pics").origin.blocks[0] for n in ("net", "other"))
    texts = replace(other.backbone, preprocessing={"steps": [{"step": "text"}]})
    with pytest.raises(FeatureError, match="net takes pictures, other takes texts"):
        check_common_input(Blocks([one, Block(texts, other.cut)]))
