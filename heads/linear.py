"""Multinomial logistic regression, its L2 strength chosen on the validation split."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import HeadError
from headstart.heads.dense_stack import Layer, Standardisation
from headstart.heads.kinds import Fitted, Part

STRENGTHS = tuple(float(f"{c:.1e}") for c in np.logspace(-4, 0, 9))
TOLERANCE = 1e-5
"""Largest gradient component at which L-BFGS stops; scikit-learn's 1e-4 moves probabilities by a
percent."""


@dataclass(frozen=True)
class Linear:
    """A linear head.

    Attributes:
        strengths: candidates for C, the inverse of the L2 penalty on standardised features, as in
            scikit-learn's `LogisticRegression`; the one with the lowest log loss on the
            validation split is fitted again on train and validation together.
        iterations: at most so many iterations of L-BFGS a fit.
    """

    kind: ClassVar[str] = "linear"
    strengths: tuple[float, ...] = STRENGTHS
    iterations: int = 2000

    def __post_init__(self) -> None:
        if not self.strengths or min(self.strengths) <= 0:
            raise HeadError(f"strengths are {self.strengths}", hint="Give numbers above 0.")

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "strengths": list(self.strengths)}

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        del seed  # the optimum does not depend on chance
        path = self._search(train, validation) if len(validation) else []
        strength = min(path, key=lambda step: step["log_loss"])["strength"] if path else 1.0
        everything = train + validation if len(validation) else train
        scale = Standardisation.of(everything.features)
        model = self._model(C=strength, tol=TOLERANCE)
        _fit(model, scale.apply(everything.features), everything.targets)
        kernel, bias = _as_softmax(model.coef_, model.intercept_)
        kernel, bias = scale.fold(kernel, bias)
        details = {"strength": strength, "iterations": int(model.n_iter_.max()), "path": path}
        return Fitted((Layer(kernel, bias, "softmax"),), details)

    def _search(self, train: Part, validation: Part) -> list[dict[str, float]]:
        """Log loss on the validation split for each strength, from strong to weak penalty.

        Each fit starts from the one before. The search stops when two steps in a row were worse
        than the best: the weaker the penalty, the longer a fit takes.
        """
        from sklearn.metrics import log_loss

        scale = Standardisation.of(train.features)
        known, unknown = scale.apply(train.features), scale.apply(validation.features)
        model = self._model(warm_start=True)
        path: list[dict[str, float]] = []
        for strength in sorted(self.strengths):
            _fit(model.set_params(C=strength), known, train.targets)
            loss = log_loss(validation.targets, model.predict_proba(unknown), labels=model.classes_)
            path.append({"strength": strength, "log_loss": float(loss)})
            losses = [step["log_loss"] for step in path]
            if len(losses) > 2 and min(losses[-2:]) > min(losses):
                break
        return path

    def _model(self, **settings: Any) -> Any:
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(max_iter=self.iterations, **settings)


def _fit(model: Any, features: np.ndarray, targets: np.ndarray) -> None:
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # One thread: at these sizes the threads of the matrix products wait for each other, and two
    # take two to four times as long as one (1,500 and 20,000 rows of 1,280, two cores).
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # the iterations are recorded
        model.fit(features, targets)


def _as_softmax(coefficients: np.ndarray, intercepts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (width, classes) and bias; scikit-learn gives two classes one logistic row."""
    if len(coefficients) == 1:
        zeros = np.zeros_like(coefficients)
        coefficients = np.concatenate([zeros, coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    return coefficients.T, intercepts
