"""Ridge regression: least squares with a penalty, for classes and for numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.out_of_fold import groups_of, inner_folds, members
from headstart.heads.dense_stack import Layer
from headstart.heads.generalised import NumberLoss, fit_generalised
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.grid import choose
from headstart.heads.kinds.least_squares import LeastSquares
from headstart.heads.kinds.losses import loss_of
from headstart.heads.kinds.one_layer import OneLayer, check_above_zero
from headstart.heads.setting import Setting, combinations
from headstart.heads.standardisation import Standardisation, one_thread_a_core
from headstart.values.options import Options

PENALTIES = tuple(10.0**power for power in range(-6, 4))
"""Where none are given: times the mean eigenvalue of the standardised features."""


@dataclass(frozen=True)
class Ridge(OneLayer, Options, error=InvalidHeadSetting):
    """Least squares towards -1 and 1 with a penalty: scikit-learn's `RidgeClassifier`.

    Attributes:
        penalties: candidates for its alpha, on standardised features; without them `PENALTIES`
            times the scale of the data, and further ones where the best lies at an end.
    """

    kind: ClassVar[str] = "ridge"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label", "regression")
    options: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "penalties",
            "alpha, such as 1,100. Default: chosen from the data.",
            float,
            "candidates",
        ),
    )
    penalties: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.penalties is not None:
            check_above_zero("penalties", self.penalties)

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[Ridge]:
        return combinations(cls, given)

    @classmethod
    def suggest(cls, trial: Any) -> Ridge:
        return cls((trial.suggest_float("penalty", 1.0, 1e6, log=True),))

    def describe(self) -> dict[str, Any]:
        return {"penalties": None if self.penalties is None else list(self.penalties)}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        freedom = 1 / min(self.penalties) if self.penalties else math.inf
        return float((width + 1) * classes), freedom

    @property
    def is_open(self) -> bool:
        return self.penalties is None

    def candidates(self, problem: _RidgeProblem) -> Sequence[float]:
        return self._penalties(problem.squares)

    def _penalties(self, squares: LeastSquares) -> Sequence[float]:
        return self.penalties or [penalty * squares.scale for penalty in PENALTIES]

    def problem(self, z: np.ndarray, train: Part, classes: int, seed: int) -> _RidgeProblem:
        wanted = 2.0 * np.eye(classes)[train.targets] - 1.0
        squares = LeastSquares.of(z, wanted, train.weights)
        return _RidgeProblem(squares, inner_folds(train, seed))

    def fit_numbers(self, train: Part, validation: Part, seed: int = 0) -> Fitted:
        """Least squares towards numbers, (n, outputs): scikit-learn's `Ridge`.

        The penalty with the least squared error on rows that were not fitted wins.
        """
        del seed  # nothing is left to chance
        with one_thread_a_core() as pool:
            scale = Standardisation.of([train], pool)
            squares = LeastSquares.of(scale.apply(train.features[:]), train.targets, train.weights)
            folds = groups_of(train)
            judge = Judge(train, validation, folds if folds.any() else folds - 1)
            chosen = choose(
                self._penalties(squares),
                lambda penalty: _error(squares, judge, scale, penalty),
                is_open=self.is_open,
            )
        details = {
            "chosen": chosen.value,
            **chosen.remarks(),
            "squared_error": chosen.loss,
            "judged_on": judge.describe(),
        }
        return Fitted((chosen.found,), details)

    def fit_loss(
        self, train: Part, validation: Part, seed: int, loss: str, quantile: float
    ) -> Fitted:
        """A generalised linear head with the same kind of penalty; see `fit_generalised`."""
        told = NumberLoss(loss, quantile)
        return fit_generalised(train, validation, self.penalties, told, seed)


def _error(
    squares: LeastSquares, judge: Judge, scale: Standardisation, penalty: float
) -> tuple[float, Layer]:
    """The squared error of a penalty, and its layer."""
    kernel, bias = scale.fold(*squares.solve(penalty))
    verdict = judge.hear(
        lambda features: features[:] @ kernel + bias,
        lambda: squares.left_out(penalty, members(judge.folds)),
    )
    loss = loss_of("linear", verdict.outputs, verdict.targets, verdict.weights)
    return loss, Layer(kernel, bias, "linear")


@dataclass(frozen=True)
class _RidgeProblem:
    squares: LeastSquares
    folds: np.ndarray

    def solve(self, candidate: float) -> tuple[np.ndarray, np.ndarray]:
        return self.squares.solve(candidate)

    def left_out(self, candidate: float) -> np.ndarray:
        return self.squares.left_out(candidate, members(self.folds))
