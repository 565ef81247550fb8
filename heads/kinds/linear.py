"""Multinomial logistic regression, its L2 strength chosen on the validation split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from headstart.errors import InvalidHeadSetting
from headstart.heads.calibration.strength import find_strength
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Complexity, Fitted, Part
from headstart.heads.kinds.grid import C_TOLD
from headstart.heads.kinds.lbfgs import Curvature
from headstart.heads.kinds.logistic import Logistic
from headstart.heads.kinds.ordinal import fit_ordinal
from headstart.heads.kinds.paths import ITERATIONS, Descent
from headstart.heads.setting import Setting
from headstart.heads.shared_rows import SharedRows
from headstart.heads.standardisation import Standardisation, one_thread_a_core
from headstart.values.options import Options

STRENGTHS = tuple(float(f"{c:.1e}") for c in np.logspace(-4, 0, 9))
TOLERANCE = 3e-7
"""Of the objective, above its minimum, as estimated; the true gap was up to fifteen times that,
where the penalty is weak. scikit-learn's own stop moves probabilities by a percent."""


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
        strengths = sorted(set(self.strengths))
        chosen, judged = find_strength(
            train, validation, strengths, classes, seed, pool, self.iterations
        )
        # From nothing that the choice left: so it is what the strength alone would give.
        rows = SharedRows([train, validation] if len(validation) else [train])
        (scale,) = scales = Standardisation.of_each(rows, pool)
        problem = Logistic(rows, classes, scales, pool)
        (mass,), (start,) = problem.masses.tolist(), problem.starts()
        descent = Descent(Curvature.of(rows, scale, seed), mass, start, self.iterations)
        (found,) = problem.solve([descent.to(chosen.value, start, TOLERANCE)])
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
