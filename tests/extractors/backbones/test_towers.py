"""The towers of CLIP and SigLIP, each a backbone, give what the whole model gives."""

import gc
import warnings
import weakref
from dataclasses import replace

import numpy as np
import pytest
from presets import TEXTS, clip_preset, siglip_preset

import headstart as hs
from conftest import draw, keras
from headstart.errors import AlreadyExists, BackboneError
from headstart.jobs.backbones import add
from headstart.jobs.backbones.text_tower import get_text_tower
from headstart.notices import HeadstartNote

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip") / "preset"
    return (folder, *clip_preset(folder))


@pytest.fixture(scope="module")
def added(clip, tmp_path_factory):
    place = tmp_path_factory.mktemp("added")
    for number in range(6):
        draw(place / "pictures" / ("cat", "photo")[number % 2] / f"{number}.png", number)
    ws = hs.init(place / "zoo")
    ws.datasets.add("pictures", place / "pictures")
    with pytest.warns(HeadstartNote, match="its texts are the backbone 'clip-text'"):
        ws.backbones.add("clip", f"kerashub:{clip[0]}")
    return ws


def pixels(view):
    return [keras.utils.img_to_array(keras.utils.load_img(s.location)) for s in view.samples]


def cosines_by(model, preprocessor, view, texts):
    """Of each picture and text, by KerasHub's own layers from end to end."""
    images = np.concatenate([preprocessor.image_converter(one[None]) for one in pixels(view)])
    tokens = preprocessor({"prompts": texts, "images": None})["token_ids"]
    both = model.get_vision_embeddings(images), model.get_text_embeddings(tokens)
    logits, _ = model.clip_head(*both)
    return np.asarray(logits) / np.exp(float(np.asarray(model.clip_head.logit_scale)))


def test_a_model_of_two_towers_is_two_backbones_that_are_linked(added, clip, run):
    _, model, preprocessor = clip
    pictures, texts = added.backbones.get("clip"), added.backbones.get("clip-text")
    assert pictures.tags["text-backbone"] == texts.reference
    assert [one["name"] for one in pictures.inputs] == ["images"]
    assert [one["name"] for one in texts.inputs] == ["token_ids"]
    shown = run("backbone", "show", texts.reference, "--workspace", added.config.root).out
    length = texts.preprocessing["steps"][-1]["sequence_length"]
    told = f"token_ids: a sequence of any length, {length} by the preprocessing, int32"
    assert told in " ".join(shown.split())
    view = added.extract("clip", "pictures")
    images = np.concatenate([preprocessor.image_converter(one[None]) for one in pixels(view)])
    by_hand = np.asarray(model.get_vision_embeddings(images))
    assert view.shape == (6, 6)
    np.testing.assert_allclose(view.to_numpy(), by_hand, atol=TOLERANCE)
    tower = get_text_tower(added.context, pictures)
    tokens = preprocessor({"prompts": TEXTS, "images": None})["token_ids"]
    spoken = np.asarray(model.get_text_embeddings(tokens))
    np.testing.assert_allclose(tower.rows(TEXTS, 6), spoken, atol=TOLERANCE)


def test_a_text_is_as_similar_to_a_picture_as_the_whole_model_says(added, clip):
    _, model, preprocessor = clip
    view = added.extract("clip", "pictures")
    cosines = cosines_by(model, preprocessor, view, TEXTS)
    found = added.similar("clip", "pictures", texts=TEXTS, count=6)
    for row, one in zip(cosines.T, found, strict=True):
        expected = dict(zip(view.ids, row.tolist(), strict=True))
        said = {match.sample.id: match.similarity for match in one.matches}
        assert said == pytest.approx(expected, abs=TOLERANCE)


def test_its_head_of_class_names_is_the_models_own_softmax(added, clip):
    _, model, preprocessor = clip
    view = added.extract("clip", "pictures")
    head = added.heads.train("names", view, hs.ZeroShot(prompt="a {}", logit_scale=14.0))
    cosines = cosines_by(model, preprocessor, view, ["a cat", "a photo"])
    expected = np.asarray(keras.ops.softmax(14 * cosines))
    np.testing.assert_allclose(head.stack.predict_proba(view.to_numpy()), expected, atol=1e-4)


def test_a_tower_is_named_of_models_that_have_two(ws, clip, tmp_path):
    with pytest.raises(BackboneError, match="tower is 'both'"):
        ws.backbones.add("clip", f"kerashub:{clip[0]}?tower=both")
    (tmp_path / "config.json").write_text('{"registered_name": "keras_hub>BertBackbone"}')
    with pytest.raises(BackboneError, match="no model of pictures and texts"):
        ws.backbones.add("bert", f"kerashub:{tmp_path}?tower=text")


