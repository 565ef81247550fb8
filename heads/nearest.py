"""The nearest training samples by the cosine of their angle, as two dense layers.

A sample's length does not change which training features of length one have the largest product
with it, so one matrix product finds them, and one more counts their classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.dense_stack import Layer
from headstart.heads.kinds import Fitted, Part


@dataclass(frozen=True)
class Neighbours:
    """The share of each class among the nearest training samples; it carries all their features
    along, so it is as large as those.

    Attributes:
        neighbours: how many; where several are equally near, all of those.
    """

    kind: ClassVar[str] = "neighbours"
    neighbours: int = 10

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise HeadError(f"neighbours is {self.neighbours}", hint="Give 1 or more.")

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        features = train.features[:]
        lengths = np.linalg.norm(features, axis=1, keepdims=True)
        kernel = (features / np.maximum(lengths, np.float32(1e-12))).T
        votes = np.zeros((len(train), classes), np.float32)
        votes[np.arange(len(train)), train.targets] = 1 if train.weights is None else train.weights
        count = min(self.neighbours, len(train))
        layers = (
            Layer(np.ascontiguousarray(kernel), np.zeros(len(train), np.float32), f"top_{count}"),
            Layer(votes, np.zeros(classes, np.float32), "shares"),
        )
        return Fitted(layers, {})
