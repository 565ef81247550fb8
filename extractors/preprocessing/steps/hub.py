"""A step that is a KerasHub preprocessor, run by KerasHub itself."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from headstart.errors import PreprocessingError, UnsafeModel, first_line
from headstart.extractors.preprocessing.steps.kinds import StepKind, is_count, is_digest
from headstart.extractors.preprocessing.steps.texts import to_text
from headstart.extractors.runtime import keras, keras_hub
from headstart.storage.scratch import scratch_folder

TOWERS = {"CLIPBackbone": "CLIPPreprocessor", "SigLIPBackbone": "SigLIPPreprocessor"}
"""Models of KerasHub that take pictures and texts, each by a tower, with their preprocessors."""


LARGEST_SIDE = 4_096
"""Pixels of a side that an image converter may ask for; KerasHub's own ask for 1,024 at most."""


@dataclass(frozen=True)
class HubPreprocessor:
    """A stored preset's preprocessor, to be called with a text or with decoded pixels.

    Attributes:
        prepared: gives what the backbone takes, of a batch of one and whether it is a picture.
        image_size: (height, width) of what pictures become; None where they stay as they are.
        tokens: the least and the largest number of a token; None where it takes no texts.
    """

    prepared: Callable[[Any, bool], Any]
    image_size: tuple[int, int] | None
    tokens: tuple[int, int] | None

    def __call__(self, raw: Any) -> Any:
        is_image = isinstance(raw, np.ndarray) and raw.ndim == 3
        # As float, like `img_to_array`: KerasHub rounds what it resizes to the input's dtype.
        given = raw[None].astype(np.float32) if is_image else [to_text(raw)]
        try:
            return self.prepared(given, is_image)
        except Exception as error:
            raise PreprocessingError(
                f"the backbone's KerasHub preprocessor fails ({first_line(error)})"
            ) from error


def _open_preprocessor(
    content: bytes, *, inputs: list[str], sequence_length: int
) -> HubPreprocessor:
    """Texts, or decoded images, to the backbone's inputs by a stored preset's preprocessor.

    Args:
        content: a zip archive of the preset without its weights.
        inputs: names of the backbone's inputs; what else the preprocessor gives is left out.
        sequence_length: of texts; 0 for the preset's own.

    Raises:
        PreprocessingError: KerasHub cannot load it, or it asks for pictures of a size beyond
            `LARGEST_SIDE`; what is returned raises it where it fails.
        UnsafeModel: it could run code.
    """
    hub = keras_hub()
    settings = {"sequence_length": sequence_length} if sequence_length else {}
    with scratch_folder() as folder:
        _unpack(content, folder)
        towers = family_of(folder)
        try:
            preprocessor = _class_of(folder, hub).from_preset(str(folder), **settings)
            size, tokens = _image_size(preprocessor), _tokens(preprocessor)
        except Exception as error:  # KerasHub raises whatever its layers raise
            raise PreprocessingError(
                f"KerasHub cannot read the backbone's preprocessor ({first_line(error)})"
            ) from error
    if max(size or (0,)) > LARGEST_SIDE:
        raise PreprocessingError(
            f"the backbone's preprocessor asks for pictures of {size} pixels; at most "
            f"{LARGEST_SIDE:,} a side are made"
        )
    if towers is not None:
        return HubPreprocessor(_of_towers(preprocessor), size, tokens)
    return HubPreprocessor(partial(_of_one_model, preprocessor, inputs), size, tokens)


def _image_size(preprocessor: Any) -> tuple[int, int] | None:
    """(height, width) of what its image converter gives."""
    size = getattr(getattr(preprocessor, "image_converter", None), "image_size", None)
    return None if size is None else (int(size[0]), int(size[1]))


def _tokens(preprocessor: Any) -> tuple[int, int] | None:
    """The least and the largest number that its tokenizer gives a token."""
    tokenizer = getattr(preprocessor, "tokenizer", None)
    if tokenizer is None:
        return None
    vocabulary = getattr(tokenizer, "vocabulary", None)
    if isinstance(vocabulary, dict):  # of pairs of bytes; others are numbered in their order
        numbers = [int(number) for number in vocabulary.values()]
        return min(numbers), max(numbers)
    return 0, int(tokenizer.vocabulary_size()) - 1


def _of_one_model(preprocessor: Any, inputs: list[str], given: Any, _is_image: bool) -> Any:
    """What a preprocessor gives for one sample, as the backbone takes it."""
    found = preprocessor(given)
    if not isinstance(found, dict):
        return np.asarray(found)[0]
    arrays = {name: np.asarray(found[name])[0] for name in inputs}
    return {k: v.astype(np.int32) if v.dtype.kind in "bi" else v for k, v in arrays.items()}


def _of_towers(preprocessor: Any) -> Callable[[Any, bool], np.ndarray]:
    """What one tower of a model of pictures and texts takes, whose preprocessor takes both."""
    converter = preprocessor.image_converter
    preprocessor.image_converter = None  # SigLIP's is called with each text, without a picture

    def prepared(given: Any, is_image: bool) -> np.ndarray:
        if is_image:
            return np.asarray(converter(given))[0]
        both = preprocessor({"prompts": given, "images": None})
        return np.asarray(both["token_ids"])[0].astype(np.int32)

    return prepared


def _unpack(content: bytes, folder: Path) -> None:
    """Unpack a stored preset, looked at even if its model was trusted: it may have come since."""
    from headstart.extractors.safety.presets import unpack_preset

    try:
        unpack_preset(io.BytesIO(content), folder)
    except UnsafeModel as error:
        raise UnsafeModel(
            error.message, hint="Add the backbone with a preprocessing of your own (--preprocess)."
        ) from error


def _class_of(preset: Path, hub: Any) -> Any:
    """The preprocessor's class: the one that is named, or the usual one for what there is."""
    family = family_of(preset)
    if family is not None:
        return getattr(hub.models, TOWERS[family])
    named = preset / "preprocessor.json"
    if named.is_file():
        name = json.loads(named.read_text(encoding="utf-8"))["registered_name"]
        return keras().saving.get_registered_object(name)
    if (preset / "tokenizer.json").is_file():
        return hub.models.TextClassifierPreprocessor
    return hub.models.ImageClassifierPreprocessor


def family_of(preset: Path) -> str | None:
    """The class of the model of a preset folder if it is one of `TOWERS`; None of any other.

    Raises:
        StorageError, UnsafeModel: see `read_config`.
    """
    from headstart.extractors.safety.presets import read_config

    said = read_config(preset)
    named = said.get("registered_name") if isinstance(said, dict) else None
    name = str(named).rpartition(">")[2]
    return name if name in TOWERS else None


def _is_length(value: Any) -> bool:
    return value == 0 or is_count(value)


STEPS = {
    "kerashub": StepKind(
        version=1,
        settings={
            "preset": (None, "the sha256 of a stored preset", is_digest),
            "sequence_length": (0, "a number of tokens, 0 for the preset's own", _is_length),
            "inputs": ([], "a list of the backbone's inputs", lambda v: isinstance(v, list)),
        },
        file="preset",
        open=_open_preprocessor,
        words="the KerasHub preprocessor of the preset {preset:.12}, sequence length "
        "{sequence_length} (0: its own)",
    ),
}
