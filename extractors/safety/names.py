"""What a model's configuration may name: Keras' and KerasHub's own classes, and little else.

Keras finds what a configuration names by module and name, among everything that it exports, so
that `deserialize` passes for an activation. Here a name is allowed for what it would be found as.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from headstart.errors import BackboneError
from headstart.extractors.runtime import keras, keras_hub

BARE_FUNCTIONS = {"TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"}
"""Classes by which Keras 2 saved a bare TensorFlow function: named better when it is rebuilt."""
HUB = "keras_hub"
OWN = "own"
"""Stands for the module of a class that was registered under a package of somebody's own."""
FUNCTION = "function"
"""Stands for the module of a function; its name has its module in front, if it names one."""
REFUSED = {
    "Lambda": "a Lambda layer runs code that the file brings",
    "__lambda__": "a function whose code the file brings",
    "TFSMLayer": "a TFSMLayer loads another SavedModel from disk",
    "TorchModuleWrapper": "a TorchModuleWrapper unpickles a PyTorch module",
    "JaxLayer": "a JaxLayer runs code that the file brings",
    "FlaxLayer": "a FlaxLayer runs code that the file brings",
}
APPLICATIONS = {
    "LayerScale": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}
"""Layers of keras.applications that are in no public module."""
FUNCTIONS = ("activations", "initializers", "regularizers", "constraints", "losses", "metrics")
OBJECTS = (
    *("layers", "initializers", "regularizers", "constraints", "dtype_policies", "models"),
    *("optimizers", "optimizers.schedules", "losses", "metrics"),  # of a model within a model
)
OF_THE_MODULE = {"get", "serialize", "deserialize"}
"""What every module of Keras has besides: these build what a configuration names."""
HUB_FUNCTIONS = {"keras_hub>gelu_approximate"}
HUB_TEXTS = {
    *("module", "class_name", "registered_name", "name", "data_format", "interpolation"),
    *("dtype", "head_dtype", "activation", "act_layer", "hidden_act", "norm_layer", "pad_type"),
    *("initializer", "padding", "padding_side", "pooling", "global_pool", "vit_pooling"),
    *("stem_padding", "stem_conv_padding", "stem_pooling", "pooling_mode", "truncate", "sampler"),
    *("block_type", "stage_type", "rope_type", "rope_scaling_type", "position_embedding_type"),
    *("depth_estimation_type", "normalization_form", "bounding_box_format", "decoder_method"),
    *("vit_name", "variant", "errors", "input_encoding", "output_encoding", "suffix_indicator"),
    *("spatial_pyramid_pooling_key", "low_level_feature_key", "split_pattern"),
}
HUB_ENDINGS = ("_activation", "_initializer", "_regularizer", "_constraint", "_token")
"""Arguments of KerasHub's classes that may be text, by name or by what the name ends in.

All others may not: `vocabulary`, `merges`, `proto` and `special_tokens` are opened as files, and
what a next version adds is nobody's guess.
"""
OF_THE_PRESET = re.compile(r"^[A-Za-z_]\w*\.json$")


def check_names(names: list[tuple[str | None, str]], own: Collection[str] = ()) -> list[str]:
    """Problems with what a configuration names: all that is not Keras' own is refused.

    Args:
        names: (module, class or function name).
        own: what the user brings himself.
    """
    return [
        problem
        for module, name in dict.fromkeys(names)
        if name.rpartition(">")[2] not in own and (problem := _problem(module, name))
    ]


def check_texts(texts: list[tuple[str, str, str]]) -> list[str]:
    """Problems with texts that classes of KerasHub are given: some would be opened as files.

    Args:
        texts: (class as registered, argument, text).
    """
    return [
        f"{name.rpartition('>')[2]} reads the file {text!r} ({argument}=)"
        for name, argument, text in texts
        if not (
            argument in HUB_TEXTS
            or argument.endswith(HUB_ENDINGS)
            or (argument == "config_file" and OF_THE_PRESET.match(text))
        )
    ]


def _has_hub() -> bool:
    """Whether KerasHub is installed; it is loaded, so that its classes are registered."""
    try:
        keras_hub()
    except BackboneError:
        return False
    return True


def _problem(module: str | None, name: str) -> str | None:
    if name in REFUSED:
        return REFUSED[name]
    if module == FUNCTION:
        return None if _is_function(name) else f"the function {name!r} is not one of Keras'"
    if module == OWN:
        return f"the class {name!r} is somebody's own"
    if module == HUB:
        return _problem_of_hub(name)
    if module is not None and module.split(".")[0] != "keras":
        return f"{module}>{name} is not one of Keras' classes"
    if module is not None and not _is_class(f"{module}.{name}"):
        return f"{module}.{name} is not one of Keras' classes"
    if module is not None and module.startswith("keras.src.ops."):
        return None  # an operation such as x + y, saved as a layer
    if name in ("Functional", "Sequential", "Model", *APPLICATIONS, *BARE_FUNCTIONS):
        return None
    if any(isinstance(getattr(_place(place), name, None), type) for place in OBJECTS):
        return None
    return f"the class {name!r} is not one of Keras'"


def _place(place: str) -> Any:
    found: Any = keras()
    for part in place.split("."):
        found = getattr(found, part, None)
    return found


def _is_class(symbol: str) -> bool:
    """Whether what Keras exports under a name is a class; what it does not export may be one."""
    keras()
    from keras.src import api_export  # as Keras itself looks it up

    found = api_export.get_symbol_from_name(symbol)
    return found is None or isinstance(found, type)


def _is_function(name: str) -> bool:
    """Whether it is an activation, or a loss or suchlike, and nothing else of those modules."""
    if name.startswith(f"{HUB}>"):
        return name in HUB_FUNCTIONS and _has_hub()
    module, _, bare = name.rpartition(".")
    if bare in OF_THE_MODULE:
        return False
    where = ("", "keras.{}", "keras.src.{}")  # as Keras 3 writes it, and as Keras 2 did
    places = [p for p in FUNCTIONS if module in [path.format(p) for path in where]]
    return any(hasattr(_place(place), bare) for place in places)


def _problem_of_hub(registered: str) -> str | None:
    name = registered.rpartition(">")[2]
    if not _has_hub():
        return f"{name} is a class of KerasHub, which is missing (pip install 'headstart[hub]')"
    found = keras().saving.get_registered_object(registered)
    bases = (keras().layers.Layer, keras().initializers.Initializer, keras_hub().samplers.Sampler)
    if isinstance(found, type) and issubclass(found, bases):
        return None
    return f"{name} is not one of the installed KerasHub's classes"
