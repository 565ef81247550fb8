"""What every kind of head is: settings that can be fitted to features and class numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from headstart.heads.dense_stack import Layer
from headstart.heads.rows import Rows


@dataclass(frozen=True)
class Part:
    """Some rows: `features` (n, width) float32, sliced as an array is, and `targets` (n,) class
    numbers."""

    features: Rows
    targets: np.ndarray

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
