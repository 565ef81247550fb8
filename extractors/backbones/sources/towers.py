"""One tower of a KerasHub model of pictures and texts: CLIP, SigLIP.

Such a model takes a picture and a text at once, and says how well they fit. Each tower by itself
gives features, and those of both lie in one space; so each is a backbone of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headstart.errors import BackboneError, ModelFileError
from headstart.extractors.preprocessing.steps.hub import TOWERS, family_of
from headstart.extractors.runtime import keras

IMAGE, TEXT = "image", "text"


def check_tower(folder: Path, tower: str | None) -> None:
    """See that a tower is named of a model that has two, and of no other.

    Raises:
        BackboneError: it is not.
    """
    if tower not in (None, IMAGE, TEXT):
        raise BackboneError(f"tower is {tower!r}", hint=f"Give {IMAGE} or {TEXT}.")
    has_two = family_of(folder) is not None
    if tower is not None and not has_two:
        raise BackboneError(
            f"{folder} holds no model of pictures and texts, of which a tower could be taken",
            hint=f"Leave tower={tower} out; {' and '.join(TOWERS)} have towers.",
        )
    if tower is None and has_two:
        raise BackboneError(
            f"{folder} holds a model of two towers, pictures and texts, and each is a backbone",
            hint=f"Name one: kerashub:{folder}?tower=image, or ?tower=text.",
        )


def tower_of(model: Any, tower: str) -> Any:
    """A tower of a model: from pictures or tokens to features, (n, width), as they are before they
    are brought to length one.

    Raises:
        ModelFileError: the installed KerasHub builds such models otherwise.
    """
    try:
        return (_image_tower if tower == IMAGE else _text_tower)(model)
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"the {tower} tower of {type(model).__name__} cannot be taken ({error})",
            hint="Check that the preset fits the installed keras-hub.",
        ) from error


def _image_tower(model: Any) -> Any:
    k = keras()
    encoder = model.vision_encoder
    images = k.Input(encoder.image_shape, name="images")
    x = encoder({"images": images})
    if _is_clip(model):
        x = model.vision_projection(k.ops.take(x, 0, axis=1))  # the class token
    return k.Model(images, x, name="image_tower")


def _text_tower(model: Any) -> Any:
    k = keras()
    tokens = k.Input((None,), dtype="int32", name="token_ids")
    x = model.text_encoder({"token_ids": tokens})
    if _is_clip(model):
        # At the end of the text, whose token has the largest number. CLIPTextPooler does the same,
        # and is a class that a saved model may not name, as KerasHub does not export it.
        ops = k.ops
        last = ops.expand_dims(ops.expand_dims(ops.argmax(tokens, axis=-1), axis=-1), axis=-1)
        x = model.text_projection(ops.squeeze(ops.take_along_axis(x, last, axis=1), axis=1))
    return k.Model(tokens, x, name="text_tower")


def longest_text(model: Any) -> int:
    """How many tokens a text of a model of two towers has at most."""
    return int(getattr(model.text_encoder, "max_sequence_length", 0) or 0)


def _is_clip(model: Any) -> bool:
    return hasattr(model, "vision_projection")
