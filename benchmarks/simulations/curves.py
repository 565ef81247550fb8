"""The band of learning curves: of heads that are trained on other samples, folds after folds."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.models.learning_curves import Tried, curve_interval
from simulations import Case, Simulation

FOLDS, WIDTH, APART = 5, 20, 1.5

Head = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Of features and classes, 0 and 1, to train on, and of features to judge: which are 1."""


def drawn(rng: np.random.Generator, case: Case) -> tuple[np.ndarray, np.ndarray, Clusters | None]:
    """Samples of two classes, or groups each of one class that have half of all variance."""
    numbers = np.arange(case.n) % (case.groups or case.n)
    noise = rng.standard_normal((case.n, WIDTH))
    if case.groups:
        noise = 0.5**0.5 * (noise + rng.standard_normal((case.groups, WIDTH))[numbers])
    y = numbers % 2
    noise[:, 0] += APART * y
    return noise, y, Clusters.of(numbers)


def means_of(known: np.ndarray, is_one: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Whether the mean of the second class is nearer."""
    zero, one = (known[is_one == which].mean(axis=0) for which in (0, 1))
    return 2 * asked @ (one - zero) > one @ one - zero @ zero


def neighbours_of(known: np.ndarray, is_one: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Whether the nearest sample is of the second class. No constant was chosen with it."""
    return is_one[((known**2).sum(axis=1) - 2 * asked @ known.T).argmin(axis=1)] == 1


def tried(
    rng: np.random.Generator, case: Case, size: int, repeats: int, head: Head = means_of
) -> list[list[Tried]]:
    """Where heads of `size` samples are right on their fold."""
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
            rows = np.concatenate(own)
            found[-1].append((asked, head(x[rows], y[rows], x[asked]) == y[asked]))
    return found


@functools.cache
def truth_of(case: Case, size: int, head: Head) -> float:
    """What such heads have on average: the mean over 400 draws of all samples at least."""
    rng = np.random.default_rng(1)
    means = [
        np.concatenate([right for _, right in tried(rng, case, size, 1, head)[0]]).mean()
        for _ in range(max(400, 200_000 // case.n))
    ]
    return float(np.mean(means))


def of_a_band(rng: np.random.Generator, case: Case, size: int, repeats: int, head: Head) -> bool:
    groups = np.arange(case.n) % case.groups if case.groups else None
    right = tried(rng, case, size, repeats, head)
    low, high = curve_interval(right, size / case.n, Clusters.of(groups))
    return low <= truth_of(case, size, head) <= high


def band(name: str, size: int, repeats: int, *cases: Case) -> Simulation:
    draws = FOLDS * repeats
    kind = "in groups, " if cases[0].groups else ""
    covered = functools.partial(of_a_band, size=size, repeats=repeats, head=HEADS[name])
    return Simulation(
        f"learning curve of {name}: {kind}{size} to train on, {draws} draws", 0.95, covered, cases
    )


HEADS: dict[str, Head] = {"nearest means": means_of, "nearest neighbours": neighbours_of}
GROUPED = Case(310, groups=31), Case(2000, groups=100)
SIMULATIONS = [
    one
    for name in HEADS
    for one in (
        band(name, 4, 1, Case(50), Case(350), Case(2000)),
        band(name, 40, 1, Case(50), Case(350), Case(2000)),
        band(name, 280, 1, Case(350), Case(2000)),
        band(name, 4, 5, Case(350)),
        band(name, 40, 5, Case(50), Case(350)),
        *(band(name, size, repeats, *GROUPED) for size in (20, 200) for repeats in (1, 5)),
    )
]
