"""A head with the face of scikit-learn, for its pipelines, searches and cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from headstart.heads.dense_stack import DenseStack
from headstart.heads.kind import Part, tokens_for
from headstart.heads.kinds.every_kind import head_of
from headstart.heads.origins import fit_near_zero
from headstart.values.seeds import check_seed


class HeadClassifier(ClassifierMixin, BaseEstimator):
    """A head of any kind as a classifier of feature vectors.

    Args:
        kind: `attentive`, `linear`, `mlp`, `neighbours`, `prototype`, `ridge`, `svm`, or one of a
            plug-in.
        settings: of the kind, such as `{"strengths": (0.01,)}` or `{"hidden": (64,)}`; its defaults
            without them. There is no validation split, so rows are left out in turn to choose
            among several candidates and to calibrate, and an `mlp` runs all its epochs. To an
            `attentive` one a vector is a single token.
        seed: of everything that chance decides.

    Attributes:
        classes_: the labels, sorted.
        stack_: the fitted layers, a `DenseStack` of class numbers.
    """

    def __init__(
        self, kind: str = "linear", settings: dict[str, Any] | None = None, seed: int = 0
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.seed = seed

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> HeadClassifier:
        """Fit to features (n, width) and labels (n,); rows count as `sample_weight` says, (n,).

        Raises:
            ValueError: NaN or infinity among the features, fewer than two classes, or (HeadError) a
                kind or setting that there is not.
        """
        check_seed(self.seed)
        given: Any = validate_data(self, X, y, dtype=np.float32)
        x, y = given
        check_classification_targets(y)
        weights = None
        if sample_weight is not None:
            weights = np.asarray(_check_sample_weight(sample_weight, x), np.float32)
            x, y, weights = x[weights > 0], y[weights > 0], weights[weights > 0]
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"The head needs samples of 2 classes, got 1 class: {self.classes_}")
        kind = head_of(self.kind, self.settings or {})
        nothing = Part(x[:0], targets[:0])
        fitted = fit_near_zero(
            lambda train, validation: kind.fit(train, validation, len(self.classes_), self.seed),
            Part(x, targets, weights),
            nothing,
            tokens_for(kind, nothing),
        )
        self.stack_ = DenseStack(fitted.layers, tuple(range(len(self.classes_))))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities (n, classes)."""
        check_is_fitted(self)
        x: Any = validate_data(self, X, dtype=np.float32, reset=False)
        return self.stack_.predict_proba(x)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]
