"""Fine-tuning from the cache equals fine-tuning the whole model on pictures."""

from pathlib import Path

import numpy as np
import pytest

import headstart as hs
from conftest import keras
from headstart.backbone_model import pipeline_of
from headstart.errors import BackboneError, FeaturesMissing, HeadError
from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import Part
from headstart.heads.labelled import numbers_of

STEPS = hs.FineTuning(learning_rate=1e-2, epochs=3, batch_size=8)
TOLERANCE = 1e-4
STRENGTH = 0.003
"""A head that leaves something to be learnt."""


@pytest.fixture
def trained(ready):
    view = ready.extract("net@features,relu,conv", "pics")
    ready.heads.train("h", ready.features("net@features", "pics"), hs.Linear((STRENGTH,)))
    assert view.report.computed
    return ready


def pictures_of(ws, split):
    """What plain Keras takes: preprocessed pictures and class numbers, in the dataset's order."""
    pipeline = pipeline_of(ws.context, ws.backbones.get("net"))
    manifest = ws.datasets.manifest("pics")
    samples = [sample for sample in manifest.samples if sample.split == split]
    x = [pipeline.prepare(Path(str(sample.location)).read_bytes()) for sample in samples]
    return np.stack(x), np.array([manifest.classes.index(sample.label) for sample in samples])


def start_by_hand(ws):
    """The head fitted on the train split alone: of the one that `head train` gives, the validation
    split would say that it is better than it is."""
    view, head = ws.features("net@features", "pics").split("train"), ws.heads.get("h")
    part = Part(view.to_numpy(), numbers_of(view.labels, head.record.classes))
    fitted = hs.Linear((STRENGTH,)).fit(part, part.rows(slice(0)), 3, head.record.seed)
    return DenseStack(fitted.layers, tuple(head.record.classes))


def by_hand(ws, model, frozen, settings):
    """The same layers trained in plain Keras, the frozen ones run for every batch."""
    head = ws.heads.get("h")
    stack = start_by_hand(ws)
    cut = keras.Model(model.inputs, model.get_layer("features").output)
    whole = keras.Model(cut.inputs, stack.to_keras(cut(cut.inputs[0], training=False)))
    for layer in cut.layers:
        layer.trainable = layer.name not in frozen and layer.name != "bn"
    keras.utils.set_random_seed(head.record.seed)
    whole.compile(keras.optimizers.Adam(settings.learning_rate), "sparse_categorical_crossentropy")
    whole.fit(
        *pictures_of(ws, "train"),
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        verbose=0,
        validation_data=pictures_of(ws, "validation"),
        callbacks=[
            keras.callbacks.EarlyStopping(
                "val_loss", patience=settings.patience, restore_best_weights=True
            )
        ],
    )
    return whole


def uint8(x):
    """The pixels that preprocessing as `unit` gave `x` of."""
    return np.rint(255 * x).astype(np.uint8)


@pytest.mark.parametrize(("start", "frozen"), [("relu", {"conv", "relu"}), ("conv", {"conv"})])
def test_it_gives_the_model_that_fine_tuning_on_pictures_gives(trained, model, start, frozen):
    tuned = trained.heads.get("h").finetune(start, None, STEPS)
    assert tuned.is_better
    x, targets = pictures_of(trained, "test")
    expected = by_hand(trained, model, frozen, STEPS).predict(x, verbose=0)
    given = tuned.model.predict(uint8(x), verbose=0)
    np.testing.assert_allclose(given, expected, atol=2e-3)
    assert tuned.metrics["accuracy"] == pytest.approx((given.argmax(axis=1) == targets).mean())
    before = trained.heads.get("h:1").attach(pixels=False).predict(x, verbose=0)
    assert np.abs(given - before).max() > 0.01  # it did learn something


def test_what_lies_below_the_cut_and_batch_norms_stay_as_they_are(trained, model):
    tuned = trained.heads.get("h").finetune("conv", None, STEPS).model
    tuned = tuned.get_layer(tuned.name)  # below the pixels' scaling
    for name in ("conv", "bn"):
        for one, other in zip(
            tuned.get_layer(name).get_weights(), model.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, other)
    one, other = (m.get_layer("features").get_weights()[0] for m in (tuned, model))
    assert np.abs(one - other).max() > 0


def test_the_saved_model_is_what_was_trained(trained, run, tmp_path):
    file = tmp_path / "tuned.keras"
    said = run(
        "head", "finetune", "h", "--from", "relu", "-o", file, "--epochs", "2", "--json"
    ).json
    assert said["max_abs_diff"] < TOLERANCE
    assert len(said["history"]["loss"]) == 2
    x, targets = pictures_of(trained, "test")
    given = keras.models.load_model(file).predict(uint8(x), verbose=0)
    assert said["metrics"]["accuracy"] == pytest.approx((given.argmax(axis=1) == targets).mean())
    assert "fine-tuned from relu" in (tmp_path / "tuned.md").read_text()
    shown = run(
        "head", "finetune", "h:1", "--from", "relu", "-o", file, "--epochs", "1", "--force"
    ).out
    assert "the head alone" in shown and max(map(len, shown.splitlines()[:4])) <= 80


def test_where_it_cannot_start_is_said(trained):
    head = trained.heads.get("h")
    with pytest.raises(BackboneError, match="does not lie below"):
        head.finetune("features")
    with pytest.raises(BackboneError, match="does not lie below"):
        head.finetune("dropout")
    with pytest.raises(HeadError, match="is pooled"):
        head.finetune("relu|gap")
    with pytest.raises(FeaturesMissing):
        head.finetune("bn")
    with pytest.raises(HeadError, match="must be above 0"):
        hs.FineTuning(learning_rate=0.0)


def test_the_cached_backbone_is_not_changed(trained):
    before = trained.extract("net@pool", "pics").to_numpy()
    trained.heads.get("h").finetune("relu", None, STEPS)
    again = trained.verify("net@pool", "pics")
    assert again["max_abs_diff"] < 1e-5
    np.testing.assert_array_equal(trained.features("net@pool", "pics").to_numpy(), before)
