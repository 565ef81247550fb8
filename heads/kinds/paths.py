"""Logistic regression for one strength after the other, of several fits side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from headstart.heads.kinds.lbfgs import MEMORY, Asks, Curvature, Memory, Solution, minimise
from headstart.heads.kinds.logistic import Logistic
from headstart.heads.shared_rows import SharedRows
from headstart.heads.standardisation import Standardisation

SEARCH_TOLERANCE = 2e-6
"""Of heads that are tried and scored; see `minimise`."""
ITERATIONS = 2000
TOGETHER = 512
"""Columns of weights that are fitted side by side: more are no faster."""
ROOM = 128 << 20
"""Bytes that fits side by side may take for the steps that L-BFGS remembers: moves and turns,
float32. One fit is made whatever it takes."""
Weights = tuple[np.ndarray, np.ndarray]
"""Kernel (width, classes) and bias (classes,) for raw features."""


@dataclass(frozen=True)
class Descent:
    """How one fit goes down to its minimum, for any strength.

    Attributes:
        curvature: of its rows.
        mass: what they count together.
        origin: where it begins if nothing is known.
        iterations: at most so many steps.
        memory: what it has found out of the Hessian.
    """

    curvature: Curvature
    mass: float
    origin: Solution
    iterations: int = ITERATIONS
    memory: Memory = field(default_factory=Memory)

    def to(self, strength: float, start: Solution, tolerance: float) -> Asks:
        """The minimum for a strength, a `Solution`."""
        # Two classes have one row of weights in scikit-learn and two here: twice the penalty.
        penalty = (2.0 if len(start.bias) == 2 else 1.0) / (strength * self.mass)
        return minimise(
            penalty,
            start,
            self.curvature,
            self.memory,
            tolerance=tolerance,
            iterations=self.iterations,
        )


class Abreast:
    """Fits that go from strength to strength side by side.

    The minimum moves smoothly with the logarithm of the strength, so each search starts where the
    three before it point to, and with what they found out of the Hessian.

    Args:
        rows: of the fits.
        classes: how many.
        seed: of the rows that say what the features' second moments are.
        pool: threads for blocks of rows.
        tolerance: see `minimise`.
        iterations: at most so many steps a fit.
    """

    def __init__(
        self,
        rows: SharedRows,
        classes: int,
        seed: int,
        pool: ThreadPoolExecutor,
        tolerance: float,
        iterations: int = ITERATIONS,
    ) -> None:
        self._scales = Standardisation.of_each(rows, pool)
        self._problem, self._tolerance = Logistic(rows, classes, self._scales, pool), tolerance
        curvature = Curvature.of(rows, self._scales[0], seed)
        each = zip(self._problem.masses.tolist(), self._problem.starts(), strict=True)
        self._descents = [Descent(curvature, mass, start, iterations) for mass, start in each]
        self._paths: list[list[Solution]] = [[] for _ in self._descents]

    def go_on(self, strength: float) -> list[Weights]:
        """The weights of each fit for a strength above the last one."""
        each = zip(self._descents, self._paths, strict=True)
        found = self._problem.solve(
            [one.to(strength, _start(one.origin, path), self._tolerance) for one, path in each]
        )
        self._paths = [[*path[-2:], one] for path, one in zip(self._paths, found, strict=True)]
        return [
            scale.fold(one.weights, one.bias)
            for scale, one in zip(self._scales, found, strict=True)
        ]


def fit_paths(
    rows: SharedRows,
    strengths: Sequence[float],
    classes: int,
    seed: int,
    pool: ThreadPoolExecutor,
    *,
    tolerance: float = SEARCH_TOLERANCE,
    done: Callable[[], None] = lambda: None,
) -> list[list[Weights]]:
    """The weights for each strength in rising order, of each fit; `done` is called after each."""
    step, found = side_by_side(rows.width, classes), list[list[Weights]]()
    for first in range(0, rows.fits, step):
        some = rows.only(slice(first, first + step))
        abreast = Abreast(some, classes, seed, pool, tolerance)
        paths: list[list[Weights]] = [[] for _ in range(some.fits)]
        for strength in strengths:
            for path, weights in zip(paths, abreast.go_on(strength), strict=True):
                path.append(weights)
                done()
        found += paths
    return found


def side_by_side(width: int, classes: int) -> int:
    """How many fits are made at once: those that have `TOGETHER` columns of weights and `ROOM` for
    them."""
    columns = min(TOGETHER, ROOM // (2 * 4 * MEMORY * (width + 1)))
    return max(1, columns // classes)


def _start(origin: Solution, path: Sequence[Solution]) -> Solution:
    """Where the next solution should lie: on the parabola through the last three, on the line
    through two, at one."""
    if not path:
        return origin
    shares = {1: (1,), 2: (-1, 2), 3: (1, -3, 3)}[len(path)]
    weights = sum(share * s.weights for share, s in zip(shares, path, strict=True))
    bias = sum(share * s.bias for share, s in zip(shares, path, strict=True))
    return Solution(np.asarray(weights), np.asarray(bias))
