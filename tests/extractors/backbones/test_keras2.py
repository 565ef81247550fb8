"""Files that Keras 2 wrote give in Keras 3 the numbers that they gave in Keras 2."""

import codecs
import json
import marshal
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from headstart.backbone_model import open_engine
from headstart.errors import ModelFileError
from headstart.extractors.backbones.sources.files import load_model

ASSETS = Path(__file__).parents[2] / "assets" / "keras2"
TOLERANCE = 1e-5
CUTS = {
    "attention": "global_average_pooling1d",
    "functional": "global_average_pooling2d",
    "gru": "lstm",
    "leaky": "re_lu",
    "mixed": "bidirectional",
    "nested": "global_average_pooling2d_1",
}


@pytest.mark.parametrize("name", CUTS)
def test_a_file_of_keras_2_is_cut_and_extracted_like_in_keras_2(ws, tmp_path, name):
    backbone = ws.backbones.add("old", ASSETS / f"{name}.h5", preprocess="array")
    assert backbone.default_cut.name == CUTS[name]
    known = np.load(ASSETS / f"{name}.npz")
    np.savez(tmp_path / "d.npz", x=known["x"], y=[0, 1, 0])
    ws.datasets.add("d", tmp_path / "d.npz")
    output = backbone.cuts[-1].name
    features = ws.extract(f"old@{CUTS[name]},{output}", "d").to_numpy()
    np.testing.assert_allclose(features, known["f"], atol=TOLERANCE)
    outputs = ws.features(f"old@{output}", "d").to_numpy()
    np.testing.assert_allclose(outputs, known["y"], atol=TOLERANCE)
    assert all(check.ok for check in ws.backbones.verify("old", dataset="d", samples=3))


def oldest(config):
    """What Keras 2.0 wrote: another class name, fewer settings, relu6 as a custom object."""
    new_settings = {"groups", "dtype", "ragged", "sparse", "registered_name", "build_config"}
    if isinstance(config, list):
        return [oldest(item) for item in config]
    if not isinstance(config, dict):
        return config
    kept = {key: oldest(value) for key, value in config.items() if key not in new_settings}
    if kept.get("class_name") == "Functional":
        kept["class_name"] = "Model"
    if kept.get("class_name") == "Conv2D":
        kept["config"]["activation"] = "relu6"
    kept.pop("module", None)
    return kept


def test_a_file_as_keras_2_0_wrote_it_is_taken(ws, tmp_path):
    file = shutil.copy(ASSETS / "functional.h5", tmp_path / "oldest.h5")
    with h5py.File(file, "a") as model:
        config = oldest(json.loads(model.attrs["model_config"]))
        assert config["class_name"] == "Model"
        model.attrs["model_config"] = json.dumps(config)
        model.attrs["keras_version"] = "2.0.8"
        model.attrs["training_config"] = json.dumps(
            {"optimizer_config": {"class_name": "Adam", "config": {"lr": 0.1, "decay": 0.5}}}
        )
    backbone = ws.backbones.add("old", file, preprocess="array")
    known = np.load(ASSETS / "functional.npz")
    _, cuts = ws.context.resolve("old")
    features = open_engine(ws.context, backbone, cuts).run(known["x"])[0]
    np.testing.assert_allclose(features, known["f"], atol=TOLERANCE)  # no value is above 6


def test_the_layers_of_a_nested_model_can_be_cut(ws):
    backbone = ws.backbones.add("old", ASSETS / "nested.h5", preprocess="array")
    assert "base/conv2d_1" in [cut.name for cut in backbone.cuts]


def test_a_bare_tensorflow_function_is_refused_with_the_reason(ws, fails):
    message = fails("backbone", "add", "old", ASSETS / "bare_function.h5")
    assert "holds a bare TensorFlow function (TFOpLambda)" in message
    assert "Keras layers in place of tf functions" in message


def test_a_setting_that_would_change_a_number_is_refused(ws, fails, tmp_path):
    file = shutil.copy(ASSETS / "gru.h5", tmp_path / "gru.h5")
    with h5py.File(file, "a") as model:
        config = json.loads(model.attrs["model_config"])
        (gru, *_) = [item for item in config["config"]["layers"] if item["class_name"] == "GRU"]
        gru["config"]["time_major"] = True
        model.attrs["model_config"] = json.dumps(config)
    message = fails("backbone", "add", "old", file)
    assert "(GRU) has time_major=True, which Keras 3 does not know" in message


def with_lambda(path, canary):
    """A file of Keras 2 by its version, with a Lambda layer whose code makes the canary."""
    shutil.copy(ASSETS / "leaky.h5", path)
    code = f"lambda x: (__import__('pathlib').Path({str(canary)!r}).touch(), x)[1]"
    marshalled = codecs.encode(marshal.dumps(eval(code).__code__), "base64").decode()
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        layer = next(one for one in config["config"]["layers"] if one["class_name"] == "ReLU")
        layer["class_name"] = "Lambda"
        layer["config"] = {
            "name": layer["config"]["name"],
            "function": {
                "class_name": "__lambda__",
                "config": {"code": marshalled, "defaults": None, "closure": None},
            },
            "arguments": {},
        }
        file.attrs["model_config"] = json.dumps(config)
    return path


def test_a_lambda_of_keras_2_that_gets_past_the_look_is_not_built(tmp_path):
    canary = tmp_path / "canary"
    with pytest.raises(ModelFileError, match=r"safe|Lambda|lambda"):
        load_model(with_lambda(tmp_path / "m.h5", canary), known=True)
    assert not canary.exists()


def test_a_lambda_of_keras_2_is_loaded_if_it_is_trusted(ws, fails, tmp_path):
    canary = tmp_path / "canary"
    file = with_lambda(tmp_path / "m.h5", canary)
    assert "a Lambda layer runs code" in fails("backbone", "add", "x", file)
    assert not canary.exists()
    ws.backbones.add("x", file, preprocess="array", trust=True)
    assert canary.exists()
