"""What heads of one layer share that are fitted at once: their setting is chosen on rows that were
not fitted, and scores become probabilities by a temperature."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.temperature import Calibration, calibrate, penalty_of
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.grid import choose
from headstart.heads.standardisation import Standardisation, one_thread_a_core


class Problem(Protocol):
    """Training rows of one head, for any candidate."""

    @property
    def folds(self) -> np.ndarray:
        """With which fold each row is left out, (n,); see `inner_folds`."""
        ...

    def solve(self, candidate: float) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (width, classes) and bias (classes,) of the scores of standardised features."""
        ...

    def left_out(self, candidate: float) -> np.ndarray:
        """Scores of the rows by fits that their fold was left out of, (n, classes)."""
        ...


class OneLayer:
    """Scores of standardised features, divided by a temperature, for some candidates of a setting;
    the one with the least log loss (see `calibrate`) on rows that were not fitted wins."""

    @property
    def is_open(self) -> bool:
        """Whether candidates may lie beyond those that were given."""
        return False

    @abstractmethod
    def problem(self, z: np.ndarray, train: Part, classes: int, seed: int) -> Problem:
        """The fits to training rows with standardised features z, (n, width)."""

    @abstractmethod
    def candidates(self, problem: Any) -> Sequence[float]:
        """Values of the setting to choose."""

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        with one_thread_a_core() as pool:
            scale = Standardisation.of([train], pool)
            problem = self.problem(scale.apply(train.features[:]), train, classes, seed)
            judge = Judge(train, validation, problem.folds)
            chosen = choose(
                self.candidates(problem),
                lambda candidate: _tried(problem, judge, scale, candidate),
                is_open=self.is_open,
            )
        calibration, layer = chosen.found
        details = {
            "chosen": chosen.value,
            **chosen.remarks(),
            "temperature": calibration.temperature,
            "log_loss": calibration.log_loss,
            "judged_on": judge.describe(),
        }
        return Fitted((layer,), details)


def _tried(
    problem: Problem, judge: Judge, scale: Standardisation, candidate: float
) -> tuple[float, tuple[Calibration, Layer]]:
    """The objective of a candidate, and its calibrated layer with how that went."""
    own, level = problem.solve(candidate)
    # What all classes share changes no probability; divided by a small temperature it would drown
    # the rest in float32.
    own, level = own - own.mean(axis=1, keepdims=True), level - level.mean()
    kernel, bias = scale.fold(own, level)
    verdict = judge.hear(
        lambda features: features[:] @ kernel + bias, lambda: problem.left_out(candidate)
    )
    found = calibrate(verdict, penalty_of(own, judge.mass))
    share = np.float32(1 / found.temperature)
    return found.objective, (found, Layer(kernel * share, bias * share, "softmax"))


def check_above_zero(name: str, values: tuple[float, ...]) -> None:
    """See that candidates are there, and are finite numbers above 0.

    Raises:
        HeadError: they are not.
    """
    if not values or not all(0 < value < math.inf for value in values):
        raise InvalidHeadSetting(
            f"{name} are {values}",
            hint="Give numbers above 0 that are finite.",
        )
