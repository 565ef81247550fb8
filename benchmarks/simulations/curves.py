"""The band of learning curves: of heads that are trained on other samples, folds after folds."""

from __future__ import annotations

import functools

import numpy as np

from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.models.learning_curves import Tried, curve_interval
from simulations import Case, Simulation

FOLDS, WIDTH, APART = 5, 20, 1.5


def drawn(rng: np.random.Generator, case: Case) -> tuple[np.ndarray, np.ndarray, Clusters | None]:
    """Samples of two classes, or groups each of one class that have half of all variance."""
    numbers = np.arange(case.n) % (case.groups or case.n)
    noise = rng.standard_normal((case.n, WIDTH))
    if case.groups:
        noise = 0.5**0.5 * (noise + rng.standard_normal((case.groups, WIDTH))[numbers])
    y = numbers % 2
    noise[:, 0] += APART * y
    return noise, y, Clusters.of(numbers)


def tried(rng: np.random.Generator, case: Case, size: int, repeats: int) -> list[list[Tried]]:
    """Where nearest means of `size` samples are right on their fold."""
    x, y, clusters = drawn(rng, case)
    units = np.arange(case.n) if clusters is None else clusters.numbers
    found = []
    for _ in range(repeats):
        dealt = (rng.permutation(int(units.max()) + 1) % FOLDS)[units]
        found.append([])
        for fold in range(FOLDS):
            asked, rest = np.flatnonzero(dealt == fold), np.flatnonzero(dealt != fold)
            rest = rng.permutation(rest)
            own = [rest[y[rest] == one][: size // 2] for one in (0, 1)]
            means = np.stack([x[rows].mean(axis=0) for rows in own])
            products = x[asked] @ means.T
            near = ((means**2).sum(axis=1) - 2 * products).argmin(axis=1)
            found[-1].append((asked, near == y[asked]))
    return found


@functools.cache
def truth_of(case: Case, size: int) -> float:
    """What such heads have on average: the mean over 2,000 draws of all samples."""
    rng = np.random.default_rng(1)
    means = [
        np.concatenate([right for _, right in tried(rng, case, size, 1)[0]]).mean()
        for _ in range(2000)
    ]
    return float(np.mean(means))


def of_a_band(rng: np.random.Generator, case: Case, size: int, repeats: int) -> bool:
    groups = np.arange(case.n) % case.groups if case.groups else None
    low, high = curve_interval(tried(rng, case, size, repeats), size / case.n, Clusters.of(groups))
    return low <= truth_of(case, size) <= high


def band(size: int, repeats: int, *cases: Case) -> Simulation:
    draws = FOLDS * repeats
    kind = "in groups, " if cases[0].groups else ""
    covered = functools.partial(of_a_band, size=size, repeats=repeats)
    return Simulation(
        f"learning curve: {kind}{size} to train on, {draws} draws", 0.95, covered, cases
    )


SIMULATIONS = [
    band(4, 1, Case(100), Case(1000)),
    band(40, 1, Case(100)),
    band(400, 1, Case(1000)),
    band(4, 5, Case(1000)),
    band(40, 5, Case(100)),
    *(band(size, repeats, Case(310, groups=31)) for size in (20, 200) for repeats in (1, 2, 5)),
]
