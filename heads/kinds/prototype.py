"""The nearest class mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.out_of_fold import inner_folds, members
from headstart.heads.kind import Complexity, Part
from headstart.heads.kinds.one_layer import OneLayer
from headstart.heads.setting import Setting, combinations
from headstart.values.options import Options


@dataclass(frozen=True)
class Prototype(OneLayer, Options, error=InvalidHeadSetting):
    """The nearest class mean of standardised features (Snell et al., Prototypical networks,
    https://arxiv.org/abs/1703.05175): good with few samples a class."""

    kind: ClassVar[str] = "prototype"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label")
    options: ClassVar[tuple[Setting, ...]] = ()

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[Prototype]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> Prototype:
        return cls()

    def describe(self) -> dict[str, Any]:
        return {}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float((width + 1) * classes), 0.0

    def candidates(self, problem: _Means) -> Sequence[float]:
        return (1.0,)

    def problem(self, z: np.ndarray, train: Part, classes: int, seed: int) -> _Means:
        return _Means(z.astype(np.float64), train, classes, inner_folds(train, seed))


@dataclass(frozen=True)
class _Means:
    z: np.ndarray
    train: Part
    classes: int
    folds: np.ndarray

    def solve(self, candidate: float) -> tuple[np.ndarray, np.ndarray]:
        return _nearest(*self._sums(np.arange(len(self.z))))

    def left_out(self, candidate: float) -> np.ndarray:
        scores = np.zeros((len(self.z), self.classes))
        sums, counts = self._sums(np.arange(len(self.z)))
        for rows in members(self.folds):
            own, mass = self._sums(rows)
            kernel, bias = _nearest(sums - own, counts - mass)
            scores[rows] = self.z[rows] @ kernel + bias
        return scores

    def _sums(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each class, weighted: (classes, width) and (classes,)."""
        part, z = self.train.rows(rows), self.z[rows]
        sums = np.zeros((self.classes, z.shape[1]))
        np.add.at(sums, part.targets, z if part.weights is None else z * part.weights[:, None])
        return sums, np.bincount(part.targets, part.weights, self.classes)


def _nearest(sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores -|z - m|^2 / 2, without |z|^2, which is the same for all classes."""
    means = sums / counts[:, None]
    return means.T, -0.5 * (means**2).sum(axis=1)
