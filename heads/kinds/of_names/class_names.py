"""Names of classes in prompts, and the directions that a text backbone gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.dense_stack import Layer
from headstart.heads.layers.activations import UNIT
from headstart.heads.setting import Setting
from headstart.storage.manifest import Label

PROMPT = "a photo of a {}"
SCALE = 100.0
"""What cosines are multiplied by where no labelled sample says better: the largest that CLIP was
allowed to learn, and that all published weights of it have."""
SEVERAL = "|"
"""Stands between prompts."""
PLACE = "{}"
OPTIONS = (
    Setting(
        "prompt",
        "text with {} where the class name stands; several with | between them. Default: 'a "
        "photo of a {}'.",
        str,
        "text",
    ),
    Setting(
        "text_backbone",
        "gives texts features in the space of BACKBONE. Default: the one that its tag "
        "text-backbone names.",
        str,
        "text",
    ),
    Setting(
        "logit_scale",
        "what cosines are multiplied by. Default: what suits the labelled samples best, or 100 "
        "without any.",
    ),
)


@dataclass(frozen=True, eq=False)
class Directions:
    """Of each class, in order, what a text backbone says of its name.

    Attributes:
        rows: (classes, width), of length one.
    """

    rows: np.ndarray


def texts_of(prompt: str, classes: Sequence[Label]) -> list[list[str]]:
    """What is asked of the text backbone: of each class its name in each prompt.

    Raises:
        HeadError: a prompt has no place for the name.
    """
    prompts = [one.strip() for one in prompt.split(SEVERAL)]
    for one in prompts:
        if PLACE not in one:
            raise HeadError(
                f"the prompt {one!r} has no {PLACE} where the class name stands",
                hint="Such as --prompt 'a photo of a {}'.",
            )
    names = [str(label).replace("_", " ") for label in classes]
    return [[one.replace(PLACE, name) for one in prompts] for name in names]


def kernel_of(kind: str, directions: Directions | None, classes: int, width: int) -> np.ndarray:
    """The directions as a kernel, (width, classes), of a head of a kind.

    Raises:
        HeadError: there are none, or they are not of these features and classes.
    """
    if directions is None:
        raise HeadError(
            f"a head of kind {kind} is made of names of classes, and has none here",
            hint=f"Train it by itself: headstart head train NAME BACKBONE DATASET --kind {kind}.",
        )
    rows = directions.rows
    if rows.shape != (classes, width):
        raise HeadError(
            f"a head of kind {kind} says one of {len(rows)} classes, by {rows.shape[1]} "
            f"numbers, and is to say one of {classes}, by {width}",
            hint="Take another kind for other tasks.",
        )
    return np.ascontiguousarray(rows.T)


def check_classes(classes: Sequence[Label]) -> None:
    """See that names of classes, if they are given, are two or more that differ.

    Raises:
        InvalidHeadSetting: they are not.
    """
    names = [str(one).strip() for one in classes]
    again = next((one for place, one in enumerate(names) if one in names[:place]), None)
    if "" in names or again is not None or len(names) == 1:
        what = "an empty name" if "" in names else f"{again!r} twice" if again else "one name"
        raise InvalidHeadSetting(
            f"classes have {what}", hint="Give two names or more, each of them once."
        )


def check_above_zero(name: str, value: float | None) -> None:
    """See that a setting is a finite number above 0, if it is given."""
    if value is not None and not 0 < value < math.inf:
        raise InvalidHeadSetting(f"{name} is {value}", hint="Give a number above 0.")


def to_length_one(width: int) -> Layer:
    """The first layer: rows of so many numbers, each divided by its length."""
    return Layer(np.eye(width, dtype=np.float32), zeros(width), UNIT)


def zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.float32)
