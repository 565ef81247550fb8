"""Preconditioned L-BFGS that asks for an evaluation and waits: so several can go on side by side.
It asks for what the preconditioner makes of vectors in the same way, as those of several are solved
for at once in less than half the time.

The Hessian of a class of a logistic regression is mean_i p_i (1 - p_i) z_i z_i^T + penalty. With
one average weight for all classes that is a * Gram + penalty, whose Cholesky factor makes L-BFGS
(Nocedal and Wright, Numerical Optimization, algorithm 7.4, with this in the place of its H0)
converge in about as many steps for a weak penalty as for a strong one. The Gram matrix is of some
rows, chosen by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.heads.algebra import cholesky
from headstart.heads.shared_rows import SharedRows
from headstart.heads.standardisation import Standardisation

MEMORY = 30
"""Steps that L-BFGS remembers."""
GRAM_ROWS_PER_COLUMN = 3
LARGEST_GRAM = 4096
"""Columns: above that the matrix costs more than it saves."""
CERTAIN = 10.0
"""Where the mean of 1 - sum(p^2) is below a tenth, the stop is asked for less of a gap."""
SUFFICIENT = 1e-4
"""Armijo's constant."""
ALIKE, KEPT = 1.2, 8
"""Weights and penalties of no larger ratio have one Cholesky factor; so many are kept. At a ratio
of 4 half of the factors do, and the gap is told too small: logits of digits were twice as far off.
"""
RIDGE, LARGEST_RIDGE = 1e-6, 1e-2
"""Of the mean square of a standardised feature: what the factor has, or ten times as much until it
can be had. The rounding of a float32 Gram matrix is far below the largest."""

Solver = Callable[[np.ndarray], np.ndarray]
"""From a right side (width + 1, n), float32, to the solution of the approximate Hessian."""


@dataclass(frozen=True)
class Evaluation:
    """What rows say of weights, without the penalty.

    Attributes:
        loss: the mean log loss.
        slope: its gradient, float64, (width + 1, classes); the last row is the bias'.
        spread: the mean of p (1 - p).
    """

    loss: float
    slope: np.ndarray
    spread: float


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
    objective: float = np.inf
    gap: float = np.inf
    iterations: int = 0


@dataclass(frozen=True)
class RightSide:
    """What is to be solved for: (width + 1, n) float32."""

    solver: Solver
    values: np.ndarray


Asks = Generator[np.ndarray | RightSide, Any, Any]
"""Yields weights (width + 1, classes), the bias below them, and is sent what rows say of them, an
`Evaluation`; or a `RightSide`, and is sent the solution."""


def solve_together(wanted: Mapping[int, RightSide]) -> dict[int, np.ndarray]:
    """The solutions of several; those that have one solver are found at once."""
    by_solver: dict[int, list[int]] = {}
    for number, one in wanted.items():
        by_solver.setdefault(id(one.solver), []).append(number)
    found: dict[int, np.ndarray] = {}
    for numbers in by_solver.values():
        values = [wanted[number].values for number in numbers]
        solved = wanted[numbers[0]].solver(np.hstack(values))
        ends = np.cumsum([one.shape[1] for one in values])[:-1]
        found |= zip(numbers, np.hsplit(solved, ends), strict=True)
    return found


def minimise(
    penalty: float,
    start: Solution,
    curvature: Curvature,
    memory: Memory,
    *,
    tolerance: float,
    iterations: int,
) -> Generator[np.ndarray | RightSide, Any, Solution]:
    """Go down from `start` until the gap to the minimum is below `tolerance * objective`.

    Args:
        penalty: of the squared weights.
        start: where to begin.
        curvature: of the features.
        memory: what a solution for another penalty left, changed in place.
        tolerance: a share of the objective.
        iterations: at most so many steps.
    """
    memory.move_to(penalty)
    x = np.concatenate([start.weights, start.bias[None]])
    value, slope, spread = yield from _at(x, penalty)
    weight, precondition = spread, curvature.inverse(spread, penalty)
    gap, taken = np.inf, 0
    for taken in range(iterations + 1):
        step = -(yield from memory.inverse_hessian_times(slope, precondition))
        gap = -0.5 * float(np.vdot(step, slope))
        # Where classes are told apart for nearly all rows, the estimate is far too small.
        allowed = tolerance * value * min(1.0, CERTAIN * spread * x.shape[1])
        if gap <= allowed or taken == iterations:
            break
        found = yield from _search(x, value, slope, step, penalty)
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
    x: np.ndarray, value: float, slope: np.ndarray, step: np.ndarray, penalty: float
) -> Generator[np.ndarray, Evaluation, tuple[np.ndarray, float, np.ndarray, float] | None]:
    """The first of the step, a half, a quarter... that lowers the objective enough."""
    descent = float(np.vdot(slope, step))
    for halvings in range(12):
        length = 0.5**halvings
        new = x + length * step
        new_value, new_slope, spread = yield from _at(new, penalty)
        if new_value <= value + SUFFICIENT * length * descent:
            return new, new_value, new_slope, spread
    return None


def _at(
    x: np.ndarray, penalty: float
) -> Generator[np.ndarray, Evaluation, tuple[float, np.ndarray, float]]:
    """Objective, gradient and spread."""
    found = yield x
    slope = found.slope.copy()
    slope[:-1] += penalty * x[:-1]
    return found.loss + 0.5 * penalty * float(np.vdot(x[:-1], x[:-1])), slope, found.spread


