"""The interval of macro F1, of many classes with few samples each above all."""

from __future__ import annotations

from functools import partial

import numpy as np

from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.per_class import macro_f1_interval
from simulations import Case, Simulation
from simulations.groups import grouped

SIZES = (3, 20)
"""Samples of a class, on average the least and the most."""


def of_macro_f1(rng: np.random.Generator, case: Case, right: float) -> bool:
    """Classes of unequal sizes and recalls; what is wrong falls on the others alike. In groups
    some are right more often than others. The truth is that of the classes that occur."""
    from scipy.sparse import csr_array

    shares = rng.uniform(*SIZES, case.classes)
    shares /= shares.sum()
    recalls = rng.beta(right * 10, (1 - right) * 10, case.classes)
    lost = shares * (1 - recalls)
    told = shares * recalls + (lost.sum() - lost) / (case.classes - 1)
    f1 = 2 * shares * recalls / (shares + told)
    groups = grouped(rng, case) if case.groups else np.arange(case.n)
    targets = rng.choice(case.classes, len(groups), p=shares)
    ranks = rng.random(len(groups))
    if case.groups:  # a third of all groups' samples are right or wrong together
        ranks = np.where(rng.random(len(groups)) < 1 / 3, rng.random(case.groups)[groups], ranks)
    wrong = (targets + rng.integers(1, case.classes, len(groups))) % case.classes
    said = np.where(ranks < recalls[targets], targets, wrong)
    ones, rows = np.ones(len(groups)), np.arange(len(groups))
    truth, guesses = (
        csr_array((ones, (rows, one)), shape=(len(groups), case.classes)) for one in (targets, said)
    )
    clusters = Clusters.of(groups) if case.groups else None
    low, high = macro_f1_interval(truth, guesses, clusters) or (0, 0)
    return low <= f1[np.unique(targets)].mean() <= high


CASES = [
    Case(50, 2),
    Case(350, 2),
    Case(115, 10),
    Case(350, 10),
    Case(1150, 100),
    Case(350, 10, groups=30),
    Case(1150, 100, groups=30),
    Case(1150, 100, groups=100),
]
SIMULATIONS = [
    Simulation(
        f"macro F1 of classes with 3 to 20 samples and up, {right:g} right: influences",
        0.95,
        partial(of_macro_f1, right=right),
        CASES,
    )
    for right in (0.5, 0.8, 0.95)
]
