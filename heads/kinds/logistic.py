"""Multinomial logistic regression to its optimum, for several fits to the same rows at once.

The objective is scikit-learn's on standardised features z = (x - mean) / std,

    F(W, b) = mean_i log_loss(softmax(z_i W + b), y_i) + penalty / 2 * |W|^2,

without ever making z: z W + b = x (W / std) + (b - (mean / std) W), and likewise for the gradient.
Rows with weights have a weighted mean everywhere: a row of weight two is two rows.
With its C, `LogisticRegression` has penalty 1 / (C n). It gives two classes one row of weights
instead of two, which is the same minimum at twice the penalty.

The fits of a cross-validation have most of their rows in common. So what each asks for is evaluated
with what the others ask for, in one reading: their weights stand beside each other in one matrix,
and a row that a fit is not to counts nothing in it. A product of fifty columns is about three times
as fast a column as one of ten, and rows that lie on the disk are read once instead of five times.

Products are float32; sums over blocks of rows, the objective and the steps are float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from headstart.heads.kind import Part
from headstart.heads.kinds.lbfgs import (
    Asks,
    Evaluation,
    RightSide,
    Solution,
    solve_together,
)
from headstart.heads.shared_rows import SharedRows, Span, spans_of
from headstart.heads.standardisation import Standardisation

SEGMENTS = 16


class Logistic:
    """The log loss over some rows, without its penalty.

    Args:
        rows: features are read block by block, once for each evaluation.
        classes: how many classes.
        scales: mean and standard deviation of the features, of each fit's rows.
        pool: threads for the blocks.
    """

    def __init__(
        self,
        rows: SharedRows,
        classes: int,
        scales: Sequence[Standardisation],
        pool: ThreadPoolExecutor,
    ) -> None:
        self.rows, self.classes, self.scales, self._pool = rows, classes, scales, pool
        self.masses = rows.masses()
        spans = rows.spans(rows.fits * classes)
        # In pieces that do not depend on the number of cores, so that the sums do not either.
        size = -(-len(spans) // SEGMENTS)
        self._spans = [spans[start : start + size] for start in range(0, len(spans), size)]

    def starts(self) -> list[Solution]:
        """Nothing but the classes' frequencies, for each fit."""
        shares = np.maximum(self.rows.counts(self.classes), 0.5) / self.masses
        nothing = np.zeros((self.rows.width, self.classes))
        return [Solution(nothing, bias) for bias in np.log(shares).T]

    def solve(self, fits: Sequence[Asks]) -> list[Any]:
        """What each fit returns; all are evaluated together until the last is done, and what they
        have to solve for before they ask for it is solved together."""
        done: list[Any] = [None] * len(fits)
        answers: dict[int, Any] = dict.fromkeys(range(len(fits)))
        asked: dict[int, np.ndarray] = {}
        while answers:
            wanted: dict[int, RightSide] = {}
            for fit, answer in answers.items():
                try:
                    question = fits[fit].send(answer)
                except StopIteration as end:
                    done[fit] = end.value
                    continue
                if isinstance(question, RightSide):
                    wanted[fit] = question
                else:
                    asked[fit] = question
            if wanted:
                answers = solve_together(wanted)
            else:
                answers, asked = self.evaluate(asked) if asked else {}, {}
        return done

    def evaluate(self, asked: Mapping[int, np.ndarray]) -> dict[int, Evaluation]:
        """What the rows of fits say of weights (width + 1, classes) for standardised features."""
        fits, total = list(asked), _Sums(len(asked), self.rows.width, self.classes)
        kernels = [self._raw(fit, x) for fit, x in asked.items()]
        kernel = np.vstack([one.T for one, _ in kernels]).astype(np.float32)
        bias = np.hstack([one for _, one in kernels]).astype(np.float32)
        run = map if len(self._spans) == 1 else self._pool.map
        for sums in run(lambda own: self._sums(own, fits, kernel, bias), self._spans):
            total += sums
        return {fit: self._of(fit, total, place) for place, fit in enumerate(fits)}

    def _raw(self, fit: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights and bias for raw features."""
        scaled = x[:-1] / self.scales[fit].std[:, None]
        return scaled, x[-1] - self.scales[fit].mean @ scaled

    def _of(self, fit: int, total: _Sums, place: int) -> Evaluation:
        """The means of one fit, for its standardised features."""
        scale, mass = self.scales[fit], self.masses[fit]
        residual = total.residual[place] / mass
        own = slice(place * self.classes, (place + 1) * self.classes)
        centred = total.products[own].T / mass - np.outer(scale.mean, residual)
        slope = np.vstack([centred / scale.std[:, None], residual])
        spread = float(total.spread[place]) / mass / self.classes
        return Evaluation(float(total.loss[place]) / mass, slope, spread)

    def _sums(
        self, spans: Sequence[Span], fits: Sequence[int], kernel: np.ndarray, bias: np.ndarray
    ) -> _Sums:
        # Weights, and what comes of them, stand in rows, and so do the samples of a class: what is
        # done to a sample's classes is done to many samples at once, four times as fast.
        total = _Sums(len(fits), kernel.shape[1], self.classes)
        for span in spans:
            features, targets = span.features, span.targets
            rows = np.arange(len(targets))
            logits = kernel @ features.T
            logits += bias[:, None]
            each = logits.reshape(len(fits), self.classes, len(rows))
            each -= each.max(axis=1, keepdims=True)
            own = each[:, targets, rows].astype(np.float64)
            np.exp(logits, out=logits)
            norms = each.sum(axis=1)
            losses = np.log(norms.astype(np.float64)) - own
            each /= norms[:, None]
            spreads = 1 - np.einsum("fcn,fcn->fn", each, each)
            each[:, targets, rows] -= 1
            weights = self.rows.weights(span, fits)
            if weights is not None:
                losses *= weights.T
                spreads *= weights.T
                each *= weights.T[:, None]
            total.loss += losses.sum(axis=1)
            total.spread += spreads.sum(axis=1, dtype=np.float64)
            total.residual += each.sum(axis=2, dtype=np.float64)
            total.products += logits @ features
        return total


def log_loss(parts: Sequence[Part], kernel: np.ndarray, bias: np.ndarray) -> float:
    """The mean log loss of weights for raw features."""
    total = 0.0
    for part in parts:
        for start, stop in spans_of(part):
            logits = (part.features[start:stop] @ kernel + bias).astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            own = logits[np.arange(stop - start), part.targets[start:stop]]
            losses = np.log(np.exp(logits).sum(axis=1)) - own
            total += float(
                losses.sum() if part.weights is None else losses @ part.weights[start:stop]
            )
    return total / sum(part.mass for part in parts)


class _Sums:
    """Over some rows, of each fit: the loss, p (1 - p), and the gradients of bias and kernel, those
    one below the other."""

    def __init__(self, fits: int, width: int, classes: int) -> None:
        self.loss, self.spread = np.zeros(fits), np.zeros(fits)
        self.residual = np.zeros((fits, classes))
        self.products = np.zeros((fits * classes, width))

    def __iadd__(self, other: _Sums) -> _Sums:
        self.loss += other.loss
        self.spread += other.spread
        self.residual += other.residual
        self.products += other.products
        return self
