"""What a preset's own tokenizer and converter make of a sample is seen when it is added."""

import json
import shutil

import h5py
import numpy as np
import pytest
from presets import clip_preset

import headstart as hs
from headstart.errors import BackboneError, PreprocessingError
from headstart.notices import HeadstartWarning


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip") / "preset"
    clip_preset(folder)
    return folder


@pytest.fixture
def copied(preset, tmp_path):
    return shutil.copytree(preset, tmp_path / "preset")


def settings(folder, change):
    """Change the settings of the image converter, wherever they stand."""
    for name in ("preprocessor.json", "image_converter.json"):
        file = folder / name
        content = json.loads(file.read_text())
        own = content["config"]
        change(own["image_converter"]["config"] if "image_converter" in own else own)
        file.write_text(json.dumps(content))


def refused(ws, folder, tower, files_of, error=PreprocessingError):
    before = files(ws, files_of)
    with pytest.raises(error) as raised:
        ws.backbones.add("clip", f"kerashub:{folder}?tower={tower}")
    assert len(ws.backbones.list()) == 0 and files(ws, files_of) == before
    assert "\n" not in raised.value.message
    return raised.value.message


def files(ws, files_of):
    return {name for name in files_of(ws.config.root) if "headstart.db" not in name}


@pytest.mark.parametrize("side", [14_000, 32])
def test_pictures_of_another_size_than_the_model_takes_are_refused(ws, copied, side, files_of):
    settings(copied, lambda own: own.update(image_size=[side, side]))
    said = refused(ws, copied, "image", files_of)
    assert f"{side:,}" in said or f"{side}" in said


def test_a_converter_that_gives_nan_is_refused(ws, copied, files_of):
    settings(copied, lambda own: own.update(scale=[float("nan")] * 3))
    assert "NaN" in refused(ws, copied, "image", files_of)


def test_a_tokenizer_that_does_not_work_is_refused(ws, copied, files_of):
    (copied / "assets" / "tokenizer" / "vocabulary.json").write_text('{"a": "b"}')
    assert "the preprocessing of 'clip' fails" in refused(ws, copied, "text", files_of)


def test_weights_of_nan_are_refused(ws, copied, files_of):
    with h5py.File(copied / "model.weights.h5", "r+") as file:
        file.visititems(lambda _, one: spoil(one) if isinstance(one, h5py.Dataset) else None)
    said = refused(ws, copied, "text", files_of, BackboneError)
    assert said == "'clip' gives NaN or infinity for a seeded text"


def spoil(numbers):
    if numbers.dtype.kind == "f" and numbers.shape:
        numbers[...] = np.nan


def test_tokens_that_the_model_has_no_row_for_are_told(ws, copied):
    file = copied / "assets" / "tokenizer" / "vocabulary.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "zz": 21}))
    backbone = ws.backbones.add("clip", f"kerashub:{copied}?tower=text")
    assert any(
        "numbers tokens from 0 to 21, and the model's table has 21" in w for w in backbone.warnings
    )


def test_the_tower_of_pictures_is_tried_with_pictures_and_converted(ws, preset):
    said = []
    ws.backbones.add("clip", f"kerashub:{preset}?tower=image", say=said.append)
    assert [line for line in said if "not converted" in line] == []


def test_without_a_tokenizer_towers_are_not_linked(ws, copied):
    shutil.rmtree(copied / "assets")
    for name in ("preprocessor.json", "tokenizer.json", "image_converter.json"):
        (copied / name).unlink()
    with pytest.warns(HeadstartWarning, match="the preset has no tokenizer"):
        ws.backbones.add("clip", f"kerashub:{copied}")
    assert ws.backbones.get("clip").tags == {}
    assert {one.name for one in ws.backbones.list()} == {"clip", "clip-text"}


def test_a_bundle_is_tried_likewise(ws, preset, tmp_path, monkeypatch):
    ws.backbones.add("clip", f"kerashub:{preset}?tower=image")
    ws.backbones.export("clip", tmp_path / "clip.zip")
    other = hs.init(tmp_path / "other")
    monkeypatch.setattr("headstart.extractors.preprocessing.steps.hub.LARGEST_SIDE", 8)
    with pytest.raises(PreprocessingError, match="at most 8 a side"):
        other.backbones.import_(tmp_path / "clip.zip")
    assert len(other.backbones.list()) == 0
