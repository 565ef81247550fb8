"""The nearest class mean, as sharp as one says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Fitted, Part
from headstart.heads.setting import Setting, combinations


@dataclass(frozen=True)
class Means:
    """A head of one layer; see `HeadKind`.

    Attributes:
        sharpness: what the scores are multiplied by.
    """

    kind: ClassVar[str] = "means"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label")
    options: ClassVar[tuple[Setting, ...]] = (
        Setting("sharpness", "what the scores are multiplied by, such as 1.5."),
    )
    sharpness: float = 1.0

    def __post_init__(self) -> None:
        if not self.sharpness > 0:
            raise HeadError(f"sharpness is {self.sharpness}", hint="Give a number above 0.")

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[Means]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> Means:
        return cls(trial.suggest_float("means_sharpness", 0.1, 10, log=True))

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        rows = train.features[:]
        means = np.stack([rows[train.targets == n].mean(axis=0) for n in range(classes)])
        kernel = (self.sharpness * means.T).astype(np.float32)
        bias = (-0.5 * self.sharpness * (means**2).sum(axis=1)).astype(np.float32)
        return Fitted((Layer(kernel, bias, "softmax"),), {})

    def describe(self) -> dict[str, Any]:
        return asdict(self)
