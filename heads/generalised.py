"""Linear heads for other aims than a mean of numbers: counts (Poisson) and quantiles.

Both are convex, and are minimised by SciPy's L-BFGS on standardised features, with the penalty of
scikit-learn's `PoissonRegressor`: `alpha / 2` times the squared weights beside the mean loss. For a
quantile the numbers are standardised as well: its loss grows as their unit does and the penalty as
its square, so that one penalty would be a thousand for who counts in thousandths. The
loss of a quantile has a kink where a row is met: it is smoothed over a width that shrinks towards
nothing (He, Pan, Tan and Zhou: Smoothed quantile regression with large-scale inference, 2023), and
in the end the constant is moved, so that the share of the training rows below is the quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import HeadError
from headstart.heads.calibration.judge import Judge
from headstart.heads.calibration.out_of_fold import groups_of, members, sides
from headstart.heads.dense_stack import Layer
from headstart.heads.kind import Fitted, Part
from headstart.heads.kinds.grid import choose
from headstart.heads.layers.activations import EXPONENTIAL, HIGHEST
from headstart.heads.standardisation import Standardisation, one_thread_a_core
from headstart.progress import watching
from headstart.storage.memory import free_memory
from headstart.values.sizes import size_text

SQUARED, POISSON, QUANTILE = "squared", "poisson", "quantile"
LOSSES_OF_NUMBERS = (SQUARED, POISSON, QUANTILE)
PENALTIES = tuple(float(f"{alpha:.0e}") for alpha in np.logspace(-4, 1, 6))
"""Where none are given: alpha, as in scikit-learn's `PoissonRegressor`."""
WIDTHS = (1.0, 0.1, 0.01, 0.001)
"""Over which the kink of a quantile's loss is smoothed, in standard deviations of the numbers."""
LEAST = {POISSON: 1e-12, QUANTILE: 1e-9}
"""The share of the loss that a step has to gain, or the fit ends: of a quantile (alpha 1e-4, 422 x
64 digits) the loss is 1e-5 of itself above that of 1e-12, in two thirds of the steps."""
JUDGED = 1e-7
"""The same of fits that judge a penalty: 3e-4 above, in a fifth of the steps."""
FOLDS = 5