def test_both_towers_are_registered_or_none(ws, clip, model_file, files_of):
    ws.backbones.add("net", model_file)
    before = stored(ws, files_of)
    with pytest.raises(BackboneError, match="nonsense"):
        ws.backbones.add("clip", f"kerashub:{clip[0]}", cut="nonsense")
    ws.backbones.alias("clip", "net")
    with pytest.raises(AlreadyExists, match="'clip' is an alias"):
        ws.backbones.add("clip", f"kerashub:{clip[0]}")
    assert [one.name for one in ws.backbones.list()] == ["net"]
    assert stored(ws, files_of) == before


def stored(ws, files_of):
    return {name for name in files_of(ws.config.root) if name.startswith("artifacts")}


def test_another_models_name_is_not_taken_for_the_tower_of_texts(ws, clip, model_file):
    ws.backbones.add("mm-text", model_file)
    with pytest.raises(AlreadyExists, match="'mm-text' is another model's name") as raised:
        ws.backbones.add("mm", f"kerashub:{clip[0]}")
    assert "?tower=text" in str(raised.value.hint)
    assert [one.name for one in ws.backbones.list()] == ["mm-text"]


def test_a_name_that_another_took_while_towers_were_read_is_refused(
    ws, clip, model_file, monkeypatch
):
    real = add.find_lost

    def taking(*asked):
        ws.backbones.add("mm-text", model_file)
        return real(*asked)

    monkeypatch.setattr(add, "find_lost", taking)
    with pytest.raises(AlreadyExists, match="'mm-text' is another model's name"):
        ws.backbones.add("mm", f"kerashub:{clip[0]}")
    assert [one.reference for one in ws.backbones.list()] == ["mm-text:1"]


def test_one_tower_is_in_memory_at_a_time_and_a_link_is_of_pictures(added, clip, monkeypatch):
    real, seen = add.tried, []

    def trying(read, *more):
        gc.collect()
        assert [graph() for graph in seen] == [None] * len(seen)
        seen.append(weakref.ref(read.graph))
        return real(read, *more)

    monkeypatch.setattr(add, "tried", trying)
    tags = {"text-backbone": "clip-text", "from": "here"}
    made = added.backbones.add("own", f"kerashub:{clip[0]}", tags=tags)
    assert len(seen) == 2 and made.tags == tags
    assert added.backbones.get("own-text").tags == {"from": "here"}


def test_of_towers_that_are_refused_nothing_is_told(ws, clip, monkeypatch):
    source = f"kerashub:{clip[0]}"
    ws.backbones.add("mm", source)
    texts = ws.backbones.get("mm-text")
    ws.context.backbones.set_artifact(texts, replace(texts, artifact_digest="0" * 64))  # lost

    def failing(*_):
        raise BackboneError("the second tower is refused")

    monkeypatch.setattr(add, "_linked", failing)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(BackboneError, match="the second tower is refused"):
            ws.backbones.add("mm", source)
    assert [str(one.message) for one in told if "restored" in str(one.message)] == []
    monkeypatch.undo()
    with pytest.warns(HeadstartNote, match="the lost model file of backbone 'mm-text'"):
        ws.backbones.add("mm", source)


def test_towers_that_are_added_again_are_those_that_are_there(ws, clip):
    source = f"kerashub:{clip[0]}"
    first = ws.backbones.add("mm", source)
    ws.backbones.tag("mm", {"text-backbone": None})
    again = ws.backbones.add("mm", source)
    assert again.reference == first.reference and again.tags == {"text-backbone": "mm-text:1"}
    assert {one.reference for one in ws.backbones.list()} == {"mm:1", "mm-text:1"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # KerasHub leaves it open
def test_siglip_has_towers_too(ws, tmp_path):
    model, preprocessor = siglip_preset(tmp_path / "preset")
    for number in range(4):
        draw(tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png", number, (16, 16))
    ws.datasets.add("pictures", tmp_path / "pictures")
    with pytest.warns(HeadstartNote, match="its texts are the backbone 'siglip-text'"):
        ws.backbones.add("siglip", f"kerashub:{tmp_path / 'preset'}")
    view = ws.extract("siglip", "pictures")
    by_hand = model.get_vision_embeddings(np.stack(pixels(view)) / 255)
    np.testing.assert_allclose(view.to_numpy(), np.asarray(by_hand), atol=TOLERANCE)
    tokens = preprocessor({"prompts": TEXTS, "images": np.zeros((3, 16, 16, 3))})["token_ids"]
    spoken = np.asarray(model.get_text_embeddings(tokens))
    tower = get_text_tower(ws.context, ws.backbones.get("siglip"))
    np.testing.assert_allclose(tower.rows(TEXTS, 8), spoken, atol=TOLERANCE)
    assert np.ptp(spoken, axis=0).max() > 100 * TOLERANCE  # texts are told apart
