"""A head with the face of scikit-learn, for its pipelines, searches and cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from headstart.errors import InvalidHeadSetting
from headstart.heads.dense_stack import DenseStack
from headstart.heads.generalised import SQUARED
from headstart.heads.kind import HeadKind, Part, tokens_for
from headstart.heads.kinds.every_kind import head_of
from headstart.heads.origins import fit_near_zero
from headstart.heads.regression import Regression, check_size
from headstart.heads.rows import check_rows
from headstart.values.seeds import check_seed

LEAST_WEIGHT, MOST_WEIGHT = 1e-12, 1e12
"""What a row may count that counts at all; a smaller or larger number is none of float32 once rows
and squares are summed up with it."""
NO_SETTINGS = ("kind", "settings", "seed", "loss", "quantile")
"""Parameters of an estimator that are none of a kind."""


class _OfAKind:
    """What both estimators have: a kind of head, with its settings one by one or together."""

    kind: str
    settings: dict[str, Any] | None
    seed: int

    def _made(self) -> HeadKind:
        """The kind with all settings that were given.

        Raises:
            HeadError: there is no such kind, or it has no such setting.
            InvalidHeadSetting: a setting is given by itself and in `settings`.
        """
        check_seed(self.seed)
        parameters: dict[str, Any] = self.get_params(deep=False)  # type: ignore[attr-defined]
        given = dict(self.settings or {})
        for name, value in parameters.items():
            if name in NO_SETTINGS or value is None:
                continue
            if name in given:
                raise InvalidHeadSetting(
                    f"{name} is given twice, as {value!r} and in settings as {given[name]!r}",
                    hint="Leave one out.",
                )
            given[name] = value
        return head_of(self.kind, given)

    def _rows(self, X: Any, y: Any, sample_weight: Any, **how: Any) -> Part:
        """Features and targets as they were checked; rows that count nothing are left out."""
        given: Any = validate_data(self, X, y, dtype=np.float32, **how)
        x, y = given
        check_rows(x)
        if sample_weight is None:
            return Part(x, y)
        weights = np.asarray(_check_sample_weight(sample_weight, x), np.float64)
        _check_weights(weights)
        return Part(x[weights > 0], y[weights > 0], weights[weights > 0].astype(np.float32))

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self)  # type: ignore[arg-type]
        x: Any = validate_data(self, X, dtype=np.float32, reset=False)
        return x


def _check_weights(weights: np.ndarray) -> None:
    """See that rows count something that can be computed with, or nothing.

    Raises:
        ValueError: a weight is below 0, or neither 0 nor within the bounds; or all are 0.
    """
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number: all are 0")
    bad = (weights != 0) & ~((weights >= LEAST_WEIGHT) & (weights <= MOST_WEIGHT))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"sample_weight of row {row} is {weights[row]:g}: give 0, or a number from "
            f"{LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
        )


class HeadClassifier(_OfAKind, ClassifierMixin, BaseEstimator):
    """A head of any kind as a classifier of feature vectors.

    Args:
        kind: `attentive`, `linear`, `mlp`, `neighbours`, `prototype`, `ridge`, `svm`, or one of a
            plug-in. To an `attentive` one a vector is a single token.
        settings: of the kind, such as `{"strengths": (0.01,)}`; for those that are no parameters
            here, as of plug-ins. There is no validation split, so rows are left out in turn to
            choose among several candidates and to calibrate, and an `mlp` runs all its epochs.
        seed: of everything that chance decides.
        strengths: of `linear` and `svm`: candidates for C.
        penalties: of `ridge`: candidates for alpha.
        neighbours: of `neighbours`: how many.
        hidden: of `mlp`: width of each hidden layer.
        dropout, learning_rate, batch_size, epochs, patience, label_smoothing: of `mlp`.
        iterations: of `linear`: steps of L-BFGS at most.
        calibrated: of `neighbours` and others that have it: whether probabilities are calibrated.

    A parameter that is None is as the kind has it; one that the kind does not have is refused.

    Attributes:
        classes_: the labels, sorted.
        stack_: the fitted layers, a `DenseStack` of class numbers.
    """

    def __init__(
        self,
        kind: str = "linear",
        settings: dict[str, Any] | None = None,
        seed: int = 0,
        *,
        strengths: Sequence[float] | None = None,
        penalties: Sequence[float] | None = None,
        neighbours: int | None = None,
        hidden: Sequence[int] | None = None,
        dropout: float | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        label_smoothing: float | None = None,
        iterations: int | None = None,
        calibrated: bool | None = None,
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.seed = seed
        self.strengths = strengths
        self.penalties = penalties
        self.neighbours = neighbours
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience
        self.label_smoothing = label_smoothing
        self.iterations = iterations
        self.calibrated = calibrated

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> HeadClassifier:
        """Fit to features (n, width) and labels (n,); rows count as `sample_weight` says, (n,).

        Raises:
            ValueError: NaN, infinity or a number beyond 1e16 among the features, a weight below
                0 or out of bounds, fewer than two classes, or (HeadError) a kind or setting that
                there is not.
        """
        rows = self._rows(X, y, sample_weight)
        check_classification_targets(rows.targets)
        self.classes_, targets = np.unique(rows.targets, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"The head needs samples of 2 classes, got 1 class: {self.classes_}")
        kind, x = self._made(), rows.features
        nothing = Part(x[:0], targets[:0])
        fitted = fit_near_zero(
            lambda train, validation: kind.fit(train, validation, len(self.classes_), self.seed),
            Part(x, targets, rows.weights),
            nothing,
            tokens_for(kind, nothing),
        )
        self.stack_ = DenseStack(fitted.layers, tuple(range(len(self.classes_))))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities (n, classes)."""
        x = self._checked(X)  # which says so if there is no stack yet
        return self.stack_.predict_proba(x)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


