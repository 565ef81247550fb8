"""Classes by what they are called and by their training samples, of which a few will do.

Tip-Adapter (Zhang et al., Tip-Adapter: training-free adaption of CLIP for few-shot classification,
https://arxiv.org/abs/2207.09519, section 3.1): what a head of class names says, and what the
training samples near a sample say, are added up:

    logits = scale * x·W + alpha * exp(-beta * (1 - x·K)) · L

where x has length one, W are the names' directions, K the training features of length one, and L
their classes. Nothing but scale, alpha and beta is learned, of samples that are no part of K.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.out_of_fold import inner_folds
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.grid import choose
from headstart.heads.kinds.of_names.affinities import Cache, Mix, Search
from headstart.heads.kinds.of_names.class_names import (
    OPTIONS,
    PROMPT,
    SCALE,
    Directions,
    check_above_zero,
    kernel_of,
    texts_of,
    to_length_one,
    zeros,
)
from headstart.heads.layers.activations import AFFINITIES
from headstart.heads.setting import Setting, combinations
from headstart.storage.manifest import Label
from headstart.values.options import Options

BETAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Those that are tried; the paper's search goes from 1 to 8, of CLIP alone."""
ALPHA, BETA = 1.0, 5.5
"""Where nothing says better: the paper's own to begin with."""
UNKNOWN = (
    "no sample could be left out to judge: alpha 1, beta 5.5 and a scale of 100 stand where none "
    "is given"
)


@dataclass(frozen=True)
class TipAdapter(Options, error=InvalidHeadSetting):
    """What the names of the classes say, as a head of kind `zeroshot` has it, and beside it what
    near training samples are; it carries all their features along, so it is as large as those.

    Attributes:
        prompt: as of `ZeroShot`.
        text_backbone: likewise.
        logit_scale: what cosines with the names are multiplied by.
        alpha: what the class of a training sample in the same direction counts, as a logit; 0
            leaves the samples out.
        beta: how fast that falls with the angle: at 0 all training samples count alike.
        directions: of the classes; found when it is trained.

    Of the last three numbers those that are not given are such as suit samples best that it does
    not carry along.
    """

    kind: ClassVar[str] = "tipadapter"
    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    takes_class_names: ClassVar[bool] = True
    learns_of_samples: ClassVar[bool] = True
    options: ClassVar[tuple[Setting, ...]] = (
        *OPTIONS,
        Setting(
            "alpha",
            "what training samples in a sample's direction count, besides the class names; 0 "
            "leaves them out. Default: chosen from the data.",
        ),
        Setting(
            "beta",
            "how fast that falls with the angle, such as 5.5. Default: chosen from the data.",
        ),
    )
    prompt: str = PROMPT
    text_backbone: str = ""
    logit_scale: float | None = None
    alpha: float | None = None
    beta: float | None = None
    directions: Directions | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero("logit_scale", self.logit_scale)
        for name in ("alpha", "beta"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise InvalidHeadSetting(f"{name} is {value}", hint="Give 0 or more.")

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[TipAdapter]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> TipAdapter:
        return cls(
            alpha=trial.suggest_float("alpha", 0.1, 100.0, log=True),
            beta=trial.suggest_float("beta", BETAS[0], BETAS[-1], log=True),
        )

    def describe(self) -> dict[str, Any]:
        names = ("prompt", "text_backbone", "logit_scale", "alpha", "beta")
        return {name: getattr(self, name) for name in names}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float(rows * (width + classes) + width * classes), self.beta or 0.0

    def texts_of(self, classes: Sequence[Label]) -> list[list[str]]:
        return texts_of(self.prompt, classes)

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        names = kernel_of(self.kind, self.directions, classes, train.features.shape[1])
        cache = Cache.of(train)
        judge = Judge(train, validation, inner_folds(train, seed))
        mix, details = self._mixed(cache, names, judge)
        layers = _layers(cache, names, mix)
        size = sum(one.nbytes for layer in layers for one in layer.weights)
        details |= {**mix.describe(), "carried": len(train) if mix.alpha else 0, "bytes": size}
        return Fitted(layers, details)

    def _mixed(self, cache: Cache, names: np.ndarray, judge: Judge) -> tuple[Mix, dict[str, Any]]:
        """How names and samples are weighed, and how that was found."""
        asked, told = judge.describe(), (self.logit_scale, self.alpha, self.beta)
        if None not in told or not any(asked.values()):
            usual = zip(told, (SCALE, ALPHA, BETA), strict=True)
            mix = Mix(*(plain if one is None else one for one, plain in usual))
            nobody = {"judged_on": dict.fromkeys(asked, 0)}
            return mix, nobody if None not in told else {**nobody, "not_chosen": UNKNOWN}
        betas = BETAS if self.beta is None else (self.beta,)
        heard = judge.hear(
            lambda features: cache.said(features, names, betas),
            lambda: cache.said(judge.train.features, names, betas, judge.folds),
        )
        most = SCALE / float(cache.weights.mean())
        search = Search(heard, betas, most, self.logit_scale, self.alpha)
        chosen = choose(betas, search.tried)
        mix, log_loss = chosen.found
        details = {"log_loss": log_loss, "path": chosen.path, "judged_on": asked}
        return mix, details | (chosen.at_end() if mix.alpha else {})


def _layers(cache: Cache, names: np.ndarray, mix: Mix) -> tuple[Layer, ...]:
    """Rows of length one; cosines with training rows, of which affinities are made, and with names;
    and both added up. Where training rows count nothing, those of a head of class names."""
    width, classes = names.shape
    if not mix.alpha:
        said = Layer(names * np.float32(mix.scale), zeros(classes), "softmax")
        return to_length_one(width), said
    beta, rows = np.float32(mix.beta), len(cache.targets)
    near = np.concatenate([cache.keys * beta, names], axis=1)
    away = np.concatenate([np.full(rows, -beta), zeros(classes)])
    labels = cache.labels(classes) * np.float32(mix.alpha)
    added = np.concatenate([labels, np.eye(classes, dtype=np.float32) * np.float32(mix.scale)])
    return (
        to_length_one(width),
        Layer(near, away, f"{AFFINITIES}{rows}"),
        Layer(added, zeros(classes), "softmax"),
    )
