"""Scores of repeats, comparisons with the best, the best of many, and two heads on one split."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.paired import mcnemar, share_difference
from headstart.heads.evaluation.winner import winner_of
from simulations import Case, Simulation

SIZES = (50, 350, 2000)
FOLDS, REPEATS = 5, 5


def right(rng: np.random.Generator, case: Case, shares: np.ndarray) -> np.ndarray:
    """Where candidates are right, bool, (candidates, n): on the same samples, whose ease they have
    in common, more or less (a latent correlation from .5 to .95); groups have ease in common."""
    common = rng.uniform(0.5, 0.95)
    ease = rng.standard_normal(case.n)
    own = rng.standard_normal((len(shares), case.n))
    if case.groups:
        of = rng.integers(0, case.groups, case.n)
        ease = (0.8**0.5) * rng.standard_normal(case.groups)[of] + (0.2**0.5) * ease
        own = (0.8**0.5) * rng.standard_normal((len(shares), case.groups))[:, of] + (0.2**0.5) * own
        case_groups[0] = of
    latent = common**0.5 * ease + (1 - common) ** 0.5 * own
    return latent < norm.ppf(shares)[:, None]


case_groups: list[np.ndarray] = [np.zeros(0, np.int64)]
"""The groups that were drawn last."""


def tried(rng: np.random.Generator, case: Case, shares: np.ndarray) -> list[Outcomes]:
    """What candidates of these true shares do on one sample of samples."""
    found = right(rng, case, shares)
    groups = None
    if case.groups:
        groups = np.unique(case_groups[0], return_inverse=True)[1]
    return [Outcomes(one[None], clusters=groups) for one in found]


def chance(classes: int) -> float:
    return 1 / classes


def star_of_equals(rng: np.random.Generator, case: Case) -> bool:
    """None of equally good candidates is called worse than the best."""
    share = rng.uniform(max(chance(case.classes), 0.3), 0.97)
    return not worse_than_best(tried(rng, case, np.full(case.candidates, share))).any()


def star_of_the_best(rng: np.random.Generator, case: Case) -> bool:
    """Of candidates that differ, half of them the best, none of those is called worse."""
    shares = rng.uniform(0.4, 0.8, case.candidates)
    best = np.arange(case.candidates) < max(case.candidates // 2, 1)
    shares[best] = 0.8
    return not worse_than_best(tried(rng, case, shares))[best].any()


def winner_of_equals(rng: np.random.Generator, case: Case) -> bool:
    """The best of candidates that all guess: the corrected interval holds chance."""
    truth = chance(case.classes)
    found = winner_of(tried(rng, case, np.full(case.candidates, truth)), "accuracy")
    assert found is not None
    low, high = found.corrected_interval
    return low <= truth <= high


def winner_of_unequal(rng: np.random.Generator, case: Case) -> bool:
    """The corrected interval holds what the chosen candidate is truly worth."""
    shares = rng.uniform(0.6, 0.7, case.candidates)
    found = tried(rng, case, shares)
    truth = shares[int(np.argmax([one.mean for one in found]))]
    winner = winner_of(found, "accuracy")
    assert winner is not None
    low, high = winner.corrected_interval
    return low <= truth <= high


def repeated(rng: np.random.Generator, case: Case, between: float) -> tuple[Outcomes, float]:
    """Heads of few samples: each fold of each repeat has a training set of its own, which moves
    how often it is right, on samples that are easy or hard; and the true mean."""
    level, hardness = rng.uniform(-0.5, 2.0), 1.5
    folds = np.stack([rng.permutation(case.n) % FOLDS for _ in range(REPEATS)])
    draws = folds + FOLDS * np.arange(REPEATS)[:, None]
    moved = between * rng.standard_normal(FOLDS * REPEATS)
    ease = hardness * rng.standard_normal(case.n)
    odds = norm.cdf(level + ease[None, :] + moved[draws])
    groups = None
    truth = norm.cdf(level / np.sqrt(1 + hardness**2 + between**2))
    return Outcomes(rng.random(odds.shape) < odds, draws, groups), float(truth)


def draws_that_matter(rng: np.random.Generator, case: Case) -> bool:
    """The interval of few-shot heads holds what such a head gets on average."""
    found, truth = repeated(rng, case, 0.5)
    low, high = found.share_interval
    return low <= truth <= high


def draws_that_do_not(rng: np.random.Generator, case: Case) -> bool:
    """The same where all draws are as good."""
    found, truth = repeated(rng, case, 0.0)
    low, high = found.share_interval
    return low <= truth <= high


def one_shot(rng: np.random.Generator, case: Case) -> bool:
    """Real heads: nearest of one sample a class, whose true mean accuracy is had from many."""
    width, spread = 10, 0.7
    centres = spread * np.random.default_rng(case.classes).standard_normal((case.classes, width))

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        of = np.arange(count) % case.classes
        return centres[of] + rng.standard_normal((count, width)), of

    def guesses(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
        return ((asked[:, None] - known[None]) ** 2).sum(axis=2).argmin(axis=1)

    x, y = drawn(case.n)
    folds = np.stack([rng.permutation(case.n) % FOLDS for _ in range(REPEATS)])
    hits = np.zeros(folds.shape, bool)
    for repeat in range(REPEATS):
        for fold in range(FOLDS):
            test = folds[repeat] == fold
            shots = [rng.choice(np.flatnonzero(~test & (y == one))) for one in range(case.classes)]
            hits[repeat, test] = guesses(x[shots], x[test]) == y[test]
    low, high = Outcomes(hits, folds + FOLDS * np.arange(REPEATS)[:, None]).share_interval
    return low <= one_shot_truth(case.classes) <= high


known_truths: dict[int, float] = {}


def one_shot_truth(classes: int, width: int = 10, spread: float = 0.7) -> float:
    """The accuracy of such a head, the mean over 4,000 of them."""
    if classes not in known_truths:
        rng = np.random.default_rng(1)
        centres = spread * np.random.default_rng(classes).standard_normal((classes, width))
        found = []
        for _ in range(4000):
            known = centres + rng.standard_normal((classes, width))
            asked = centres + rng.standard_normal((20, classes, width))
            distances = ((asked[:, :, None] - known[None, None]) ** 2).sum(axis=3)
            found.append((distances.argmin(axis=2) == np.arange(classes)).mean())
        known_truths[classes] = float(np.mean(found))
    return known_truths[classes]


def two_equal_heads(rng: np.random.Generator, case: Case) -> bool:
    """McNemar's mid-p test does not call two equally good heads different."""
    one, other = right(rng, case, np.full(2, rng.uniform(0.4, 0.95)))
    return mcnemar(int((other & ~one).sum()), int((one & ~other).sum())) >= 0.05


