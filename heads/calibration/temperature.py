"""Calibration: one number by which scores are divided, so that probabilities can be believed.

Guo et al., On calibration of modern neural networks, https://arxiv.org/abs/1706.04599. Where all
rows that are looked at are right, the log loss alone has no minimum: the surer, the better. So the
scores' weights have the prior that those of a `linear` head have at C = 1, and the temperature is
the best point on the line through them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from headstart.heads.calibration.judge import Verdict

COOLEST, HOTTEST = -12.0, 5.0
"""Bounds of the temperature's logarithm, from that of the scores' spread."""


@dataclass(frozen=True)
class Calibration:
    """A temperature, and what it gives.

    Attributes:
        temperature: divides the scores.
        objective: the mean log loss with the prior's share, by which settings are compared.
        log_loss: the mean log loss alone.
    """

    temperature: float
    objective: float
    log_loss: float


def calibrate(verdict: Verdict, penalty: float = 0.0, trust: float = 0.0) -> Calibration:
    """The temperature with the least log loss and penalty.

    Args:
        verdict: scores of rows that the head was not fitted on, (n, classes), with class numbers.
        penalty: of the scores' weights, as by `penalty_of`; of no weights without it.
        trust: for scores that were trained to be logits: how much their own temperature, 1, is
            held on to. The temperature's logarithm has a normal prior of variance 1 / trust, which
            weighs as the rows that are asked do: against a few, and not against many.
    """
    from scipy.optimize import minimize_scalar

    wide = verdict.outputs.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    loss = _loss(centred, verdict, verdict.doubt)
    held = trust / 2 / len(centred)

    def objective(position: float) -> float:
        sharp = np.exp(-position)
        return loss(sharp) + penalty * sharp**2 + held * position**2

    unit = float(np.log(max(np.abs(centred).max(), 1e-12)))
    bounds = (unit + COOLEST, unit + HOTTEST)
    found = minimize_scalar(objective, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    plain = _loss(centred, verdict, 0.0)(np.exp(-found.x))
    return Calibration(float(np.exp(found.x)), float(found.fun), plain)


def penalty_of(kernel: np.ndarray, rows: float) -> float:
    """What the objective of a `linear` head at C = 1 has for weights, beside the mean log loss.

    Args:
        kernel: for standardised features, (width, classes).
        rows: how many such a head would be fitted on.
    """
    # What all classes have in common changes no probability. Two classes have one row of weights in
    # scikit-learn and two here: twice the penalty.
    centred = kernel - kernel.mean(axis=1, keepdims=True)
    share = 1.0 if kernel.shape[1] == 2 else 0.5
    return share * float((centred.astype(np.float64) ** 2).sum()) / rows


def _loss(centred: np.ndarray, verdict: Verdict, doubt: float) -> Callable[[float], float]:
    """The mean log loss by the sharpness, 1 / temperature."""
    own = centred[np.arange(len(centred)), verdict.targets]
    others = -own / (centred.shape[1] - 1)  # their mean, as a row's sum is 0
    # SciPy's own logsumexp looks at much more, for each of the points that are tried: ten times as
    # long of 1,000 rows
    highest = centred.max(axis=1)
    below = centred - highest[:, None]
    short = highest - ((1 - doubt) * own + doubt * others)

    def loss(sharp: float) -> float:
        losses = np.log(np.exp(below * sharp).sum(axis=1)) + short * sharp
        return float(np.average(losses, weights=verdict.weights))

    return loss
