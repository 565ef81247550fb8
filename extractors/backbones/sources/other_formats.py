"""Model files that people have and that cannot be cut: what each is, and what can be done."""

from __future__ import annotations

import json
from pathlib import Path

from headstart.storage.files import open_regular

LARGEST_HEAD = 1 << 20
"""Bytes of a `model.json` that are looked at; the format stands at its beginning or end."""
TFJS = "tfjs"
_SOURCE = "Give the Keras model or the SavedModel that it was made from"
_TORCH = (
    "Give the same network from another source: `headstart zoo list`, applications:NAME, or "
    "kerashub:DIR for one of the Hugging Face hub"
)
_ONNX = "onnx2tf -i {} -osd, in an environment with onnx2tf, and add its folder saved_model"
_OWN = (
    "Or run it by its own runtime, and give what it computes as data: docs/backbones.md, Features "
    "that were computed elsewhere"
)
OTHERS = {
    ".tflite": (
        "a LiteRT (TensorFlow Lite) model, which has no layers to cut",
        f"{_SOURCE}, or convert it: python -m tf2onnx.convert --tflite FILE --output model.onnx, "
        f"then {_ONNX.format('model.onnx')}. {_OWN}",
    ),
    ".onnx": (
        "an ONNX model, which has no Keras layers to cut",
        f"{_SOURCE}, or convert it: {_ONNX.format('FILE')}. {_OWN}. {_TORCH}",
    ),
    ".pt": ("a PyTorch file", _TORCH),
    ".pth": ("a PyTorch file", _TORCH),
    ".bin": ("a file of weights, PyTorch's by its name", _TORCH),
    ".safetensors": ("a file of weights without an architecture, PyTorch's as a rule", _TORCH),
    ".ckpt": (
        "a checkpoint: weights without an architecture",
        "Load it into its model in Python, and add that: ws.backbones.add(name, model)",
    ),
    ".mlmodel": ("a Core ML model", _SOURCE),
    ".pkl": ("a pickle, which runs code when it is loaded", "Save the model as NAME.keras"),
    ".joblib": ("a pickle, which runs code when it is loaded", "Save the model as NAME.keras"),
    ".zip": ("an archive", "A bundle that Headstart wrote: `headstart backbone import FILE`"),
    TFJS: (
        "a TensorFlow.js model",
        "Convert it: pip install tensorflowjs, then tensorflowjs_converter --input_format "
        "tfjs_layers_model --output_format keras model.json model.h5",
    ),
}


def told_of(path: Path) -> tuple[str, str] | None:
    """What a file or folder is that is no model which can be cut, and what to do; None if unknown.

    Args:
        path: of a file, or of a folder that may hold a `model.json` of TensorFlow.js.
    """
    if is_tfjs(path / "model.json" if path.is_dir() else path):
        return OTHERS[TFJS]
    name = path.name.lower()
    suffix = ".ckpt" if name.endswith(".index") or ".ckpt" in name else path.suffix.lower()
    return OTHERS.get(suffix)


def is_tfjs(path: Path) -> bool:
    """Whether a file is the `model.json` of TensorFlow.js."""
    if path.suffix != ".json" or not path.is_file():
        return False
    with open_regular(path) as file:
        head = file.read(LARGEST_HEAD)
    try:
        found = json.loads(head)
    except (ValueError, RecursionError):
        return b'"weightsManifest"' in head
    return isinstance(found, dict) and "weightsManifest" in found
