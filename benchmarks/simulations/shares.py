"""The interval of a share of independent samples: an accuracy on a test split."""

from __future__ import annotations

import numpy as np

from headstart.heads.evaluation.intervals import wilson_interval
from simulations import Case, Simulation


def of_a_share(rng: np.random.Generator, case: Case) -> bool:
    """An accuracy from .5 to .98 (chance being .5), whose truth the interval is to hold."""
    truth = rng.uniform(0.5, 0.98)
    low, high = wilson_interval(int(rng.binomial(case.n, truth)), case.n)
    return low <= truth <= high


SIMULATIONS = [
    Simulation(
        "accuracy: Wilson's interval",
        0.95,
        of_a_share,
        [Case(50), Case(350), Case(2000)],
        may_exceed=False,
    )
]
