"""Heads of as many features as samples: those of folds are alike, far more than nearest means are.

Least squares with a small penalty, equally good candidates with features of their own. The share of
all variance that folds have in common is what `Outcomes.alike` bounds; it was chosen by its source,
not here."""

from __future__ import annotations

import functools
import zlib

import numpy as np

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.winner import winner_of
from headstart.heads.models.learning_curves import curve_interval
from simulations import Case, Simulation, dealt

FOLDS, APART = 5, 3.0


def crossed(
    rng: np.random.Generator, case: Case, repeats: int, parts: int = FOLDS
) -> list[Outcomes]:
    """Of each candidate where the heads of so many folds are right on theirs."""
    y = np.arange(case.n) % case.classes
    shape = case.candidates, case.n, case.n
    x = rng.standard_normal(shape)
    centres = np.random.default_rng(case.classes).standard_normal((case.classes, case.n))
    x += centres[y] * APART / case.n**0.5
    folds = np.stack([dealt(rng, y, parts) for _ in range(repeats)])
    hits = np.zeros((case.candidates, *folds.shape), bool)
    for repeat, fold in np.ndindex(repeats, parts):
        test = folds[repeat] == fold
        known, ones = x[:, ~test], np.eye(case.classes)[y[~test]] - 1 / case.classes
        products = known @ known.swapaxes(1, 2) + np.eye(len(ones))
        weights = np.linalg.solve(products, np.broadcast_to(ones, (len(x), *ones.shape)))
        said = x[:, test] @ (known.swapaxes(1, 2) @ weights)
        hits[:, repeat, test] = said.argmax(axis=2) == y[test]
    draws = folds + parts * np.arange(repeats)[:, None]
    return [Outcomes(one, draws, 1 - 1 / parts) for one in hits]


@functools.cache
def truth_of(n: int, classes: int, parts: int = FOLDS) -> float:
    """The mean accuracy of such heads, over 100,000 samples."""
    rng, case = np.random.default_rng([1, zlib.crc32(b"many features")]), Case(n, classes)
    times = max(100_000 // n, 100)
    return float(np.mean([crossed(rng, case, 1, parts)[0].mean for _ in range(times)]))


def of_an_interval(rng: np.random.Generator, case: Case, repeats: int, parts: int = FOLDS) -> bool:
    low, high = crossed(rng, case, repeats, parts)[0].share_interval
    return low <= truth_of(case.n, case.classes, parts) <= high


def of_the_star(rng: np.random.Generator, case: Case, repeats: int, parts: int = FOLDS) -> bool:
    return not worse_than_best(crossed(rng, case, repeats, parts)).any()


def of_the_winner(rng: np.random.Generator, case: Case, repeats: int) -> bool:
    found = winner_of(crossed(rng, case, repeats), "accuracy")
    assert found is not None
    low, high = found.corrected_interval
    return low <= truth_of(case.n, case.classes) <= high


def of_a_curve(rng: np.random.Generator, case: Case, repeats: int) -> bool:
    """The last point of a learning curve: heads of four fifths."""
    found = crossed(rng, case, repeats)[0]
    assert found.draws is not None
    right = [
        [(np.flatnonzero(row == one), hits[row == one]) for one in np.unique(row)]
        for row, hits in zip(found.draws, found.values, strict=True)
    ]
    low, high = curve_interval(right, 1 - 1 / FOLDS)
    return low <= truth_of(case.n, case.classes) <= high


ONE = [Case(50), Case(350), Case(50, 5), Case(350, 10)]
SEVERAL = [Case(50, 2, 2), Case(50, 2, 10), Case(350, 2, 2)]
SIMULATIONS = [
    Simulation(
        f"{name}, as many features as samples, {words}",
        0.95,
        functools.partial(covered, repeats=repeats),
        cases if repeats == 1 else [one for one in cases if one.n == 50],
    )
    for name, covered, cases in (
        ("cross-validation: the interval of an accuracy", of_an_interval, ONE),
        ("star: no equally good candidate is called worse", of_the_star, SEVERAL),
        ("winner: the corrected interval holds the winner's accuracy", of_the_winner, SEVERAL),
        ("learning curve: the last point", of_a_curve, ONE),
    )
    for repeats, words in ((1, "once"), (5, "five repeats"))
] + [
    Simulation(
        f"{name}, as many features as samples, {folds} folds {words}",
        0.95,
        functools.partial(covered, repeats=repeats, parts=parts),
        [Case(n, 2, candidates) for n in sizes],
    )
    for name, covered, candidates in (
        ("cross-validation: the interval of an accuracy", of_an_interval, 1),
        ("star: no equally good candidate is called worse", of_the_star, 2),
    )
    for parts, folds, sizes in ((2, "two", [50]), (10, "ten", [50, 350]))
    for repeats, words in ((1, "once"), (5, "five times"))
    if repeats == 1 or parts == 2
]
