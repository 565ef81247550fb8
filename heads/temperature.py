"""Calibration: one number by which logits are divided, so that probabilities can be believed.

Guo et al., On calibration of modern neural networks, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

import numpy as np

from headstart.heads.kinds import Part


def temperature_of(logits: np.ndarray, part: Part) -> float:
    """The number by which logits are to be divided for the least log loss.

    Args:
        logits: (n, classes).
        part: class numbers and weights of the same rows.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    wide = logits.astype(np.float64)
    own = wide[np.arange(len(part)), part.targets]

    def loss(position: float) -> float:
        sharp = np.exp(-position)
        losses = logsumexp(wide * sharp, axis=1) - own * sharp
        return float(np.average(losses, weights=part.weights))

    unit = float(np.log(max(np.abs(wide).max(), 1e-12)))
    found = minimize_scalar(loss, bounds=(unit - 12, unit + 5), method="bounded")
    return float(np.exp(found.x))
