"""Multinomial logistic regression to its optimum: preconditioned L-BFGS, one reading an iteration.

The objective is scikit-learn's on standardised features z = (x - mean) / std,

    F(W, b) = mean_i log_loss(softmax(z_i W + b), y_i) + penalty / 2 * |W|^2,

without ever making z: z W + b = x (W / std) + (b - (mean / std) W), and likewise for the gradient.
Rows with weights have a weighted mean everywhere: a row of weight two is two rows.
With its C, `LogisticRegression` has penalty 1 / (C n). It gives two classes one row of weights
instead of two, which is the same minimum at twice the penalty.

Products are float32; sums over blocks of rows, the objective and the steps are float64.

The Hessian of a class is mean_i p_i (1 - p_i) z_i z_i^T + penalty. With one average weight for all
classes that is a * Gram + penalty, whose Cholesky factor makes L-BFGS (Nocedal and Wright,
Numerical Optimization, algorithm 7.4, with this in the place of its H0) converge in about as many
steps for a weak penalty as for a strong one. The Gram matrix is of some rows, chosen by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.heads.kind import Part
from headstart.heads.standardisation import Standardisation, spans_of

SEGMENTS = 16
SMALL_ROWS = 32
MEMORY = 30
"""Steps that L-BFGS remembers."""
GRAM_ROWS_PER_COLUMN = 3
LARGEST_GRAM = 4096
"""Columns: above that the matrix costs more than it saves."""
CERTAIN = 10.0
"""Where the mean of 1 - sum(p^2) is below a tenth, the stop is asked for less of a gap."""
SUFFICIENT = 1e-4
"""Armijo's constant."""


@dataclass(frozen=True)
class Solution:
    """Weights for standardised features.

    Attributes:
        weights: float64, (width, classes).
        bias: float64, (classes,).
        objective: the value reached.
        gap: how far that is above the minimum, estimated by half the Newton decrement.
        iterations: steps taken.
    """

    weights: np.ndarray
    bias: np.ndarray
    objective: float
    gap: float
    iterations: int


