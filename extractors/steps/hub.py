"""A step that is a KerasHub preprocessor, run by KerasHub itself."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from headstart.errors import PreprocessingError
from headstart.extractors.runtime import keras_hub
from headstart.extractors.steps.kinds import StepKind, is_digest
from headstart.extractors.steps.texts import to_text


def _open_preprocessor(content: bytes, *, inputs: list[str]) -> Callable[[Any], Any]:
    """Texts, or decoded images, to the backbone's inputs by a stored preset's preprocessor.

    Args:
        content: a zip archive of the preset without its weights.
        inputs: names of the backbone's inputs; what else the preprocessor gives is left out.
    """
    hub = keras_hub()
    with tempfile.TemporaryDirectory(prefix="headstart-") as folder:
        zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
        try:
            preprocessor = hub.models.Preprocessor.from_preset(folder)
        except (ValueError, OSError, KeyError) as error:
            raise PreprocessingError(f"KerasHub cannot read its preprocessor ({error})") from error

    def preprocess(raw: Any) -> Any:
        is_image = isinstance(raw, np.ndarray) and raw.ndim == 3
        given = preprocessor(raw[None] if is_image else [to_text(raw)])
        if not isinstance(given, dict):
            return np.asarray(given)[0]
        arrays = {name: np.asarray(given[name])[0] for name in inputs}
        return {k: v.astype(np.int32) if v.dtype.kind in "bi" else v for k, v in arrays.items()}

    return preprocess


STEPS = {
    "kerashub": StepKind(
        version=1,
        settings={
            "preset": (None, "the sha256 of a stored preset", is_digest),
            "inputs": ([], "a list of the backbone's inputs", lambda v: isinstance(v, list)),
        },
        file="preset",
        open=_open_preprocessor,
        words="the KerasHub preprocessor of the preset {preset:.12}",
    ),
}