@dataclass
class Memory:
    """What L-BFGS knows of the Hessian: the last steps, and how the gradient turned along each.

    The penalty's share in the Hessian is known, so the memory serves other penalties as well.

    Attributes:
        steps: move, turn of the gradient, and their product, which is above 0; float32, as they say
            where to look, and are gone through twice a step.
        penalty: that the steps were taken at.
    """

    steps: list[tuple[np.ndarray, np.ndarray, float]] = field(default_factory=list)
    penalty: float = 0.0

    def add(self, moved: np.ndarray, turned: np.ndarray) -> None:
        """Remember a step, in the place of the oldest where there are many."""
        moved, turned = (one.astype(np.float32, copy=False) for one in (moved, turned))
        bent = float(np.vdot(moved, turned))
        if bent > 0:  # but for rounding it is, as the objective is convex
            self.steps[:] = [*self.steps[1 - MEMORY :], (moved, turned, bent)]

    def move_to(self, penalty: float) -> None:
        """The steps as they would have been at another penalty."""
        before, self.steps = self.steps, []
        for moved, turned, _ in before:
            turned[:-1] += np.float32(penalty - self.penalty) * moved[:-1]
            self.add(moved, turned)
        self.penalty = penalty

    def inverse_hessian_times(
        self, slope: np.ndarray, precondition: Solver
    ) -> Generator[RightSide, np.ndarray, np.ndarray]:
        """The two loops of L-BFGS."""
        size = float(np.abs(slope).max()) or 1.0  # slopes of 1e-12 have squares below float32
        q = (slope / size).astype(np.float32)
        if not self.steps:
            return size * (yield RightSide(precondition, q)).astype(np.float64)
        shares = list[float]()
        for moved, turned, bent in reversed(self.steps):
            shares.append(float(np.vdot(moved, q)) / bent)
            q -= np.float32(shares[-1]) * turned
        # The scale is that of the last step, Nocedal and Wright, equation 7.20.
        _, turned, bent = self.steps[-1]
        both = yield RightSide(precondition, np.hstack([q, turned]))
        solved = both[:, q.shape[1] :]
        r = both[:, : q.shape[1]] * np.float32(bent / float(np.vdot(turned, solved)))
        for (moved, turned, bent), share in zip(self.steps, reversed(shares), strict=True):
            r += moved * np.float32(share - float(np.vdot(turned, r)) / bent)
        return size * r.astype(np.float64)


class Curvature:
    """The second moments of standardised features, and what solves for the Hessians that they make.

    Fits side by side share it: it decides how fast each is, not where it ends. A solver is made
    once for weights and penalties that are `ALIKE`.

    Args:
        gram: (width, width); None where there are too many columns to be worth it.
    """

    def __init__(self, gram: np.ndarray | None) -> None:
        self.gram = gram
        self._known: list[tuple[float, float, Solver]] = []

    @staticmethod
    def of(rows: SharedRows, scale: Standardisation, seed: int) -> Curvature:
        """From some of the rows of the first fit."""
        if rows.width > LARGEST_GRAM:
            return Curvature(None)
        drawn = rows.drawn(0, max(GRAM_ROWS_PER_COLUMN * rows.width, 2048), seed)
        standardised = scale.apply(drawn)
        return Curvature(standardised.T @ standardised / np.float32(len(drawn)))

    def inverse(self, weight: float, penalty: float) -> Solver:
        """A function that solves for the approximate Hessian."""
        weight = max(weight, 1e-4)
        for known, other, solve in self._known:
            if max(weight / known, known / weight, penalty / other, other / penalty) < ALIKE:
                return solve
        solve = self._solver(weight, penalty)
        self._known = [*self._known[1 - KEPT :], (weight, penalty, solve)]
        return solve

    def _solver(self, weight: float, penalty: float) -> Solver:
        if self.gram is None:
            return lambda values: values / np.float32(weight + penalty)
        factor = _factor(self.gram, weight, penalty)

        def solve(values: np.ndarray) -> np.ndarray:
            solved = np.empty_like(values)
            solved[:-1] = cholesky.solved(factor, values[:-1])
            solved[-1] = values[-1] / np.float32(weight)
            return solved

        return solve


def _factor(gram: np.ndarray, weight: float, penalty: float) -> tuple[np.ndarray, bool]:
    """The Cholesky factor of weight * gram + penalty, float32, as it says where to look, and not
    where the end is. It is found in float32 where that will do, in half the time: the Gram matrix
    of features that depend on each other is singular, by rounding even indefinite."""
    try:
        return _factor_in(np.float32, gram, weight, penalty, RIDGE)
    except np.linalg.LinAlgError:
        pass  # found in float64, with as little of a ridge as it needs
    ridge = RIDGE
    while True:
        try:
            triangle, lower = _factor_in(np.float64, gram, weight, penalty, ridge)
            return triangle.astype(np.float32), lower
        except np.linalg.LinAlgError:
            if ridge >= LARGEST_RIDGE:
                raise
        ridge *= 10


def _factor_in(
    kind: type[np.floating[Any]], gram: np.ndarray, weight: float, penalty: float, ridge: float
) -> tuple[np.ndarray, bool]:
    matrix = (weight * gram).astype(kind)
    matrix[np.diag_indices_from(matrix)] += kind(penalty + ridge * weight)
    return cholesky.factor_of(matrix)