def two_heads(rng: np.random.Generator, case: Case) -> bool:
    """The paired interval holds the true difference of two accuracies."""
    shares = rng.uniform(0.5, 0.9, 2)
    one, other = right(rng, case, shares)
    counts = int((other & ~one).sum()), int((one & ~other).sum())
    low, high = share_difference(*counts, case.n)
    return low <= shares[1] - shares[0] <= high


def many(*candidates: int, groups: int = 0) -> list[Case]:
    return [Case(n, 2, count, groups) for n in SIZES for count in candidates]


SIMULATIONS = [
    Simulation(
        "star: no equally good candidate is called worse",
        0.95,
        star_of_equals,
        many(2, 5, 10, 20, 200),
    ),
    Simulation(
        "star: none of the best is called worse where others are",
        0.95,
        star_of_the_best,
        many(2, 10, 20),
    ),
    Simulation(
        "star: no equally good candidate is called worse, in groups",
        0.95,
        star_of_equals,
        [Case(350, 2, count, 50) for count in (2, 10, 200)],
    ),
    Simulation(
        "winner: the corrected interval holds chance, where all guess",
        0.95,
        winner_of_equals,
        [*many(2, 41, 200), Case(350, 10, 41), Case(2000, 100, 41)],
    ),
    Simulation(
        "winner: the corrected interval holds the winner's accuracy",
        0.95,
        winner_of_unequal,
        many(2, 41, 200),
    ),
    Simulation(
        "winner: the corrected interval holds chance, in groups",
        0.95,
        winner_of_equals,
        [Case(350, 2, count, 50) for count in (2, 41)],
    ),
    Simulation(
        "repeats: the interval holds the mean accuracy, draws differ",
        0.95,
        draws_that_matter,
        [Case(n) for n in SIZES],
    ),
    Simulation(
        "repeats: the interval holds the mean accuracy, draws do not differ",
        0.95,
        draws_that_do_not,
        [Case(n) for n in SIZES],
    ),
    Simulation(
        "repeats: one-shot heads on data that is drawn anew",
        0.95,
        one_shot,
        [Case(n, classes) for n in SIZES for classes in (2, 10) if n > 50 or classes == 2],
    ),
    Simulation("compare: McNemar's mid-p", 0.95, two_equal_heads, [Case(n, 2, 2) for n in SIZES]),
    Simulation(
        "compare: paired interval of accuracies", 0.95, two_heads, [Case(n, 2, 2) for n in SIZES]
    ),
]
