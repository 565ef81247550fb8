"""Heads that are one layer and are fitted at once: ridge, prototypes, a linear SVM."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from headstart.errors import HeadError
from headstart.heads.dense_stack import Layer
from headstart.heads.evaluation.judge import Judge
from headstart.heads.evaluation.out_of_fold import groups_of, inner_folds, members, sides
from headstart.heads.evaluation.temperature import Calibration, calibrate, penalty_of
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.grid import choose
from headstart.heads.kinds.least_squares import LeastSquares
from headstart.heads.kinds.losses import loss_of
from headstart.heads.kinds.standardisation import Standardisation, one_thread_a_core

PENALTIES = tuple(10.0**power for power in range(-6, 4))
"""Of ridge, where none are given: times the mean eigenvalue of the standardised features."""
STRENGTHS = (1e-3, 1e-4, 1e-2)
"""Of an svm, where none are given."""
FOLDS, FEWER_FOLDS, MANY_ROWS = 5, 3, 1000
"""An svm has no short way to leave rows out; from `MANY_ROWS` on fewer folds will do."""


class _Problem(Protocol):
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


class _OneLayer:
    """Scores of standardised features, divided by a temperature, for some candidates of a setting;
    the one with the least log loss (see `calibrate`) on rows that were not fitted wins."""

    @property
    def is_open(self) -> bool:
        """Whether candidates may lie beyond those that were given."""
        return False

    @abstractmethod
    def problem(self, z: np.ndarray, train: Part, classes: int, seed: int) -> _Problem:
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
    problem: _Problem, judge: Judge, scale: Standardisation, candidate: float
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


@dataclass(frozen=True)
class Ridge(_OneLayer):
    """Least squares towards -1 and 1 with a penalty: scikit-learn's `RidgeClassifier`.

    Attributes:
        penalties: candidates for its alpha, on standardised features; without them `PENALTIES`
            times the scale of the data, and further ones where the best lies at an end.
    """

    kind: ClassVar[str] = "ridge"
    penalties: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.penalties is not None:
            _check("penalties", self.penalties)

    def describe(self) -> dict[str, Any]:
        return {"penalties": None if self.penalties is None else list(self.penalties)}

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

    def fit_numbers(self, train: Part, validation: Part) -> Fitted:
        """Least squares towards numbers, (n, outputs): scikit-learn's `Ridge`.

        The penalty with the least squared error on rows that were not fitted wins.
        """
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


@dataclass(frozen=True)
class SVM(_OneLayer):
    """A linear support vector machine, one class against the rest: scikit-learn's `LinearSVC`.

    Attributes:
        strengths: candidates for its C, on standardised features; further ones are tried where the
            best of the default's lies at an end.
    """

    kind: ClassVar[str] = "svm"
    strengths: tuple[float, ...] = STRENGTHS

    def __post_init__(self) -> None:
        _check("strengths", self.strengths)

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "strengths": list(self.strengths)}

    @property
    def is_open(self) -> bool:
        return self.strengths == STRENGTHS

    def candidates(self, problem: _SVMProblem) -> Sequence[float]:
        return self.strengths

    def problem(self, z: np.ndarray, train: Part, classes: int, seed: int) -> _SVMProblem:
        most = FOLDS if len(train) < MANY_ROWS else FEWER_FOLDS
        return _SVMProblem(z, train, seed, inner_folds(train, seed, most))


@dataclass(frozen=True)
class _SVMProblem:
    z: np.ndarray
    train: Part
    seed: int
    folds: np.ndarray

    def solve(self, candidate: float) -> tuple[np.ndarray, np.ndarray]:
        return self._fit(candidate, np.arange(len(self.train)))

    def left_out(self, candidate: float) -> np.ndarray:
        scores = np.zeros((len(self.train), int(self.train.targets.max()) + 1))
        for fitted, asked in sides(self.folds):
            kernel, bias = self._fit(candidate, fitted)
            scores[asked] = self.z[asked] @ kernel + bias
        return scores

    def _fit(self, candidate: float, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.svm import LinearSVC

        part = self.train.rows(rows)
        # The primal: the dual takes minutes where the penalty is weak.
        model = LinearSVC(C=candidate, tol=1e-3, random_state=self.seed).set_params(dual=False)
        return _of_every_class(model.fit(self.z[rows], part.targets, part.weights))


@dataclass(frozen=True)
class Prototype(_OneLayer):
    """The nearest class mean of standardised features (Snell et al., Prototypical networks,
    https://arxiv.org/abs/1703.05175): good with few samples a class."""

    kind: ClassVar[str] = "prototype"

    def describe(self) -> dict[str, Any]:
        return {}

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


def _of_every_class(model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a linear model of scikit-learn, which has one row for two classes."""
    kernel = np.atleast_2d(model.coef_).T.astype(np.float64)
    bias = np.atleast_1d(model.intercept_).astype(np.float64)
    if kernel.shape[1] == 1:
        return np.hstack([-kernel, kernel]), np.hstack([-bias, bias])
    return kernel, bias


def _check(name: str, values: tuple[float, ...]) -> None:
    if not values or not all(value > 0 for value in values):
        raise HeadError(f"{name} are {values}", hint="Give numbers above 0.")
