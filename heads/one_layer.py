"""Heads that are one layer and are fitted at once: ridge, prototypes, a linear SVM."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.dense_stack import DenseStack, Layer, outputs_of
from headstart.heads.kinds import Fitted, Part
from headstart.heads.linear import log_loss
from headstart.heads.losses import loss_of
from headstart.heads.standardising import Standardisation, one_thread_a_core
from headstart.heads.temperature import temperature_of


class _OneLayer:
    """Fits scores on standardised features for some candidates; the one with the least log loss on
    the validation split wins, the first without one.

    Scores are no probabilities; they are divided by a temperature found on the validation split (on
    the train split without one).
    """

    @property
    @abstractmethod
    def candidates(self) -> Sequence[float]:
        """Values of the setting to choose."""

    @abstractmethod
    def scores(
        self, z: np.ndarray, train: Part, classes: int, candidate: float, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Kernel (width, classes) and bias (classes,) of the scores."""

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        with one_thread_a_core() as pool:
            return self._fit(train, validation, classes, seed, pool)

    def _fit(
        self, train: Part, validation: Part, classes: int, seed: int, pool: ThreadPoolExecutor
    ) -> Fitted:
        scale = Standardisation.of([train], pool)
        z = scale.apply(train.features[:])
        candidates = self.candidates if len(validation) else self.candidates[:1]
        judge = validation if len(validation) else train
        found = []
        for candidate in candidates:
            kernel, bias = scale.fold(*self.scores(z, train, classes, candidate, seed))
            temperature = temperature_of(judge.features[:] @ kernel + bias, judge)
            kernel, bias = kernel / np.float32(temperature), bias / np.float32(temperature)
            loss = log_loss([judge], kernel, bias)
            found.append((loss, candidate, temperature, Layer(kernel, bias, "softmax")))
        loss, candidate, temperature, layer = min(found, key=lambda one: one[0])
        details = {"chosen": candidate, "temperature": temperature, "log_loss": loss}
        return Fitted((layer,), details)


@dataclass(frozen=True)
class Ridge(_OneLayer):
    """Least squares towards -1 and 1 with a penalty: scikit-learn's `RidgeClassifier`.

    Attributes:
        penalties: candidates for its alpha, on standardised features.
    """

    kind: ClassVar[str] = "ridge"
    penalties: tuple[float, ...] = (1e3, 1e2, 1e4, 1e5)

    def __post_init__(self) -> None:
        _check("penalties", self.penalties)

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "penalties": list(self.penalties)}

    @property
    def candidates(self) -> Sequence[float]:
        return self.penalties

    def fit_numbers(self, train: Part, validation: Part) -> Fitted:
        """Least squares towards numbers, (n, outputs): scikit-learn's `Ridge`.

        The penalty with the least squared error on the validation split wins, the first without.
        """
        from sklearn.linear_model import Ridge as Regression

        with one_thread_a_core() as pool:
            scale = Standardisation.of([train], pool)
            z = scale.apply(train.features[:])
            found = []
            for penalty in self.penalties if len(validation) else self.penalties[:1]:
                model = Regression(penalty).fit(z, train.targets, train.weights)
                kernel, bias = np.atleast_2d(model.coef_).T, np.atleast_1d(model.intercept_)
                layer = Layer(*scale.fold(kernel, bias), "linear")
                judge = validation if len(validation) else train
                given = outputs_of(DenseStack((layer,), ()), judge)
                loss = loss_of("linear", given, judge.targets, judge.weights)
                found.append((loss, penalty, layer))
        loss, penalty, layer = min(found, key=lambda one: one[0])
        return Fitted((layer,), {"chosen": penalty, "squared_error": loss})

    def scores(
        self, z: np.ndarray, train: Part, classes: int, candidate: float, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import RidgeClassifier

        return _of_every_class(RidgeClassifier(candidate).fit(z, train.targets, train.weights))


@dataclass(frozen=True)
class SVM(_OneLayer):
    """A linear support vector machine, one class against the rest: scikit-learn's `LinearSVC`.

    Attributes:
        strengths: candidates for its C, on standardised features.
    """

    kind: ClassVar[str] = "svm"
    strengths: tuple[float, ...] = (1e-3, 1e-4, 1e-2)

    def __post_init__(self) -> None:
        _check("strengths", self.strengths)

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "strengths": list(self.strengths)}

    @property
    def candidates(self) -> Sequence[float]:
        return self.strengths

    def scores(
        self, z: np.ndarray, train: Part, classes: int, candidate: float, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.svm import LinearSVC

        # The primal: the dual takes minutes where the penalty is weak.
        model = LinearSVC(C=candidate, tol=1e-3, random_state=seed).set_params(dual=False)
        return _of_every_class(model.fit(z, train.targets, train.weights))


@dataclass(frozen=True)
class Prototype(_OneLayer):
    """The nearest class mean of standardised features (Snell et al., Prototypical networks,
    https://arxiv.org/abs/1703.05175): good with few samples a class."""

    kind: ClassVar[str] = "prototype"

    def describe(self) -> dict[str, Any]:
        return {}

    @property
    def candidates(self) -> Sequence[float]:
        return (1.0,)

    def scores(
        self, z: np.ndarray, train: Part, classes: int, candidate: float, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        sums = np.zeros((classes, z.shape[1]))
        np.add.at(sums, train.targets, z if train.weights is None else z * train.weights[:, None])
        means = sums / np.bincount(train.targets, train.weights, classes)[:, None]
        # -|z - m|^2 / 2, without |z|^2, which is the same for all classes
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
