"""Classes by what they are called: texts in the space of the features, and nothing learned of them.

A backbone with a text tower (CLIP, SigLIP) gives a picture and a text that fits it features in
nearly one direction. So the directions of the classes' names are the weights of a head (Radford et
al., Learning transferable visual models from natural language supervision,
https://arxiv.org/abs/2103.00020, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError, InvalidHeadSetting
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.temperature import calibrate
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.layers.activations import UNIT
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows
from headstart.heads.setting import Setting, combinations
from headstart.storage.manifest import Label
from headstart.values.options import Options

SCALE = 100.0
"""What cosines are multiplied by where no labelled sample says better: the largest that CLIP was
allowed to learn, and that all published weights of it have."""
SEVERAL = "|"
"""Stands between prompts."""
PLACE = "{}"


@dataclass(frozen=True, eq=False)
class Directions:
    """Of each class, in order, what a text backbone says of its name.

    Attributes:
        rows: (classes, width), of length one.
    """

    rows: np.ndarray


@dataclass(frozen=True)
class ZeroShot(Options, error=InvalidHeadSetting):
    """The class whose name, in a prompt, has the features nearest to the sample's, by the cosine:
    it needs no training sample. Labelled ones only say how sure it may be.

    Attributes:
        prompt: with `{}` where the class name stands; of several, with `|` between them, the mean.
        text_backbone: gives texts features in the space of the head's, `NAME[:VERSION][@CUT]`; the
            one that the tag `text-backbone` of the backbone names without it.
        logit_scale: what cosines are multiplied by before the softmax; without it the one that
            suits the train and validation samples best, or 100 where there are none.
        directions: of the classes; found when it is trained.
    """

    kind: ClassVar[str] = "zeroshot"
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    takes_class_names: ClassVar[bool] = True
    options: ClassVar[tuple[Setting, ...]] = (
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
    prompt: str = "a photo of a {}"
    text_backbone: str = ""
    logit_scale: float | None = None
    directions: Directions | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.logit_scale is not None and not 0 < self.logit_scale < math.inf:
            raise InvalidHeadSetting(
                f"logit_scale is {self.logit_scale}", hint="Give a number above 0."
            )

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[ZeroShot]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> ZeroShot:
        return cls(logit_scale=trial.suggest_float("logit_scale", 10.0, 200.0, log=True))

    def describe(self) -> dict[str, Any]:
        names = ("prompt", "text_backbone", "logit_scale")
        return {name: getattr(self, name) for name in names}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float(width * classes), 0.0

    def texts_of(self, classes: Sequence[Label]) -> list[list[str]]:
        """What is asked of the text backbone: of each class its name in each prompt.

        Raises:
            HeadError: a prompt has no place for the name.
        """
        prompts = [one.strip() for one in self.prompt.split(SEVERAL)]
        for prompt in prompts:
            if PLACE not in prompt:
                raise HeadError(
                    f"the prompt {prompt!r} has no {PLACE} where the class name stands",
                    hint="Such as --prompt 'a photo of a {}'.",
                )
        names = [str(label).replace("_", " ") for label in classes]
        return [[prompt.replace(PLACE, name) for prompt in prompts] for name in names]

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        kernel = np.ascontiguousarray(self._rows(classes, train.features.shape[1]).T)
        scale, details = self._scaled(kernel, train, validation)
        layers = (
            Layer(np.eye(len(kernel), dtype=np.float32), _zeros(len(kernel)), UNIT),
            Layer(kernel * np.float32(scale), _zeros(classes), "softmax"),
        )
        return Fitted(layers, details)

    def _rows(self, classes: int, width: int) -> np.ndarray:
        if self.directions is None:
            raise HeadError(
                "a head of kind zeroshot learns nothing of samples, and has no class names here",
                hint="Train it by itself: headstart head train NAME BACKBONE DATASET --kind "
                "zeroshot.",
            )
        rows = self.directions.rows
        if rows.shape != (classes, width):
            raise HeadError(
                f"a head of kind zeroshot says one of {len(rows)} classes, by {rows.shape[1]} "
                f"numbers, and is to say one of {classes}, by {width}",
                hint="Take another kind for other tasks.",
            )
        return rows

    def _scaled(
        self, kernel: np.ndarray, train: Part, validation: Part
    ) -> tuple[float, dict[str, Any]]:
        """What cosines are multiplied by, and how that was found."""
        # No row was fitted, so each may be asked.
        judge = Judge(train, validation, np.zeros(len(train), np.int64))
        asked = judge.describe()
        if self.logit_scale is not None or not any(asked.values()):
            told = self.logit_scale or SCALE
            return told, {"scale": told, "judged_on": dict.fromkeys(asked, 0)}

        def scores(features: Rows) -> np.ndarray:
            return SCALE * (of_length_one(features[:]) @ kernel)

        found = calibrate(judge.hear(scores, lambda: scores(train.features)), trust=1.0)
        return SCALE / found.temperature, {
            "scale": SCALE / found.temperature,
            "log_loss": found.log_loss,
            "judged_on": asked,
        }


def _zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.float32)
