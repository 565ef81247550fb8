"""Augmented views: the same on every machine, kept apart, trained on, never tested on."""

from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import draw, rows_in
from headstart.errors import FeaturesMissing, PreprocessingError
from headstart.extractors.cache.gc import Choice
from headstart.extractors.preprocessing.augmentation import in_view, view_of, without_view
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.extractors.preprocessing.steps import STEPS

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
SETTINGS = {"crop": 0.6, "flip": True, "light": 0.15}


def augment(pixels=PIXELS, view=1, seed=0, **settings):
    return STEPS["augment"].run(pixels, view=view, seed=seed, **{**SETTINGS, **settings})


def test_a_view_depends_on_content_seed_and_number_alone():
    np.testing.assert_array_equal(augment(), augment(PIXELS.copy(order="F")))
    others = [augment(view=2), augment(seed=1), augment(PIXELS[::-1])]
    for other in others:
        assert other.shape != augment().shape or not np.array_equal(other, augment())


def test_a_view_is_a_crop_of_the_picture_turned_or_not():
    turned = 0
    for view in range(1, 60):
        found = augment(view=view, light=0.0)
        height, width = found.shape[:2]
        assert 0.55 * 2400 <= height * width <= 2400
        windows = np.lib.stride_tricks.sliding_window_view(PIXELS, (height, width, 3))[:, :, 0]
        is_crop = (windows == found).all(axis=(2, 3, 4)).any()
        is_turned = (windows == found[:, ::-1]).all(axis=(2, 3, 4)).any()
        assert is_crop or is_turned
        turned += not is_crop
    assert 15 < turned < 45
    assert augment(crop=1.0, flip=False, light=0.0).dtype == np.uint8


def test_without_chance_the_light_changes_and_nothing_else():
    flat = np.full((8, 8, 3), 100, np.uint8)
    means = [augment(flat, view=view, crop=1.0).mean() for view in range(1, 40)]
    assert 84 <= min(means) < 95 and 105 < max(means) <= 116


def test_every_picture_has_a_view_however_small():
    for shape in ((1, 1, 3), (1, 50, 1), (3, 2, 3)):
        assert augment(np.zeros(shape, np.uint8)).size >= shape[-1]


def test_views_are_features_of_their_own(ready, model):
    ready.extract("net", "pics")
    before = rows_in(ready)
    with pytest.raises(FeaturesMissing):
        ready.features("net", "pics", augmentation=1)
    one, two = (
        ready.extract("net", "pics", augmentation=1),
        ready.extract("net", "pics", augmentation=2),
    )
    train = ready.features("net", "pics").split("train")
    assert [s.id for s in one.samples] == [s.id for s in train.samples]
    assert rows_in(ready) == before + 2 * len(train)
    assert len({one.key, two.key, train.key}) == 3
    assert not np.allclose(one.to_numpy(), two.to_numpy())
    assert ready.extract("net", "pics", augmentation=1).report.computed == 0
    np.testing.assert_array_equal(
        ready.features("net", "pics", augmentation=1).to_numpy(), one.to_numpy()
    )


def test_a_view_is_what_plain_keras_gives_for_the_changed_picture(ready, model):
    view = ready.extract("net", "pics", augmentation=3)
    entity = in_view(ready.backbones.get("net"), 3)
    steps = entity.preprocessing["steps"]
    assert [step["step"] for step in steps[:2]] == ["decode_image", "augment"]
    assert view_of(entity.preprocessing) == 3
    plain = ready.backbones.get("net")
    assert without_view(entity.preprocessing) == plain.preprocessing_fingerprint
    decode, rest = (Preprocessing.from_json({"steps": some}) for some in (steps[:1], steps[2:]))
    from conftest import keras

    inputs = []
    for sample in view.samples:
        with Path(str(sample.location)).open("rb") as file:
            pixels = decode.prepare(file.read())
        inputs.append(rest.prepare(augment(pixels, view=3)))
    by_hand = keras.Model(model.inputs, model.get_layer("features").output)
    expected = by_hand.predict(np.stack(inputs), verbose=0)
    np.testing.assert_allclose(view.to_numpy(), expected, atol=1e-5)


