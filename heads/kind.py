"""What every kind of head is: settings that can be fitted to features and class numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from headstart.heads.dense_stack import Layer
from headstart.heads.rows import Rows


@dataclass(frozen=True)
class Part:
    """Some rows.

    Attributes:
        features: (n, width), float32, sliced as an array is.
        targets: class numbers, (n,); of several labels or of numbers (n, outputs), float32.
        weights: how many rows each counts for, (n,), float32; None where all count alike.
        groups: numbers, (n,); rows of one number belong together (views of a picture, pictures of a
            patient) and are left out together. None where each is on its own.
    """

    features: Rows
    targets: np.ndarray
    weights: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def mass(self) -> float:
        """What all rows count together."""
        return float(len(self.targets) if self.weights is None else self.weights.sum())

    def rows(self, chosen: slice | np.ndarray) -> Part:
        """Some of the rows."""
        weights = None if self.weights is None else self.weights[chosen]
        groups = None if self.groups is None else self.groups[chosen]
        return Part(self.features[chosen], self.targets[chosen], weights, groups)

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Fitted:
    """A fitted head: its layers for raw features, and how the fit went (JSON values)."""

    layers: tuple[Layer, ...]
    details: dict[str, Any]


class HeadKind(Protocol):
    """Settings of a head; `kind` is its name in the registry."""

    kind: ClassVar[str]

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        """Fit on `train`, choose on `validation` (which may be empty)."""
        ...

    def describe(self) -> dict[str, Any]:
        """The settings, as JSON values."""
        ...
