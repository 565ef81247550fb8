"""The one place that imports TensorFlow and Keras, quietly and with the right backend."""

from __future__ import annotations

import importlib.metadata
import os
import warnings
from types import ModuleType

from headstart.errors import BackboneError


def keras() -> ModuleType:
    """The keras module, on the TensorFlow backend.

    Raises:
        BackboneError: Keras runs on another backend in this process.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # 2: errors are still shown; the rest is about CUDA on machines that have none.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at import time, from TensorFlow's own dependencies
        import keras as module
    if module.backend.backend() != "tensorflow":
        raise BackboneError(
            f"Keras runs on {module.backend.backend()!r}", hint="Set KERAS_BACKEND=tensorflow."
        )
    return module


def tensorflow() -> ModuleType:
    """The tensorflow module."""
    keras()
    import tensorflow as module

    return module


def versions() -> dict[str, str]:
    """Versions of what can change a number, read without importing any of it."""
    names = ("headstart", "tensorflow", "keras", "numpy", "pillow", "h5py", "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}
