"""Which rows say how good a setting is and how sure a head may be: none that it was fitted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headstart.heads.kind import Part
from headstart.heads.rows import Rows

ENOUGH = 200
"""Rows of a validation split that are asked alone; with fewer, training rows are asked as well, by
fits that they are left out of."""


@dataclass(frozen=True)
class Verdict:
    """What a head says of the rows that it is judged on.

    Attributes:
        outputs: scores or numbers, (n, outputs).
        targets: class numbers or numbers of the same rows.
        weights: how many rows each counts for, (n,), or None.
        doubt: the share of each row's label that all other classes get alike.
    """

    outputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    doubt: float


@dataclass(frozen=True)
class Judge:
    """The rows that a head is judged on.

    Attributes:
        train: what it is fitted on.
        validation: what it is not, may be empty.
        folds: with which fold each training row is left out, as by `inner_folds`.
    """

    train: Part
    validation: Part
    folds: np.ndarray

    @property
    def mass(self) -> float:
        """What all rows that there are count together."""
        return self.train.mass + self.validation.mass

    @property
    def asked(self) -> np.ndarray:
        """Training rows that are asked when they are left out."""
        rows = np.flatnonzero(self.folds >= 0)
        return rows if len(self.validation) < ENOUGH else rows[:0]

    def hear(
        self, head: Callable[[Rows], np.ndarray], left_out: Callable[[], np.ndarray]
    ) -> Verdict:
        """What a head says.

        Args:
            head: gives its outputs of features.
            left_out: gives the outputs of all training rows by fits without their fold.
        """
        heard: list[tuple[np.ndarray, Part]] = []
        if len(self.validation):
            heard.append((head(self.validation.features), self.validation))
        if len(self.asked):
            heard.append((left_out()[self.asked], self.train.rows(self.asked)))
        if heard:
            return _together(heard, 0.0)
        # Of one sample a class nothing can be known: right or wrong, as a coin falls.
        return _together([(head(self.train.features), self.train)], 0.5)

    def describe(self) -> dict[str, int]:
        """How many rows of which split, JSON values."""
        return {"train": len(self.asked), "validation": len(self.validation)}


def _together(heard: list[tuple[np.ndarray, Part]], doubt: float) -> Verdict:
    outputs = np.concatenate([outputs for outputs, _ in heard])
    targets = np.concatenate([part.targets for _, part in heard])
    weights = None
    if any(part.weights is not None for _, part in heard):
        own = [part.weights for _, part in heard]
        sizes = [len(part) for _, part in heard]
        weights = np.concatenate(
            [np.ones(n, np.float32) if w is None else w for w, n in zip(own, sizes, strict=True)]
        )
    return Verdict(outputs, targets, weights, doubt)
