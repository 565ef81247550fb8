"""Multinomial logistic regression, its L2 strength chosen on the validation split."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.judge import ENOUGH
from headstart.heads.calibration.out_of_fold import inner_folds, members
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.grid import C_TOLD, PLAIN, Choice, choose, nearest
from headstart.heads.kinds.lbfgs import MEMORY, Curvature, Evaluation, Memory, Solution, minimise
from headstart.heads.kinds.logistic import Logistic
from headstart.heads.kinds.ordinal import fit_ordinal
from headstart.heads.origins import bounds_of, within
from headstart.heads.rows import some_of
from headstart.heads.setting import Setting
from headstart.heads.shared_rows import SharedRows, spans_of
from headstart.heads.standardisation import Standardisation, one_thread_a_core
from headstart.values.options import Options

FOLDS = 5
"""Of training rows, where there is no validation split."""
STRENGTHS = tuple(float(f"{c:.1e}") for c in np.logspace(-4, 0, 9))
TOLERANCE = 3e-7
"""Of the objective, above its minimum, as estimated; the true gap was up to fifteen times that,
where the penalty is weak. scikit-learn's own stop moves probabilities by a percent."""
SEARCH_TOLERANCE = 2e-6
"""Of heads that are tried and scored."""
CHOICE_TOLERANCE = 2e-5
"""Of heads that only choose a strength: their log loss on rows left out was 0.17 to 0.34 %
off on four data sets, where that of the same rows is known to some percent."""
ITERATIONS = 2000
TOGETHER = 512
"""Columns of weights that are fitted side by side: more are no faster."""
ROOM = 256 << 20
"""Bytes that fits side by side may take for the steps that L-BFGS remembers: moves and turns,
float64. One fit is made whatever it takes."""


@dataclass(frozen=True)
class Linear(Options, error=InvalidHeadSetting):
    """A linear head.

    Attributes:
        strengths: candidates for C, the inverse of the L2 penalty on standardised features, as in
            scikit-learn's `LogisticRegression`; the one with the lowest log loss on the
            validation split is fitted again on train and validation together. Where that split has
            fewer than 200 rows, or there is none, training rows are left out in turn as well.
        iterations: at most so many steps of L-BFGS a fit.
    """

    kind: ClassVar[str] = "linear"
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi-label", "ordinal")
    options: ClassVar[tuple[Setting, ...]] = (Setting("strengths", C_TOLD, float, "candidates"),)
    strengths: tuple[float, ...] = STRENGTHS
    iterations: int = ITERATIONS

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.strengths or not all(0 < one < math.inf for one in self.strengths):
            raise InvalidHeadSetting(
                f"strengths are {self.strengths}",
                hint="Give numbers above 0 that are finite.",
            )

    @classmethod
    def grid(cls, given: Mapping[str, Sequence[Any]]) -> list[Linear]:
        """One head of all strengths: a sweep fits them one from the other."""
        strengths = tuple(one for (one,) in given.get("strengths", ()))
        return [cls(strengths) if strengths else cls()]

    @classmethod
    def suggest(cls, trial: Any) -> Linear:
        return cls((trial.suggest_float("linear_strength", 1e-5, 10, log=True),))

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "strengths": list(self.strengths)}

    def complexity(self, width: int, classes: int, rows: int) -> Complexity:
        return float((width + 1) * classes), max(self.strengths)

    def fit_order(self, train: Part, validation: Part, classes: int) -> Fitted:
        return fit_ordinal(train, validation, classes, self.strengths)

    def fit(self, train: Part, validation: Part, classes: int, seed: int) -> Fitted:
        with one_thread_a_core() as pool:
            return self._fit(train, validation, classes, seed, pool)

    def _fit(
        self, train: Part, validation: Part, classes: int, seed: int, pool: ThreadPoolExecutor
    ) -> Fitted:
        rows = SharedRows([train])
        problem = Logistic(rows, classes, Standardisation.of_each(rows, pool), pool)
        ((scale,), (start,)) = problem.scales, problem.starts()
        descent = Descent(Curvature.of(rows, scale, seed), float(problem.masses[0]), start)
        descent = replace(descent, iterations=self.iterations)
        strengths = sorted(set(self.strengths))
        solved: dict[float, Solution] = {}
        outside = _Heard()
        if len(validation) and len(strengths) > 1:
            (path,) = problem.solve([descent.along(strengths)])
            solved = dict(zip(strengths, path, strict=True))
            outside = _heard(validation, [scale.fold(s.weights, s.bias) for s in solved.values()])
        chosen, judged = _chosen(train, outside, strengths, classes, seed, pool)
        chosen = replace(chosen, found=solved.get(chosen.value))
        best = chosen.found or start
        if len(validation):
            rows = SharedRows([train, validation])
            wider = Standardisation.of_each(rows, pool)
            best = Solution(*scale.moved(best.weights, best.bias, wider[0]))
            problem, (scale,) = Logistic(rows, classes, wider, pool), wider
            descent = replace(descent, mass=float(problem.masses[0]))
        (found,) = problem.solve([descent.to(chosen.value, best, TOLERANCE)])
        kernel, bias = scale.fold(found.weights, found.bias)
        details = {
            "strength": chosen.value,
            "steps": found.iterations,
            "objective": found.objective,
            "gap": found.gap,
            "path": [{"strength": c, "log_loss": loss} for c, loss in chosen.path],
            **chosen.remarks(),
            "judged_on": judged,
        }
        return Fitted((Layer(kernel, bias, "softmax"),), details)