@dataclass
class Logistic:
    """The objective over some rows, for any penalty.

    Args:
        parts: the rows; features are read block by block, once for each evaluation.
        classes: how many classes.
        scale: mean and standard deviation of the features.
        pool: threads for the blocks.
        iterations: at most so many steps to a minimum.
    """

    parts: Sequence[Part]
    classes: int
    scale: Standardisation
    pool: ThreadPoolExecutor
    iterations: int = 2000
    rows: float = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = sum(part.mass for part in self.parts)
        self.width = self.parts[0].features.shape[1]
        spans = [(part, start, stop) for part in self.parts for start, stop in spans_of(part)]
        # In pieces that do not depend on the number of cores, so that the sums do not either.
        size = -(-len(spans) // SEGMENTS)
        self._spans = [spans[start : start + size] for start in range(0, len(spans), size)]

    def start(self) -> Solution:
        """Nothing but the classes' frequencies."""
        counts = sum(np.bincount(part.targets, part.weights, self.classes) for part in self.parts)
        bias = np.log(np.maximum(np.asarray(counts, np.float64), 0.5) / self.rows)
        return Solution(np.zeros((self.width, self.classes)), bias, np.inf, np.inf, 0)

    def minimise(
        self,
        penalty: float,
        start: Solution,
        curvature: Curvature,
        *,
        tolerance: float,
        memory: Memory | None = None,
    ) -> Solution:
        """Go down from `start` until the gap to the minimum is below `tolerance * objective`.

        Args:
            penalty: of the squared weights.
            start: where to begin.
            curvature: of the features.
            tolerance: a share of the objective.
            memory: what a solution for another penalty left, changed in place.
        """
        memory = Memory() if memory is None else memory
        memory.move_to(penalty)
        x = np.concatenate([start.weights, start.bias[None]])
        value, slope, spread = self._evaluate(x, penalty)
        weight, precondition = spread, curvature.inverse(spread, penalty)
        gap, taken = np.inf, 0
        for taken in range(self.iterations + 1):
            step = -memory.inverse_hessian_times(slope, precondition)
            gap = -0.5 * float(np.vdot(step, slope))
            # Where classes are told apart for nearly all rows, the estimate is far too small.
            allowed = tolerance * value * min(1.0, CERTAIN * spread * self.classes)
            if gap <= allowed or taken == self.iterations:
                break
            found = self._search(x, value, slope, step, penalty)
            if found is None:
                if not memory.steps:
                    break  # no step makes it smaller: that is all that the numbers can tell
                memory.steps.clear()
                continue
            new, new_value, new_slope, spread = found
            memory.add(new - x, new_slope - slope)
            x, value, slope = new, new_value, new_slope
            if not weight / 2 < spread < weight * 2:
                weight, precondition = spread, curvature.inverse(spread, penalty)
        return Solution(x[:-1], x[-1], value, gap, taken)

    def _search(
        self, x: np.ndarray, value: float, slope: np.ndarray, step: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, float, np.ndarray, float] | None:
        """The first of the step, a half, a quarter... that lowers the objective enough."""
        descent = float(np.vdot(slope, step))
        for halvings in range(12):
            length = 0.5**halvings
            new = x + length * step
            new_value, new_slope, spread = self._evaluate(new, penalty)
            if new_value <= value + SUFFICIENT * length * descent:
                return new, new_value, new_slope, spread
        return None

    def _evaluate(self, x: np.ndarray, penalty: float) -> tuple[float, np.ndarray, float]:
        """Objective, gradient (width + 1, classes), and the mean of p (1 - p)."""
        scaled = x[:-1] / self.scale.std[:, None]
        kernel = scaled.astype(np.float32)
        bias = (x[-1] - self.scale.mean @ scaled).astype(np.float32)
        sums = list(self.pool.map(lambda span: self._sums(span, kernel, bias), self._spans))
        loss = sum(s.loss for s in sums) / self.rows
        residual = sum(s.residual for s in sums) / self.rows
        products = sum(s.products for s in sums) / self.rows
        spread = sum(s.spread for s in sums) / self.rows / self.classes
        gradient = np.empty_like(x)
        centred = products - np.outer(self.scale.mean, residual)
        gradient[:-1] = centred / self.scale.std[:, None] + penalty * x[:-1]
        gradient[-1] = residual
        value = loss + 0.5 * penalty * float(np.vdot(x[:-1], x[:-1]))
        return value, gradient, spread

    def _sums(
        self, spans: Sequence[tuple[Part, int, int]], kernel: np.ndarray, bias: np.ndarray
    ) -> _Sums:
        total = _Sums(0.0, np.zeros(self.classes), np.zeros(kernel.shape), 0.0)
        for part, start, stop in spans:
            features, targets = part.features[start:stop], part.targets[start:stop]
            rows = np.arange(len(targets))
            logits = _product(features, kernel)
            logits += bias
            logits -= logits.max(axis=1, keepdims=True)
            own = logits[rows, targets].astype(np.float64)
            np.exp(logits, out=logits)
            norms = logits.sum(axis=1, keepdims=True)
            losses = np.log(norms[:, 0].astype(np.float64)) - own
            logits /= norms
            spreads = 1 - np.einsum("ij,ij->i", logits, logits)
            logits[rows, targets] -= 1
            if part.weights is not None:
                weights = part.weights[start:stop]
                losses *= weights
                spreads *= weights
                logits *= weights[:, None]
            total.loss += float(losses.sum())
            total.spread += float(spreads.sum())
            total.residual += logits.sum(axis=0, dtype=np.float64)
            total.products += _product_of_transposed(features, logits)
        return total


def _product(features: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """`features @ kernel` for a kernel of few columns, in products so small that BLAS does them as
    they are, instead of copying its operands into its own order: half of the time."""
    many = len(features) // SMALL_ROWS * SMALL_ROWS
    stack = features[:many].reshape(-1, SMALL_ROWS, features.shape[1])
    out = np.empty((len(features), kernel.shape[1]), np.result_type(features, kernel))
    np.matmul(stack, kernel, out=out[:many].reshape(-1, SMALL_ROWS, kernel.shape[1]))
    np.matmul(features[many:], kernel, out=out[many:])
    return out


def _product_of_transposed(features: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """`features.T @ changes`, likewise."""
    many = len(features) // SMALL_ROWS * SMALL_ROWS
    stack = features[:many].reshape(-1, SMALL_ROWS, features.shape[1])
    turned = changes[:many].reshape(-1, SMALL_ROWS, changes.shape[1]).transpose(0, 2, 1)
    total = np.matmul(turned, stack).sum(axis=0)
    return (total + changes[many:].T @ features[many:]).T


@dataclass
class Memory:
    """What L-BFGS knows of the Hessian: the last steps, and how the gradient turned along each.

    The penalty's share in the Hessian is known, so the memory serves other penalties as well.

    Attributes:
        steps: move, turn of the gradient, and their product, which is above 0.
        penalty: that the steps were taken at.
    """

    steps: list[tuple[np.ndarray, np.ndarray, float]] = field(default_factory=list)
    penalty: float = 0.0

    def add(self, moved: np.ndarray, turned: np.ndarray) -> None:
        """Remember a step, in the place of the oldest where there are many."""
        bent = float(np.vdot(moved, turned))
        if bent > 0:  # but for rounding it is, as the objective is convex
            self.steps[:] = [*self.steps[1 - MEMORY :], (moved, turned, bent)]

    def move_to(self, penalty: float) -> None:
        """The steps as they would have been at another penalty."""
        before, self.steps = self.steps, []
        for moved, turned, _ in before:
            turned[:-1] += (penalty - self.penalty) * moved[:-1]
            self.add(moved, turned)
        self.penalty = penalty

    def inverse_hessian_times(self, slope: np.ndarray, precondition: Any) -> np.ndarray:
        """The two loops of L-BFGS."""
        if not self.steps:
            return precondition(slope)
        q = slope.copy()
        shares = []
        for moved, turned, bent in reversed(self.steps):
            shares.append(float(np.vdot(moved, q)) / bent)
            q -= shares[-1] * turned
        # The scale is that of the last step, Nocedal and Wright, equation 7.20.
        _, turned, bent = self.steps[-1]
        both = precondition(np.hstack([q, turned]))
        solved = both[:, q.shape[1] :]
        r = both[:, : q.shape[1]] * (bent / float(np.vdot(turned, solved)))
        for (moved, turned, bent), share in zip(self.steps, reversed(shares), strict=True):
            r += moved * (share - float(np.vdot(turned, r)) / bent)
        return r


@dataclass
class _Sums:
    """Over some rows: the loss, the gradients of bias and kernel, and p (1 - p)."""

    loss: float
    residual: np.ndarray
    products: np.ndarray
    spread: float


@dataclass(frozen=True)
class Curvature:
    """The second moments of standardised features, (width, width); None where there are too many
    columns to be worth it."""

    gram: np.ndarray | None

    @staticmethod
    def of(parts: Sequence[Part], scale: Standardisation, seed: int) -> Curvature:
        """From some of the rows."""
        part = max(parts, key=len)
        width = part.features.shape[1]
        if width > LARGEST_GRAM:
            return Curvature(None)
        rng = np.random.default_rng(seed)
        wanted = min(len(part), max(GRAM_ROWS_PER_COLUMN * width, 2048))
        rows = np.sort(rng.choice(len(part), wanted, replace=False))
        standardised = scale.apply(part.features[rows])
        return Curvature(standardised.T @ standardised / np.float32(wanted))

    def inverse(self, weight: float, penalty: float) -> Any:
        """A function that solves for the approximate Hessian."""
        weight = max(weight, 1e-4)
        if self.gram is None:
            return lambda slope: slope / (weight + penalty)
        from scipy.linalg import cho_factor, cho_solve

        matrix = (weight * self.gram).astype(np.float64)
        matrix[np.diag_indices_from(matrix)] += penalty + 1e-6 * weight
        factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)

        def solve(slope: np.ndarray) -> np.ndarray:
            solved = np.empty_like(slope)
            solved[:-1] = cho_solve(factor, slope[:-1], check_finite=False)
            solved[-1] = slope[-1] / weight
            return solved

        return solve
