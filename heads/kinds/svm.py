"""A linear support vector machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.out_of_fold import inner_folds, sides
from headstart.heads.kind import Complexity, Part
from headstart.heads.kinds.grid import C_TOLD
from headstart.heads.kinds.one_layer import OneLayer, check_above_zero
from headstart.heads.kinds.squared_hinge import Products, are_few
from headstart.heads.setting import Setting, combinations
from headstart.values.options import Options

STRENGTHS = (1e-3, 1e-4, 1e-2)
"""Where none are given."""
SWEPT = ((1e-4,), (1e-3,))
"""What a sweep tries where none are given."""
FOLDS, FEWER_FOLDS, MANY_ROWS = 5, 3, 1000
"""An svm has no short way to leave rows out; from `MANY_ROWS` on fewer folds will do."""


@dataclass(frozen=True)
class SVM(OneLayer, Options, error=InvalidHeadSetting):
    """A linear support vector machine, one class against the rest: scikit-learn's `LinearSVC`, or
    its solution by a shorter way where rows are few (`squared_hinge.py`).

    Attributes:
        strengths: candidates for its C, on standardised features; further ones are tried where the
            best of the default's lies at an end.
    """

    kind: ClassVar[str] = "svm"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label")
    options: ClassVar[tuple[Setting, ...]] = (Setting("strengths", C_TOLD, float, "candidates"),)
    strengths: tuple[float, ...] = STRENGTHS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_above_zero("strengths", self.strengths)

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[SVM]:
        return combinations(cls, {"strengths": SWEPT, **given})

    @classmethod
    def suggest(cls, trial: Any) -> SVM:
        return cls((trial.suggest_float("svm_strength", 1e-6, 1.0, log=True),))

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "strengths": list(self.strengths)}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float((width + 1) * classes), max(self.strengths)

    @property
    def is_open(self) -> bool:
        return self.strengths == STRENGTHS

    def candidates(self, problem: _SVMProblem) -> Sequence[float]:
        return self.strengths

    def problem(self, z: np.ndarray, train: Part, classes: int, seed: int) -> _SVMProblem:
        most = FOLDS if len(train) < MANY_ROWS else FEWER_FOLDS
        products = Products.of(z) if are_few(z) else None
        return _SVMProblem(z, train, seed, inner_folds(train, seed, most), products)


@dataclass(frozen=True)
class _SVMProblem:
    z: np.ndarray
    train: Part
    seed: int
    folds: np.ndarray
    products: Products | None

    def solve(self, candidate: float) -> tuple[np.ndarray, np.ndarray]:
        return self._fit(candidate, np.arange(len(self.train)))

    def left_out(self, candidate: float) -> np.ndarray:
        scores = np.zeros((len(self.train), int(self.train.targets.max()) + 1))
        for fitted, asked in sides(self.folds):
            kernel, bias = self._fit(candidate, fitted)
            scores[asked] = self.z[asked] @ kernel + bias
        return scores

    def _fit(self, candidate: float, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.products is not None:
            return self._by_products(self.products.among(rows), candidate, rows)
        from sklearn.svm import LinearSVC

        part = self.train.rows(rows)
        # The primal: the dual takes minutes where the penalty is weak.
        model = LinearSVC(C=candidate, tol=1e-3, random_state=self.seed).set_params(dual=False)
        return _of_every_class(model.fit(self.z[rows], part.targets, part.weights))

    def _by_products(
        self, products: Products, candidate: float, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        targets, weights = self.train.targets, self.train.weights
        count = int(targets.max()) + 1
        classes = np.arange(count) if count > 2 else np.array([1])
        signs = np.where(targets[rows, None] == classes, 1.0, -1.0)
        own = np.ones(len(rows)) if weights is None else weights[rows].astype(np.float64)
        counts = products.solve(signs, candidate * own)
        return _of_two(self.z[rows].astype(np.float64).T @ counts, counts.sum(axis=0))


def _of_every_class(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a linear model of scikit-learn, which has one row for two classes."""
    kernel = np.atleast_2d(model.coef_).T.astype(np.float64)
    bias = np.atleast_1d(model.intercept_).astype(np.float64)
    return _of_two(kernel, bias)


def _of_two(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores of every class, where two have but one column."""
    if kernel.shape[1] == 1:
        return np.hstack([-kernel, kernel]), np.hstack([-bias, bias])
    return kernel, bias
