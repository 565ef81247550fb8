"""The intervals of scores of samples in groups, whose samples are right or wrong together."""

from __future__ import annotations

from functools import partial

import numpy as np

from headstart.heads.evaluation.bootstrap import mean_interval
from headstart.heads.evaluation.clusters import Clusters, cluster_share_interval
from headstart.heads.evaluation.per_class import macro_f1_interval
from simulations import Case, Simulation


def grouped(rng: np.random.Generator, case: Case) -> np.ndarray:
    """The group of each of about `n` samples; some are nine times as large as others."""
    sizes = rng.uniform(1, 9, case.groups)
    sizes = np.maximum(np.round(sizes * case.n / sizes.sum()), 1).astype(int)
    return np.repeat(np.arange(case.groups), sizes)


def of_a_share(rng: np.random.Generator, case: Case, correlation: float) -> bool:
    """An accuracy from .5 to .98, in groups that differ by an intra-cluster correlation."""
    truth, groups = rng.uniform(0.5, 0.98), grouped(rng, case)
    if correlation in (0, 1):
        own = rng.random(case.groups) < truth if correlation else np.full(case.groups, truth)
    else:
        spread = 1 / correlation - 1
        own = rng.beta(truth * spread, (1 - truth) * spread, case.groups)
    right = rng.random(len(groups)) < own[groups]
    clusters = Clusters.of(groups)
    assert clusters is not None
    low, high = cluster_share_interval(right, clusters)
    return low <= truth <= high


def of_a_loss(rng: np.random.Generator, case: Case) -> bool:
    """A mean of values as skewed as log losses are, of groups with larger ones than others."""
    groups = grouped(rng, case)
    values = np.exp(rng.normal(0, 0.4, case.groups)[groups] + rng.normal(0, 0.8, len(groups)))
    low, high = mean_interval(values, clusters=Clusters.of(groups)) or (0, 0)
    return low <= np.exp((0.4**2 + 0.8**2) / 2) <= high


def of_f1(rng: np.random.Generator, case: Case) -> bool:
    """Macro F1 of heads that are right more often in some groups than in others."""
    from scipy.sparse import csr_array

    truth = 0.8  # of every class, and errors fall on the others alike: so is each F1
    groups = grouped(rng, case)
    own = rng.beta(truth * 4, (1 - truth) * 4, case.groups)
    targets = rng.integers(0, case.classes, len(groups))
    wrong = (targets + rng.integers(1, case.classes, len(groups))) % case.classes
    said = np.where(rng.random(len(groups)) < own[groups], targets, wrong)
    ones = np.eye(case.classes)
    found = macro_f1_interval(csr_array(ones[targets]), csr_array(ones[said]), Clusters.of(groups))
    low, high = found or (0, 0)
    return low <= truth <= high


CASES = [Case(n, groups=count) for n in (350, 2000) for count in (10, 30, 100)]
SIMULATIONS = [
    *(
        Simulation(
            f"accuracy in groups, correlation {correlation}",
            0.95,
            partial(of_a_share, correlation=correlation),
            [Case(50, groups=10), *CASES],
        )
        for correlation in (0, 0.05, 0.2, 0.5, 1)
    ),
    Simulation("mean of skewed losses in groups", 0.95, of_a_loss, CASES),
    Simulation(
        "macro F1 in groups",
        0.95,
        of_f1,
        [
            Case(n, classes=classes, groups=count)
            for n in (350, 2000)
            for classes in (2, 10)
            for count in (10, 30, 100)
        ],
    ),
]