@dataclass(frozen=True)
class _Heard:
    """The log losses of rows, one a strength, added up; and how many rows, and what they count."""

    losses: np.ndarray | float = 0.0
    rows: int = 0
    mass: float = 0.0

    def __add__(self, other: _Heard) -> _Heard:
        return _Heard(self.losses + other.losses, self.rows + other.rows, self.mass + other.mass)


def _heard(part: Part, weights: Iterable[tuple[np.ndarray, np.ndarray]]) -> _Heard:
    """What weights for raw features say of rows, kernel and bias of each strength."""
    losses = np.array([part.mass * log_loss([part], *pair) for pair in weights])
    return _Heard(losses, len(part), part.mass)


def _chosen(
    train: Part,
    outside: _Heard,
    strengths: Sequence[float],
    classes: int,
    seed: int,
    pool: ThreadPoolExecutor,
) -> tuple[Choice, dict[str, int]]:
    """The strength with the least log loss on rows that were not fitted, and how many those are:
    the validation split, and where that is small or is none, training rows as well, left out fold
    after fold. A few rows that are all right would choose the largest.

    Where no row can be left out, or the features are too many for memory, it is `PLAIN` or the one
    nearest to it.
    """
    if len(strengths) == 1:
        return Choice(strengths[0], None, []), {"train": 0, "validation": 0}
    in_memory, inside = isinstance(train.features, np.ndarray), _Heard()
    is_asked = in_memory and outside.rows < ENOUGH
    left_out = members(inner_folds(train, seed, FOLDS)) if is_asked else []
    if left_out:
        inside_of = np.ones((len(train), len(left_out)), bool)
        for fit, asked in enumerate(left_out):
            inside_of[asked, fit] = False
        shared = SharedRows([train], inside_of)
        paths = fit_paths(shared, strengths, classes, seed, pool, tolerance=CHOICE_TOLERANCE)
        for asked, own, path in zip(left_out, inside_of.T, paths, strict=True):
            bounds = bounds_of(some_of(train.features, np.flatnonzero(own)))
            inside += _heard(within(train.rows(asked), bounds), path)
    judged = {"train": inside.rows, "validation": outside.rows}
    both = outside + inside
    if not both.rows:
        lacking = "no row could be left out" if in_memory else "the features do not fit into memory"
        return nearest(strengths, PLAIN, lacking), judged
    losses = dict(zip(strengths, (np.asarray(both.losses) / both.mass).tolist(), strict=True))
    return choose(strengths, lambda strength: (losses[strength], None)), judged


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

    def to(
        self, strength: float, start: Solution, tolerance: float
    ) -> Generator[np.ndarray, Evaluation, Solution]:
        """The minimum for a strength."""
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

    def along(
        self,
        strengths: Sequence[float],
        tolerance: float = CHOICE_TOLERANCE,
        done: Callable[[], None] = lambda: None,
    ) -> Generator[np.ndarray, Evaluation, list[Solution]]:
        """The minimum for each strength in rising order; `done` is called after each.

        It moves smoothly with the logarithm of the strength, so each search starts where the three
        before it point to, and with what they found out of the Hessian.
        """
        path: list[Solution] = []
        for strength in strengths:
            start = _foreseen(path[-3:]) if path else self.origin
            path.append((yield from self.to(strength, start, tolerance)))
            done()
        return path


Weights = tuple[np.ndarray, np.ndarray]
"""Kernel (width, classes) and bias (classes,) for raw features."""


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
    """The weights for each strength in rising order, of each fit; `done` is called after each.

    Fits go on side by side, as many as have `TOGETHER` columns of weights and `ROOM` for them.
    """
    step, found = side_by_side(rows.width, classes), list[list[Weights]]()
    for first in range(0, rows.fits, step):
        some = rows.only(slice(first, first + step))
        scales = Standardisation.of_each(some, pool)
        problem = Logistic(some, classes, scales, pool)
        curvature = Curvature.of(some, scales[0], seed)
        each = zip(problem.masses.tolist(), problem.starts(), strict=True)
        paths = problem.solve(
            [
                Descent(curvature, mass, start).along(strengths, tolerance, done)
                for mass, start in each
            ]
        )
        found += [
            [scale.fold(one.weights, one.bias) for one in path]
            for scale, path in zip(scales, paths, strict=True)
        ]
    return found


def side_by_side(width: int, classes: int) -> int:
    """How many fits are made at once."""
    columns = min(TOGETHER, ROOM // (2 * 8 * MEMORY * (width + 1)))
    return max(1, columns // classes)


def _foreseen(path: Sequence[Solution]) -> Solution:
    """Where the next solution should lie: on the parabola through the last three, on the line
    through two, at one."""
    shares = {1: (1,), 2: (-1, 2), 3: (1, -3, 3)}[len(path)]
    weights = sum(share * s.weights for share, s in zip(shares, path, strict=True))
    bias = sum(share * s.bias for share, s in zip(shares, path, strict=True))
    return Solution(np.asarray(weights), np.asarray(bias))


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
