"""What goes into an attached model: pixels as they are decoded, or what the preprocessing gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.backbone_model import pipeline_of
from headstart.errors import HeadError
from headstart.extractors.preprocessing.affine import Affine
from headstart.extractors.preprocessing.batches import Batch
from headstart.heads.models.export import with_pixels
from headstart.registry.entities import Backbone
from headstart.trained_head import TrainedHead

CHANNELS = {1: "grey", 3: "RGB", 4: "RGBA"}


def is_inside(head: TrainedHead, backbone: Backbone, raw: Batch, pixels: bool | None) -> bool:
    """Whether the arithmetic of the preprocessing goes into the model.

    Args:
        head: that is attached.
        backbone: of the head.
        raw: samples before that arithmetic.
        pixels: what was asked for; None for inside wherever it can be.

    Raises:
        HeadError: it was asked for, and the backbone does not take one image.
    """
    shapes = [tensor["shape"] for tensor in backbone.inputs]
    is_image = len(shapes) == 1 and len(shapes[0]) == 3
    can_be = is_image and isinstance(raw, np.ndarray) and raw.dtype == np.uint8 and raw.ndim == 4
    if pixels and not can_be:
        raise HeadError(
            f"backbone {backbone.label!r} does not take one image",
            hint="Attach without pixels: head.attach(pixels=False), or --preprocessed.",
        )
    return can_be if pixels is None else pixels


def with_arithmetic(head: TrainedHead, backbone: Backbone, model: Any, raw: Batch) -> Any:
    """The model with the scaling of pixels inside; uint8 pixels go in, (n, height, width, c)."""
    assert isinstance(raw, np.ndarray)  # as there is one input
    steps = pipeline_of(head.context, backbone).arithmetic
    channels = backbone.inputs[0]["shape"][-1] or raw.shape[-1]
    return with_pixels(model, Affine.of(steps, channels), raw.shape[1:])


def _are_plain(steps: Sequence[Mapping[str, Any]] | None) -> bool:
    """Whether numbers go in as a dataset has them, be it in another precision."""
    return steps is not None and all(step["step"] in ("array", "cast") for step in steps)


def what_goes_in(backbone: Backbone, raw: Batch, *, inside: bool) -> str:
    """What the model takes, in words."""
    if inside:
        assert isinstance(raw, np.ndarray)
        height, width, channels = raw.shape[1:]
        kind = CHANNELS.get(channels, f"{channels} channels")
        return f"pixels, uint8 of 0 to 255, {height} by {width} {kind}"
    steps = backbone.preprocessing.get("steps")
    if steps is not None and len(steps) == 1 and steps[0]["step"] == "text":
        return "texts"
    if len(backbone.inputs) == 1 and len(shape := backbone.inputs[0]["shape"]) == 1:
        numbers = f"{shape[0]} numbers, {backbone.inputs[0]['dtype']}"
        return f"{numbers}, as the dataset has them" if _are_plain(steps) else numbers
    return "what the preprocessing gives"