@dataclass(frozen=True)
class NumberLoss:
    """What is made small.

    Attributes:
        name: `poisson` or `quantile`.
        quantile: which, between 0 and 1.
    """

    name: str
    quantile: float = 0.5

    @property
    def activation(self) -> str:
        """Of the last layer."""
        return EXPONENTIAL if self.name == POISSON else "linear"

    def losses(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Of each row and output: half the Poisson deviance, or the pinball loss; infinite where an
        output is no finite number."""
        wide = outputs.astype(np.float64)
        if self.name == QUANTILE:
            apart = targets - wide
            return _known(np.maximum(self.quantile * apart, (self.quantile - 1) * apart))
        said = np.maximum(wide, np.finfo(np.float64).tiny)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(targets > 0, targets * np.log(targets / said), 0.0)
            return _known(ratio - targets + said)

    def slopes(
        self, scores: np.ndarray, targets: np.ndarray, width: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The loss of each row and its slope, by scores (n,) before the activation."""
        if self.name == POISSON:
            said = np.exp(np.minimum(scores, HIGHEST))
            return said - targets * scores, said - targets
        apart = targets - scores
        inside = np.clip(apart / width, -1, 1)
        # (q - 1/2) r + |r| / 2, with |r| a parabola within the width
        near = np.where(np.abs(apart) < width, (apart**2 / width + width) / 2, np.abs(apart))
        return (self.quantile - 0.5) * apart + near / 2, 0.5 - self.quantile - inside / 2


def _known(losses: np.ndarray) -> np.ndarray:
    """What is no number counts as the worst: compared with others, NaN is never the larger."""
    return np.where(np.isnan(losses), np.inf, losses)


def fit_generalised(
    train: Part, validation: Part, penalties: Sequence[float] | None, loss: NumberLoss, seed: int
) -> Fitted:
    """Fit numbers, (n, outputs), each by itself; the penalty with the least loss on rows that were
    not fitted wins.

    Raises:
        HeadError: a count is below 0, or the features do not fit into memory.
    """
    _check_memory(train)
    if loss.name == POISSON and train.targets.min(initial=0) < 0:
        raise HeadError(
            f"a label of the train split is {train.targets.min():g}, and counts are not below 0",
            hint="Leave --loss poisson out, or fix the label.",
        )
    with one_thread_a_core() as pool:
        scale = Standardisation.of([train], pool)
        z = scale.apply(train.features[:]).astype(np.float64)
        judge = Judge(train, validation, _dealt(train, seed))
        grid = tuple(dict.fromkeys(penalties or PENALTIES))
        steps = _Steps(len(grid) * (1 + len(members(judge.folds))))

        def tried(penalty: float) -> tuple[float, Layer]:
            kernel, bias = _solve(z, train, penalty, loss)
            steps.advance()
            layer = Layer(*scale.fold(kernel, bias), loss.activation)
            verdict = judge.hear(
                lambda features: layer.run(features[:]),
                lambda: _left_out(z, train, judge.folds, penalty, loss, steps),
            )
            each = loss.losses(verdict.outputs, verdict.targets).mean(axis=1)
            return float(np.average(each, weights=verdict.weights)), layer

        chosen = choose(grid, tried)
    details = {"chosen": chosen.value, **chosen.remarks(), "judged_on": judge.describe()}
    return Fitted((chosen.found,), details)


def _check_memory(train: Part) -> None:
    """See that the features fit into memory: all as float64, and once more those of a fold."""
    needed, free = 16 * math.prod(train.features.shape), free_memory()
    if needed > free:
        raise HeadError(
            f"a head with this loss takes {size_text(needed)} of memory for "
            f"{len(train):,} rows of {train.features.shape[1]:,} numbers, {size_text(free)} are "
            "free",
            hint="Train it on fewer samples, or leave the loss out.",
        )


def _dealt(train: Part, seed: int) -> np.ndarray:
    """With which of some folds each row is left out, (n,); rows of one group together."""
    groups = groups_of(train)
    count = int(groups.max()) + 1
    if count < 2:
        return np.full(len(train), -1)
    order = np.random.default_rng(seed).permutation(count)
    return (order % min(FOLDS, count))[groups]


class _Steps:
    """Fits that are done, of all; whoever watches is told."""

    def __init__(self, total: int) -> None:
        self._done, self._total, self._tell = 0, total, watching()

    def advance(self) -> None:
        self._done += 1
        self._tell(self._done, self._total)


def _left_out(
    z: np.ndarray,
    train: Part,
    folds: np.ndarray,
    penalty: float,
    loss: NumberLoss,
    steps: _Steps,
) -> np.ndarray:
    """What each row gets from a fit without it, (n, outputs). These fits only judge a penalty, and
    penalties lie a factor of ten apart: they may end sooner."""
    found = np.zeros(train.targets.shape, np.float64)
    for fitted, asked in sides(folds):
        kernel, bias = _solve(z[fitted], train.only(fitted), penalty, loss, JUDGED)
        layer = Layer(kernel, bias, loss.activation)
        found[asked] = layer.run(z[asked])
        steps.advance()
    return found


def _solve(
    z: np.ndarray, part: Part, penalty: float, loss: NumberLoss, least: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (width, outputs) and bias (outputs,) of standardised features.

    Args:
        z: the features.
        part: with the numbers and weights of the rows.
        penalty: alpha.
        loss: what is made small.
        least: L-BFGS ends when a step gains a smaller share of the loss; `LEAST` without it.
    """
    least = LEAST[loss.name] if least is None else least
    own = np.ones(len(z)) if part.weights is None else part.weights.astype(np.float64)
    shares = own / own.sum()
    found = [
        _solve_one(z, target, shares, penalty, loss, least)
        for target in part.targets.astype(float).T
    ]
    return np.stack([w[:-1] for w in found], axis=1), np.array([w[-1] for w in found])


def _solve_one(
    z: np.ndarray,
    target: np.ndarray,
    shares: np.ndarray,
    penalty: float,
    loss: NumberLoss,
    least: float,
) -> np.ndarray:
    """Weights and constant of one output, (width + 1,)."""
    mean = float(shares @ target)
    if loss.name == POISSON:
        constant = float(np.log(max(mean, 1e-9)))
        return _minimised(z, target, shares, penalty, loss, constant, least)
    spread = float(np.sqrt(shares @ (target - mean) ** 2)) or 1.0
    scaled = (target - mean) / spread
    weights = _minimised(z, scaled, shares, penalty, loss, 0.0, least) * spread
    left = target - z @ weights[:-1]
    weights[-1] = np.quantile(left, loss.quantile, weights=shares, method="inverted_cdf")
    return weights


def _minimised(
    z: np.ndarray,
    target: np.ndarray,
    shares: np.ndarray,
    penalty: float,
    loss: NumberLoss,
    constant: float,
    least: float,
) -> np.ndarray:
    """Weights and constant that have the least loss with the penalty, (width + 1,)."""
    from scipy.optimize import minimize

    weights = np.append(np.zeros(z.shape[1]), constant)
    ends = {"maxiter": 2000, "maxfun": 4000, "ftol": least, "gtol": 1e-8}
    for width in WIDTHS if loss.name == QUANTILE else (1.0,):

        def value(w: np.ndarray, width: float = width) -> tuple[float, np.ndarray]:
            losses, slopes = loss.slopes(z @ w[:-1] + w[-1], target, width)
            pull = np.append(z.T @ (shares * slopes) + penalty * w[:-1], shares @ slopes)
            return float(shares @ losses + penalty / 2 * (w[:-1] @ w[:-1])), pull

        weights = minimize(value, weights, jac=True, method="L-BFGS-B", options=ends).x
    return weights
