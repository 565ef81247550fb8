"""Log losses and other scores of cross-validation: the intervals, the star and the winner where
heads are chosen by log losses.

Heads of two sorts: nearest means, as sure as so many rows allow, and least squares of as many
features as samples, whose softmax is a good deal too sure."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.bootstrap import Unseen
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.reliability import unseen_of
from headstart.heads.evaluation.scores import scores_of, widened
from headstart.heads.evaluation.winner import winner_of
from headstart.heads.kinds.losses import log_losses_of
from headstart.heads.tasks import Classification
from simulations import Case, Simulation, dealt
from simulations.many_features import APART
from simulations.probabilities import softmax
from simulations.selection import centres_of

FOLDS = 5
SURE = 6.0
"""What outputs of least squares are multiplied by."""

Head = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
"""Of features and classes to train on, features to judge, and how many classes there are: their
probabilities."""


def of_means(known: np.ndarray, y: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
    """By the distance from the means, whose own noise makes classes wider."""
    means = np.stack([known[y == one].mean(axis=0) for one in range(classes)])
    rows = len(y) / classes
    squares = (means**2).sum(axis=1) - 2 * asked @ means.T
    return softmax(-squares / 2 / (1 + 1 / rows))


def of_least_squares(
    known: np.ndarray, y: np.ndarray, asked: np.ndarray, classes: int
) -> np.ndarray:
    ones = np.eye(classes)[y] - 1 / classes
    weights = np.linalg.solve(known @ known.T + np.eye(len(y)), ones)
    return softmax(SURE * (asked @ (known.T @ weights)))


HEADS: dict[str, Head] = {"nearest means": of_means, "least squares": of_least_squares}


def crossed(
    rng: np.random.Generator,
    case: Case,
    repeats: int,
    shots: int | None,
    name: str,
    parts: int = FOLDS,
) -> list[Outcomes]:
    """Of each candidate, which has features of its own, what its heads lose on their folds; `shots`
    samples of each class to train on, or all."""
    y = np.arange(case.n) % case.classes
    centres = centres_of(case.classes) if name == "nearest means" else wide_centres(case)
    folds = np.stack([dealt(rng, y, parts) for _ in range(repeats)])
    draws = folds + parts * np.arange(repeats)[:, None]
    taken = 1 - 1 / parts if shots is None else shots * case.classes / case.n
    found = []
    for _ in range(case.candidates):
        x = centres[y] + rng.standard_normal((case.n, centres.shape[1]))
        losses, unseen = np.zeros(folds.shape), 0.0
        for repeat, fold in np.ndindex(repeats, parts):
            test = folds[repeat] == fold
            rows = chosen(rng, y, test, shots)
            said = HEADS[name](x[rows], y[rows], x[test], case.classes)
            losses[repeat, test] = log_losses_of(said, y[test])
            unseen += unseen_of(log_losses_of, said, y[test]).high * test.sum()
        kept = losses.astype(np.float32)
        found.append(Outcomes(kept, draws, taken, unseen=Unseen(0.0, unseen / losses.size)))
    return found


def wide_centres(case: Case) -> np.ndarray:
    """As many features as samples."""
    drawn = np.random.default_rng(case.classes).standard_normal((case.classes, case.n))
    return drawn * APART / case.n**0.5


def chosen(rng: np.random.Generator, y: np.ndarray, test: np.ndarray, shots: int | None) -> Any:
    """Rows to train on."""
    if shots is None:
        return np.flatnonzero(~test)
    own = [np.flatnonzero(~test & (y == one)) for one in np.unique(y)]
    return np.concatenate([rng.choice(one, shots, replace=False) for one in own])


@functools.cache
def truth_of(case: Case, shots: int | None, name: str, parts: int = FOLDS) -> float:
    """What such heads lose on average."""
    rng = np.random.default_rng([1, zlib.crc32(name.encode())])
    times = max(200_000 // case.n, 100)
    return float(np.mean([crossed(rng, case, 1, shots, name, parts)[0].mean for _ in range(times)]))


def of_an_interval(
    rng: np.random.Generator,
    case: Case,
    repeats: int,
    shots: int | None,
    name: str,
    parts: int = FOLDS,
) -> bool | None:
    found = crossed(rng, case, repeats, shots, name, parts)[0].interval
    return None if found is None else found[0] <= truth_of(case, shots, name, parts) <= found[1]


def of_the_star(rng: np.random.Generator, case: Case, repeats: int, name: str) -> bool:
    """Equally good candidates: none is called worse."""
    return not worse_than_best(crossed(rng, case, repeats, None, name), is_loss=True).any()


def of_the_winner(rng: np.random.Generator, case: Case, repeats: int, name: str) -> bool:
    """The corrected interval of the best of equally good candidates holds what they lose."""
    found = winner_of(crossed(rng, case, repeats, None, name), "log_loss", is_loss=True)
    assert found is not None
    low, high = found.corrected_interval
    return low <= truth_of(replace(case, candidates=1), None, name) <= high


@functools.cache
def scores_in_truth(case: Case) -> dict[str, float]:
    """What 200 such heads score on average, of 1,000 fresh samples each."""
    rng, found = np.random.default_rng([1, 2]), []
    y, fresh = np.arange(case.n) % case.classes, np.arange(1000) % case.classes
    for _ in range(200):
        known, asked = (
            wide_centres(case)[one] + rng.standard_normal((len(one), case.n)) for one in (y, fresh)
        )
        rows = rng.permutation(case.n)[: case.n * 4 // 5]
        said = of_least_squares(known[rows], y[rows], asked, case.classes)
        found.append(scores_of(Classification(), said, fresh, range(case.classes)))
    return {score: float(np.mean([one[score] for one in found])) for score in SCORES}


def of_a_score(rng: np.random.Generator, case: Case, score: str) -> bool | None:
    """The interval of another score of what all folds' heads said, once."""
    losses, said, y = judged(rng, case)
    found = widened(scores_of(Classification(), said, y, range(case.classes)), losses.reach)
    if score not in found["intervals"]:
        return None
    low, high = found["intervals"][score]
    return low <= scores_in_truth(case)[score] <= high


