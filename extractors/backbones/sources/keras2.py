"""HDF5 files written by Keras 2, rebuilt in Keras 3.

Keras 3 reads the format, but stumbles over settings that its layers no longer have. Most of them
say nothing (`time_major: false`); those are dropped, and only those: a setting that would change a
number is an error.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import h5py

from headstart.errors import ModelFileError
from headstart.extractors.runtime import keras
from headstart.extractors.safety.names import BARE_FUNCTIONS

WITHOUT_MEANING = {
    "implementation",
    "input_length",
    "query_shape",
    "key_shape",
    "value_shape",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_constraint",
    "ragged",
    "renorm_clipping",
    "renorm_momentum",
    "virtual_batch_size",
}
"""Settings that change no number at inference, whatever their value."""
HARMLESS = {"groups": 1, "interpolation": "nearest"}
"""Settings that say what Keras 3 does anyway, if they have this value."""
RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}
"""Settings with another name in Keras 3, by layer."""
UNDERSTOOD = {
    "name",
    "trainable",
    "dtype",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "input_dtype",
    "activity_regularizer",
    "autocast",
}


def is_keras2(file: h5py.File) -> bool:
    """Whether a whole-model HDF5 file was written by Keras 2 or 1 (or names no version)."""
    version = file.attrs.get("keras_version", "2")
    text = version.decode() if isinstance(version, bytes) else str(version)
    return not text.startswith("3")


def load_keras2(path: Path, custom_objects: dict[str, Any], *, trust: bool = False) -> Any:
    """The model of a Keras 2 file, with its weights, not compiled.

    Args:
        path: the file.
        custom_objects: classes and functions by name.
        trust: let Keras run code that the file brings.

    Raises:
        ModelFileError: it has a layer or a setting that Keras 3 has no match for.
    """
    keras()
    from keras.src.legacy.saving import legacy_h5_format, saving_options, saving_utils
    from keras.src.saving.serialization_lib import SafeModeScope

    with h5py.File(path, "r", locking=False) as file:
        text = file.attrs["model_config"]
        config = json.loads(text.decode() if isinstance(text, bytes) else str(text))
        # As `legacy_h5_format.load_model_from_hdf5` does it, which would read the file's own.
        with saving_options.keras_option_scope(use_legacy_config=True), SafeModeScope(not trust):
            model = saving_utils.model_from_config(
                to_keras3(config, path), custom_objects=custom_objects
            )
            legacy_h5_format.load_weights_from_hdf5_group(file["model_weights"], model)
    return model


def to_keras3(value: Any, path: Path, *, listed: bool = True) -> Any:
    """A Keras 2 configuration as Keras 3 takes it.

    Args:
        value: the configuration of a model, or any part of it.
        path: the file, for the messages.
        listed: whether it stands in a model's list of layers, not inside another layer.

    Raises:
        ModelFileError: part of it has no match; the message names it.
    """
    if isinstance(value, list):
        return [to_keras3(item, path, listed=listed) for item in value]
    if not isinstance(value, dict):
        return value
    converted = {
        key: to_keras3(item, path, listed=key == "layers") if key != "config" else item
        for key, item in value.items()
    }
    name, config = converted.get("class_name"), converted.get("config")
    if not isinstance(name, str) or not isinstance(config, dict):
        if isinstance(config, dict):
            converted["config"] = to_keras3(config, path, listed=False)
        return converted
    _refuse_bare_function(name, path)
    converted["config"] = to_keras3(config, path, listed=False)
    layer = getattr(keras().layers, name, None)
    if name in ("Functional", "Model"):
        _unwrap_single(converted["config"])
    elif isinstance(layer, type):
        converted["config"] = _layer_config(layer, converted["config"], path)
    if listed:  # with a module it would be read as Keras 3's own
        for key in ("module", "registered_name", "build_config"):
            converted.pop(key, None)
        if "inbound_nodes" in converted:
            converted["inbound_nodes"] = [_node(node) for node in converted["inbound_nodes"]]
    elif isinstance(layer, type):  # inside another layer it is the other way round
        converted.update(module="keras.layers", registered_name=None)
    return converted


def _node(node: Any) -> Any:
    """A layer's call; one that has tensors among its keywords in Keras 3's own form.

    Keras 3 takes the older form, `[[layer, call, tensor, keywords], …]`, but leaves tensors among
    the keywords (`value=` of an attention) as lists of names and numbers.
    """
    if not isinstance(node, list):
        return node
    keywords = {key: value for call in node if len(call) > 3 for key, value in call[3].items()}
    if not any(_is_tensor(value) for value in keywords.values()):
        return node
    tensors = [_tensor(call) for call in node]
    return {
        "args": tensors if len(tensors) == 1 else [tensors],
        "kwargs": {k: _tensor(v) if _is_tensor(v) else v for k, v in keywords.items()},
    }


def _is_tensor(value: Any) -> bool:
    kinds = [type(item) for item in value] if isinstance(value, list) else []
    return kinds in ([str, int, int], [str, int, int, dict])


def _tensor(call: list[Any]) -> dict[str, Any]:
    """The tensor that a call of a layer gives; its shape and dtype are found when it is built."""
    config = {"shape": [None], "dtype": "float32", "keras_history": call[:3]}
    return {"class_name": "__keras_tensor__", "config": config}


def _refuse_bare_function(name: str, path: Path) -> None:
    if name in BARE_FUNCTIONS:
        raise ModelFileError(
            f"{path} holds a bare TensorFlow function ({name}), which Keras 2 wrote and Keras 3 "
            "cannot rebuild",
            hint="Build the model again with Keras layers in place of tf functions.",
        )


def _unwrap_single(config: dict[str, Any]) -> None:
    """One input or output is no list of one: that would go on as a list through what follows."""
    for key in ("input_layers", "output_layers"):
        tensors = config.get(key)
        if isinstance(tensors, list) and len(tensors) == 1 and isinstance(tensors[0], list):
            config[key] = tensors[0]


def _layer_config(layer: type, config: dict[str, Any], path: Path) -> dict[str, Any]:
    accepted = _parameters(layer) | UNDERSTOOD
    kept = {}
    renamed = RENAMED.get(layer.__name__, {})
    for key, value in ((renamed.get(key, key), value) for key, value in config.items()):
        if key in accepted:
            kept[key] = _single_axis(value) if key == "axis" else value
        elif not _says_nothing(key, value):
            raise ModelFileError(
                f"{path}: the layer {config.get('name')!r} ({layer.__name__}) has {key}={value!r}, "
                "which Keras 3 does not know",
                hint="Save the model again from a version of Keras that can read it.",
            )
    return kept


def _parameters(layer: type) -> set[str]:
    """What the layer's own constructor takes, and that of the layers it is made from."""
    names: set[str] = set()
    for cls in layer.__mro__:
        if cls.__module__.startswith("keras.src.layers") and "__init__" in vars(cls):
            parameters = inspect.signature(cls.__init__).parameters.values()
            names |= {parameter.name for parameter in parameters}
            if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
                break
            if cls.__name__ in vars(keras().layers):  # a base class may take what this one sets
                break
    return names


def _says_nothing(key: str, value: Any) -> bool:
    return value is None or value is False or key in WITHOUT_MEANING or HARMLESS.get(key) == value


def _single_axis(axis: Any) -> Any:
    """Keras 2 wrote the axis of a normalization as a list."""
    return axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
