"""Classes by what they are called: texts in the space of the features, and nothing learned of them.

A backbone with a text tower (CLIP, SigLIP) gives a picture and a text that fits it features in
nearly one direction. So the directions of the classes' names are the weights of a head (Radford et
al., Learning transferable visual models from natural language supervision,
https://arxiv.org/abs/2103.00020, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.temperature import calibrate
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.of_names.class_names import (
    OPTIONS,
    PROMPT,
    SCALE,
    Directions,
    check_above_zero,
    check_classes,
    kernel_of,
    texts_of,
    to_length_one,
    zeros,
)
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows
from headstart.heads.setting import Setting, combinations
from headstart.storage.manifest import Label
from headstart.values.options import Options


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
        classes: what there is to say, in order; without them the labels of the samples. With them
            no sample needs a label, and nothing is known then of how often the head is right.
        directions: of the classes; found when it is trained.
    """

    kind: ClassVar[str] = "zeroshot"
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    takes_class_names: ClassVar[bool] = True
    options: ClassVar[tuple[Setting, ...]] = OPTIONS
    prompt: str = PROMPT
    text_backbone: str = ""
    logit_scale: float | None = None
    classes: tuple[Label, ...] = ()
    directions: Directions | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero("logit_scale", self.logit_scale)
        check_classes(self.classes)

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[ZeroShot]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> ZeroShot:
        return cls(logit_scale=trial.suggest_float("logit_scale", 10.0, 200.0, log=True))

    def describe(self) -> dict[str, Any]:
        names = ("prompt", "text_backbone", "logit_scale")
        named = {"classes": list(self.classes)} if self.classes else {}
        return {name: getattr(self, name) for name in names} | named

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float(width * classes), 0.0

    def texts_of(self, classes: Sequence[Label]) -> list[list[str]]:
        return texts_of(self.prompt, classes)

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        width = train.features.shape[1]
        kernel = kernel_of(self.kind, self.directions, classes, width)
        scale, details = self._scaled(kernel, train, validation)
        said = Layer(kernel * np.float32(scale), zeros(classes), "softmax")
        return Fitted((to_length_one(width), said), details)

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