def test_heads_are_trained_on_views_and_judged_without(ready, run):
    said = run("extract", "net", "pics", "--views", "2", "--json").json
    assert len(said["views"]) == 2
    train = len(ready.features("net", "pics").split("train"))
    assert [view["computed"] for view in said["views"]] == [train, train]
    ran = run("head", "train", "h", "net", "pics", "--views", "2", "--json").json
    assert ran["metrics"]["n_train"] == train and ran["settings"]["views"] == 2
    plain = run("head", "train", "p", "net", "pics", "--json").json
    assert plain["metrics"]["n_test"] == ran["metrics"]["n_test"]
    head = ready.heads.get("h")
    assert head.reproduce()["agrees"]
    stacks = [ready.heads.get(name).stack.layers[0].kernel for name in ("h", "p")]
    assert not np.allclose(*stacks)
    assert "with 2 augmented views of each" in run("head", "show", "h").out
    assert ", view 2" in run("features", "list").out.replace("\n", " ")


def test_a_head_on_views_is_a_head_on_their_rows(ready):
    view = ready.extract("net", "pics")
    one = ready.extract("net", "pics", augmentation=1)
    head = ready.heads.train("h", view, hs.Prototype(), views=1)
    from headstart.heads.kind import Part
    from headstart.heads.labelled import numbers_of

    parts = {name: view.split(name) for name in ("train", "validation")}
    x = np.concatenate([parts["train"].to_numpy(), one.to_numpy()])
    y = numbers_of([*parts["train"].labels, *one.labels], head.record.classes)
    judge = parts["validation"]
    validation = Part(judge.to_numpy(), numbers_of(judge.labels, head.record.classes))
    # What is left out to judge by is left out in all its views: rows of a picture are a group.
    digests = [sample.digest for sample in (*parts["train"].samples, *one.samples)]
    groups = np.unique(digests, return_inverse=True)[1]
    (layer,) = hs.Prototype().fit(Part(x, y, groups=groups), validation, 3, 0).layers
    np.testing.assert_allclose(head.stack.layers[0].kernel, layer.kernel, atol=1e-6)


def test_fine_tuning_takes_views(ready, run, tmp_path):
    run("head", "train", "h", "net", "pics")
    ran = run("head", "finetune", "h", "--from", "relu", "-o", tmp_path / "f.keras", "--views",
              "1", "--epochs", "1", "--json")  # fmt: skip
    assert ran.code == 0 and (tmp_path / "f.keras").exists()
    keys = {row["view"] for row in run("features", "list", "--json").json}
    assert keys == {0, 1}


def test_views_are_kept_by_gc_as_long_as_their_backbone_is_there(ready):
    ready.extract("net", "pics", augmentation=1)
    assert not ready.cache.find_garbage(Choice(unreachable=True))
    ready.backbones.remove("net")
    assert len(ready.cache.find_garbage(Choice(unreachable=True))) == 1


def test_what_has_no_views_says_so(ws, model_file, tmp_path, fails):
    ws.backbones.add("arrays", model_file, preprocess="array")
    draw(tmp_path / "d" / "a" / "1.png", 1)
    np.savez(tmp_path / "d.npz", x=np.zeros((6, 12, 12, 3), np.float32), y=np.arange(6) % 2)
    ws.datasets.add("d", tmp_path / "d.npz")
    with pytest.raises(PreprocessingError, match="takes no pictures from files"):
        ws.extract("arrays", "d", augmentation=1)
    assert "has no other views" in fails("extract", "arrays", "d", "--views", "1")
    with pytest.raises(PreprocessingError, match="view is -1"):
        ws.extract("arrays", "d", augmentation=-1)
