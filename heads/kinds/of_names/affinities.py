"""How near samples are to training samples of each class, and what that counts beside names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from headstart.heads.calibration.judge import Verdict
from headstart.heads.calibration.temperature import penalty_of
from headstart.heads.kind import Part
from headstart.heads.kinds.of_names.class_names import SCALE
from headstart.heads.largest import BLOCK
from headstart.heads.projection import of_length_one
from headstart.heads.rows import Rows
from headstart.heads.standardisation import one_thread_a_core

NOTHING = 1e-6
"""Of a logit, what changes no probability: training samples that add no more are left out."""


@dataclass(frozen=True)
class Cache:
    """Training rows, class by class.

    Attributes:
        keys: their features, each of length one, (width, rows).
        targets: class numbers, (rows,), rising.
        weights: how many rows each counts for, (rows,).
        order: which of the training rows each is, (rows,).
    """

    keys: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    order: np.ndarray

    @staticmethod
    def of(train: Part) -> Cache:
        """All rows of a part, in memory."""
        order = np.argsort(train.targets, kind="stable")
        part = train.rows(order)
        weights = np.ones(len(part), np.float32) if part.weights is None else part.weights
        keys = np.ascontiguousarray(of_length_one(part.features[:]).T)
        return Cache(keys, part.targets, weights, order)

    def labels(self, classes: int) -> np.ndarray:
        """What each row counts for its class, (rows, classes)."""
        found = np.zeros((len(self.targets), classes), np.float32)
        found[np.arange(len(found)), self.targets] = self.weights
        return found

    def said(
        self,
        features: Rows,
        names: np.ndarray,
        betas: Sequence[float],
        folds: np.ndarray | None = None,
    ) -> np.ndarray:
        """The cosines of samples with names (width, classes), and for each beta the sum of their
        affinities to the rows of each class: (n, 1 + betas, classes) float32.

        Args:
            features: (n, width).
            names: directions of the classes.
            betas: see `Mix`.
            folds: of the training rows, where these are asked: those of a row's own fold are left
                out.
        """
        found = np.zeros((len(features), 1 + len(betas), names.shape[1]), np.float32)
        step = max(1, BLOCK // len(self.targets))

        def say(start: int) -> None:
            rows = slice(start, min(start + step, len(features)))
            unit = of_length_one(features[rows])
            found[rows, 0] = unit @ names
            away, left_out = unit @ self.keys - 1, self._left_out(folds, rows)
            for number, beta in enumerate(betas, start=1):
                self._add_up(np.exp(beta * away), left_out, found[rows, number])

        with one_thread_a_core() as pool:
            list(pool.map(say, range(0, len(features), step)))
        return found

    def _left_out(self, folds: np.ndarray | None, rows: slice) -> np.ndarray | None:
        """Which training rows are of the own fold of some of them, (n, rows)."""
        if folds is None:
            return None
        own = folds[rows, None]
        return (own == folds[self.order]) & (own >= 0)

    def _add_up(self, affinities: np.ndarray, left_out: np.ndarray | None, out: np.ndarray) -> None:
        """Sum affinities (n, rows) class by class into (n, classes)."""
        affinities *= self.weights
        if left_out is not None:
            affinities[left_out] = 0
        present, starts = np.unique(self.targets, return_index=True)
        out[:, present] = np.add.reduceat(affinities, starts, axis=1)


@dataclass(frozen=True)
class Mix:
    """How class names and training samples are weighed: see `tip_adapter.py`.

    Attributes:
        scale: of cosines with names.
        alpha: of affinities.
        beta: of angles, in an affinity `exp(-beta * (1 - cosine))`.
    """

    scale: float
    alpha: float
    beta: float

    def describe(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Search:
    """The best scale and alpha for some betas, by the log loss of samples that are not in the
    cache.

    It has priors, as without them nothing would hold the two where all samples are right: the
    scale's logarithm that of a head of kind `zeroshot`, and alpha that of a `linear` head at C = 1
    on the affinities, standardised.

    Attributes:
        verdict: with outputs as by `Cache.said`.
        betas: those there.
        most: the largest alpha.
        scale: the only one to take, or None.
        alpha: likewise.
    """

    verdict: Verdict
    betas: tuple[float, ...]
    most: float
    scale: float | None = None
    alpha: float | None = None

    def tried(self, beta: float) -> tuple[float, tuple[Mix, float]]:
        """The objective of a beta; and what is best with it, with its log loss."""
        from scipy.optimize import minimize

        outputs = self.verdict.outputs.astype(np.float64)
        cosines, votes = outputs[:, 0], outputs[:, 1 + self.betas.index(beta)]
        spread = votes.std(axis=0)
        unit = float(spread.max()) or 1.0
        penalty = penalty_of(np.diag(spread / unit), self._mass)
        loss = _Loss(cosines, votes / unit, self.verdict, penalty)
        sharp = (None, None) if self.scale is None else (math.log(self.scale / SCALE),) * 2
        share = (0.0, self.most * unit) if self.alpha is None else (self.alpha * unit,) * 2
        start = np.array([sharp[0] or 0.0, min(1.0, share[1])])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[sharp, share])
        alpha = float(found.x[1]) / unit if found.x[1] > NOTHING else 0.0
        mix = Mix(SCALE * math.exp(found.x[0]), alpha, beta)
        return float(found.fun), (mix, loss.plain(found.x))

    @property
    def _mass(self) -> float:
        weights = self.verdict.weights
        return float(len(self.verdict.targets) if weights is None else weights.sum())


@dataclass(frozen=True)
class _Loss:
    """The mean log loss with its penalties, by the logarithm of the scale's share of `SCALE` and by
    alpha.

    Attributes:
        cosines: (n, classes).
        votes: likewise.
        verdict: whose targets and weights these rows have.
        penalty: of the square of alpha.
    """

    cosines: np.ndarray
    votes: np.ndarray
    verdict: Verdict
    penalty: float

    def __call__(self, place: np.ndarray) -> tuple[float, np.ndarray]:
        position, alpha = place
        loss, errors = self._said(place)
        scale = SCALE * math.exp(position)
        held = 0.5 / len(self.cosines)
        slope = (scale * (errors * self.cosines).sum(), (errors * self.votes).sum())
        more = (2 * held * position, 2 * self.penalty * alpha)
        return loss + held * position**2 + self.penalty * alpha**2, np.add(slope, more)

    def plain(self, place: np.ndarray) -> float:
        """The mean log loss alone."""
        return self._said(place)[0]

    def _said(self, place: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean log loss, and its slope by each logit, (n, classes)."""
        position, alpha = place
        rows, targets = np.arange(len(self.cosines)), self.verdict.targets
        logits = SCALE * math.exp(position) * self.cosines + alpha * self.votes
        logits -= logits.max(axis=1, keepdims=True)
        sums = np.exp(logits).sum(axis=1)
        share = np.ones(len(rows)) if self.verdict.weights is None else self.verdict.weights
        share = share / share.sum()
        errors = np.exp(logits) / sums[:, None]
        errors[rows, targets] -= 1
        return float(share @ (np.log(sums) - logits[rows, targets])), errors * share[:, None]