class HeadRegressor(_OfAKind, RegressorMixin, MultiOutputMixin, BaseEstimator):
    """A head of any kind that gives numbers, as a regressor of feature vectors.

    Args:
        kind: `attentive`, `ridge`, `mlp`, or one of a plug-in that does the task `regression`. To
            an `attentive` one a vector is a single token.
        settings: see `HeadClassifier`.
        seed: of everything that chance decides.
        penalties: of `ridge`: candidates for alpha.
        hidden: of `mlp`: width of each hidden layer.
        dropout, learning_rate, batch_size, epochs, patience: of `mlp`.
        loss: `squared`, or with `ridge` `poisson` for counts, or `quantile`; see `Regression`.
        quantile: of the last, between 0 and 1.

    `score` is R2 whatever the loss, as of scikit-learn's own regressors of quantiles; to search by
    another, give `scoring`, such as `neg_mean_poisson_deviance`.

    Attributes:
        stack_: the fitted layers, a `DenseStack` without classes.
    """

    def __init__(
        self,
        kind: str = "ridge",
        settings: dict[str, Any] | None = None,
        seed: int = 0,
        *,
        penalties: Sequence[float] | None = None,
        hidden: Sequence[int] | None = None,
        dropout: float | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        loss: str = SQUARED,
        quantile: float = 0.5,
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.seed = seed
        self.loss = loss
        self.quantile = quantile
        self.penalties = penalties
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.patience = patience

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> HeadRegressor:
        """Fit to features (n, width) and numbers (n,) or (n, outputs); rows count as
        `sample_weight` says, (n,).

        Raises:
            ValueError: NaN, infinity or a number that is too large among them, a weight below 0 or
                out of bounds, or (HeadError) a kind, loss or setting that there is not, or that
                gives no numbers.
        """
        rows = self._rows(X, y, sample_weight, multi_output=True, y_numeric=True)
        self._is_flat = rows.targets.ndim == 1
        targets = np.asarray(rows.targets, np.float64).reshape(len(rows.targets), -1)
        check_size(targets)
        kind, task, x = self._made(), Regression(self.loss, self.quantile), rows.features
        nothing = Part(x[:0], targets[:0])
        fitted = fit_near_zero(
            lambda train, validation: task.fit(kind, train, validation, 0, self.seed),
            Part(x, targets, rows.weights),
            nothing,
            tokens_for(kind, nothing),
        )
        self.stack_ = DenseStack(fitted.layers, ())
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The numbers of each row, (n,) or (n, outputs), as `fit` was given them."""
        x = self._checked(X).astype(np.float64)  # so that rows together are as rows alone
        found = self.stack_.predict_proba(x)
        return found[:, 0] if self._is_flat else found
