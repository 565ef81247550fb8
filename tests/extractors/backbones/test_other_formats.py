"""Files that are no model which can be cut say what they are, and what can be done."""

import json

import pytest


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("net.tflite", "a LiteRT (TensorFlow Lite) model", "the SavedModel that it was made from"),
        ("net.tflite", "no layers to cut", "python -m tf2onnx.convert --tflite FILE"),
        ("net.onnx", "an ONNX model", "onnx2tf -i FILE -osd"),
        ("net.onnx", "an ONNX model", "docs/backbones.md, Features that were computed elsewhere"),
        ("net.pth", "a PyTorch file", "headstart zoo list"),
        ("net.safetensors", "weights without an architecture", "kerashub:DIR"),
        ("net.ckpt.index", "a checkpoint", "ws.backbones.add(name, model)"),
        ("net.pkl", "a pickle, which runs code", "NAME.keras"),
        ("net.zip", "an archive", "headstart backbone import"),
        ("net.npy", "its name ends in .npy", "NAME.keras"),
    ],
)
def test_a_file_of_another_format_is_named(ws, tmp_path, fails, name, what, hint):
    (tmp_path / name).write_bytes(b"whatever is in it")
    message = fails("backbone", "add", "x", tmp_path / name)
    assert what in message and hint in message


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_model_of_tensorflow_js_is_known_by_its_content(ws, tmp_path, fails, is_folder):
    folder = tmp_path / "js"
    folder.mkdir()
    known = {"format": "layers-model", "modelTopology": {}, "weightsManifest": []}
    (folder / "model.json").write_text(json.dumps(known))
    message = fails("backbone", "add", "x", folder if is_folder else folder / "model.json")
    assert "a TensorFlow.js model" in message and "tensorflowjs_converter" in message


@pytest.mark.parametrize("content", ["[" * 100_000, "{}", '"weights"', ""])
def test_a_json_of_something_else_is_none(ws, tmp_path, fails, content):
    (tmp_path / "model.json").write_text(content)
    assert "its name ends in .json" in fails("backbone", "add", "x", tmp_path / "model.json")