def judged(rng: np.random.Generator, case: Case) -> tuple[Outcomes, np.ndarray, np.ndarray]:
    """What least squares lose, what they say, and the truth."""
    y = np.arange(case.n) % case.classes
    folds, said = dealt(rng, y, FOLDS), np.zeros((case.n, case.classes))
    x = wide_centres(case)[y] + rng.standard_normal((case.n, case.n))
    for fold in range(FOLDS):
        test = folds == fold
        said[test] = of_least_squares(x[~test], y[~test], x[test], case.classes)
    unseen = unseen_of(log_losses_of, said, y)
    losses = log_losses_of(said, y).astype(np.float32)[None]
    return Outcomes(losses, folds[None], 1 - 1 / FOLDS, unseen=unseen), said, y


TIMES = ((1, "once"), (5, "five repeats"))
SOME = {
    "nearest means": [Case(50), Case(350), Case(350, 10), Case(2000, 10)],
    "least squares": [Case(50), Case(50, 5), Case(350)],
}
FEW = [Case(50), Case(350), Case(350, 10)]
COMPARED = [Case(50, 2, 2), Case(50, 2, 10), Case(350, 2, 2)]
SCORES = ("balanced_accuracy", "auroc", "auprc", "brier", "macro_f1")
SIMULATIONS = [
    *(
        Simulation(
            f"cross-validation: the interval of {score.replace('_', ' ')}, least squares, once",
            0.95,
            partial(of_a_score, score=score),
            [Case(50), Case(50, 5), Case(200)],
            cost=4,
        )
        for score in SCORES
    ),
    *(
        Simulation(
            f"cross-validation: the interval of a log loss, {name}, {words}",
            0.95,
            partial(of_an_interval, repeats=repeats, shots=None, name=name),
            cases,
            cost=4,
        )
        for name, cases in SOME.items()
        for repeats, words in TIMES
    ),
    *(
        Simulation(
            f"cross-validation: the interval of a log loss, least squares, {words} folds once",
            0.95,
            partial(of_an_interval, repeats=1, shots=None, name="least squares", parts=parts),
            [Case(50), Case(200)],
            cost=4,
        )
        for parts, words in ((2, "two"), (10, "ten"))
    ),
    *(
        Simulation(
            f"few shots: the interval of a log loss, {shots} a class, nearest means, {words}",
            0.95,
            partial(of_an_interval, repeats=repeats, shots=shots, name="nearest means"),
            FEW,
            cost=4,
        )
        for shots in (1, 5)
        for repeats, words in TIMES
    ),
    *(
        Simulation(
            f"{claim}, {name}, {words}",
            0.95,
            partial(covered, repeats=repeats, name=name),
            COMPARED if repeats == 1 else COMPARED[:2],
            cost=4,
        )
        for claim, covered in (
            ("star by log loss: no equally good candidate is called worse", of_the_star),
            ("winner by log loss: the corrected interval holds the winner's", of_the_winner),
        )
        for name in SOME
        for repeats, words in TIMES
    ),
]
