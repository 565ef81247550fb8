"""A head on its backbone, as one model and in predictions, says what it says of cached features."""

import json
from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.backbone_model import pipeline_of, prepare
from headstart.errors import ParityError
from headstart.extractors.preprocessing.pipeline import Preprocessing
from headstart.heads.models import attach

TOLERANCE = 1e-4


@pytest.mark.parametrize("kind", [hs.Linear(), hs.MLP(epochs=3)])
@pytest.mark.parametrize("cut", ["features", "relu|gap", "bn|gmp", "pool", "relu"])
def test_an_attached_model_equals_the_cached_path(ready, tmp_path, model, kind, cut):
    view = ready.extract(f"net@{cut}", "pics")
    head = ready.heads.train("h", view, kind)
    attached, difference = head.attach_checked(tmp_path / "attached.keras", pixels=False)
    assert difference <= TOLERANCE
    loaded = keras.saving.load_model(tmp_path / "attached.keras")  # an ordinary model
    inputs = prepare(
        ready.context,
        ready.backbones.get("net"),
        view.samples,
        lambda s: Path(s.location).read_bytes(),
    )
    expected = head.stack.predict_proba(view.to_numpy())
    for one in (attached, loaded):
        np.testing.assert_allclose(one.predict(inputs, verbose=0), expected, atol=TOLERANCE)
    trainable = {layer.name for layer in loaded.layers if layer.trainable_weights}
    assert all(name.startswith("head_") for name in trainable)
    for layer in model.layers:
        if layer.weights and layer.name in {x.name for x in loaded.layers}:
            for ours, theirs in zip(
                layer.get_weights(), loaded.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)


def test_beside_the_model_lies_what_its_outputs_mean(ready, tmp_path):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    head.attach(tmp_path / "attached.keras")
    facts = json.loads((tmp_path / "attached.json").read_text())
    assert facts["classes"] == ["blue", "green", "red"]
    assert facts["preprocessing"] == ready.backbones.get("net").preprocessing
    assert facts["feature_key"] == head.record.feature_key


def test_raw_pixels_go_in_unless_preprocessed_ones_are_asked_for(ready, tmp_path, run):
    view = ready.extract("net", "pics")
    head = ready.heads.train("h", view)
    raw = np.stack(
        [
            pipeline_of(ready.context, ready.backbones.get("net")).pixels.prepare(
                Path(s.location).read_bytes()
            )
            for s in view.samples
        ]
    )
    expected = head.stack.predict_proba(view.to_numpy())
    made = head.attach_checked(tmp_path / "attached.keras")
    np.testing.assert_allclose(made.model.predict(raw, verbose=0), expected, atol=TOLERANCE)
    facts = json.loads((tmp_path / "attached.json").read_text())
    assert made.takes == facts["takes"] == "pixels, uint8 of 0 to 255, 12 by 12 RGB"
    assert f"| takes | {made.takes} |" in (tmp_path / "attached.md").read_text()
    assert f"it takes {made.takes}" in run("head", "attach", "h", "-o", tmp_path / "x.keras").out
    asked = run("head", "attach", "h", "-o", tmp_path / "y.keras", "--preprocessed", "--json").json
    assert asked["takes"] == "what the preprocessing gives"
    assert json.loads((tmp_path / "y.json").read_text())["inside_the_model"] == []


def test_a_model_that_differs_from_the_cached_path_is_not_saved(ready, tmp_path, monkeypatch):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    real = attach.attach

    def wrong(trunk, stack, name):
        model = real(trunk, stack, name)
        layer = model.get_layer("head_probabilities")
        layer.set_weights([layer.get_weights()[0] + 1e-1, layer.get_weights()[1] + [0, 0, 1]])
        return model

    monkeypatch.setattr(attach, "attach", wrong)
    with pytest.raises(ParityError, match="nothing was saved"):
        head.attach(tmp_path / "attached.keras")
    assert not list(tmp_path.glob("*attached*"))


@pytest.mark.parametrize(
    ("target", "message"),
    [("x.h5", "Give a name that ends in .keras")],
)
def test_a_target_that_cannot_be_is_refused(ready, fails, tmp_path, target, message):
    ready.heads.train("h", ready.extract("net", "pics"))
    assert message in fails("head", "attach", "h", "--output", tmp_path / target)


def test_predictions_are_those_of_the_attached_model(ready, pictures, tmp_path, run):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    new = tmp_path / "new"
    new.mkdir()
    source = pictures / "blue" / "00.jpg"
    from PIL import Image

    Image.open(source).rotate(90).save(new / "turned.png")
    (new / "known.jpg").write_bytes(source.read_bytes())
    model = head.attach(pixels=False)
    predictions = run("head", "predict", "h", new, "--json").json
    assert [p["name"] for p in predictions] == [str(new / "known.jpg"), str(new / "turned.png")]
    pipeline = Preprocessing.from_json(ready.backbones.get("net").preprocessing)
    files = [new / "known.jpg", new / "turned.png"]
    inputs = np.stack([pipeline.prepare(file.read_bytes()) for file in files])
    expected = model.predict(inputs, verbose=0)
    for prediction, row in zip(predictions, expected, strict=True):
        assert prediction["label"] == head.record.classes[int(row.argmax())]
        assert prediction["probability"] == pytest.approx(float(row.max()), abs=TOLERANCE)


def test_files_in_the_cache_are_predicted_without_the_backbone(ready, pictures, monkeypatch):
    head = ready.heads.train("h", ready.extract("net", "pics"))
    monkeypatch.setattr(
        "headstart.backbone_model.open_engine", lambda *_: pytest.fail("the model was run")
    )
    assert len(head.predict([pictures])) == 36


def test_a_file_that_cannot_be_read_is_named_or_skipped(ready, pictures, tmp_path, fails, run):
    ready.heads.train("h", ready.extract("net", "pics"))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"x")
    assert f"{bad}: not a readable image" in fails("head", "predict", "h", bad)
    ran = run("head", "predict", "h", bad, pictures / "red", "--on-error", "skip", "--json")
    assert len(ran.json) == 12
    assert "no file, folder or dataset" in fails("head", "predict", "h", tmp_path / "none.png")
