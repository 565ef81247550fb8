"""Scores of repeats, comparisons with the best, the best of many, and two heads on one split."""

from __future__ import annotations

import functools

import numpy as np
from scipy.stats import norm

from headstart.heads.evaluation.best import worse_than_best
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.outcomes import Outcomes
from headstart.heads.evaluation.paired import mcnemar, often_right
from headstart.heads.evaluation.winner import winner_of
from simulations import Case, Simulation

SIZES = {50: 10, 350: 50, 2000: 100}
"""Samples, and how many groups they stand in where they do."""
FOLDS, REPEATS = 5, 5


def right(
    rng: np.random.Generator, case: Case, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Where candidates are right, bool, (candidates, n): on the same samples, whose ease they have
    in common, more or less (a latent correlation from .5 to .95); and the samples' groups, which
    have four fifths of all variance."""
    common = rng.uniform(0.5, 0.95)
    noise = rng.standard_normal((1 + len(shares), case.n))
    groups = None
    if case.groups:
        groups = np.unique(rng.integers(0, case.groups, case.n), return_inverse=True)[1]
        shared = rng.standard_normal((1 + len(shares), case.groups))[:, groups]
        noise = 0.8**0.5 * shared + 0.2**0.5 * noise
    latent = common**0.5 * noise[0] + (1 - common) ** 0.5 * noise[1:]
    return latent < norm.ppf(shares)[:, None], groups


def tried(rng: np.random.Generator, case: Case, shares: np.ndarray) -> list[Outcomes]:
    """What candidates of these true shares do on one sample of samples."""
    found, groups = right(rng, case, shares)
    return [Outcomes(one[None], clusters=Clusters.of(groups)) for one in found]


def chance(classes: int) -> float:
    return 1 / classes


def star_of_equals(rng: np.random.Generator, case: Case) -> bool:
    """None of equally good candidates is called worse than the best."""
    share = rng.uniform(chance(case.classes), 0.97)
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
    truth = norm.cdf(level / np.sqrt(1 + hardness**2 + between**2))
    return Outcomes(rng.random(odds.shape) < odds, draws), float(truth)


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


def repeats_in_groups(
    rng: np.random.Generator,
    case: Case,
    share: float,
    between: float,
    repeats: int = REPEATS,
    taken: float = 0.0,
) -> bool:
    """The interval of repeats of samples in groups, whose folds take groups whole, holds the mean:
    the groups are right together by a latent correlation of .4, and are the same in each repeat."""
    groups = np.sort(rng.integers(0, case.groups, case.n))
    ease = 0.4**0.5 * rng.standard_normal(case.groups)[groups]
    ease += 0.4**0.5 * rng.standard_normal(case.n)
    folds = np.stack([rng.permutation(case.groups) % FOLDS for _ in range(repeats)])[:, groups]
    draws = folds + FOLDS * np.arange(repeats)[:, None]
    _, draws = np.unique(draws, return_inverse=True)
    draws = draws.reshape(folds.shape)
    moved = between * rng.standard_normal(FOLDS * repeats)[draws]
    noise = 0.2**0.5 * rng.standard_normal(folds.shape)
    right = ease + moved + noise < norm.ppf(share) * (1 + between**2) ** 0.5
    found = Outcomes(right, draws, taken, Clusters.of(groups))
    low, high = found.share_interval
    return low <= share <= high


WIDTH, SPREAD = 10, 0.7


def centres_of(classes: int) -> np.ndarray:
    return SPREAD * np.random.default_rng(classes).standard_normal((classes, WIDTH))


def nearest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The class whose mean is nearest; known are (…, classes, width), asked (…, n, width)."""
    products = np.einsum("...nw,...cw->...nc", asked, known)
    return ((known**2).sum(axis=-1)[..., None, :] - 2 * products).argmin(axis=-1)


def tried_heads(
    rng: np.random.Generator, case: Case, repeats: int, shots: int | None
) -> list[Outcomes]:
    """Nearest means on data that is drawn anew, cross-validated; of few samples of each class. Each
    candidate has features of its own, with the same truth."""
    y = np.arange(case.n) % case.classes
    x = centres_of(case.classes)[y] + rng.standard_normal((case.candidates, case.n, WIDTH))
    folds = np.stack([rng.permutation(case.n) % FOLDS for _ in range(repeats)])
    hits, trained = np.zeros((case.candidates, *folds.shape), bool), case.n * (FOLDS - 1) // FOLDS
    for repeat, fold in np.ndindex(repeats, FOLDS):
        test = folds[repeat] == fold
        rows = [np.flatnonzero(~test & (y == one)) for one in range(case.classes)]
        if shots is not None:
            rows = [rng.choice(one, shots, replace=False) for one in rows]
        known = np.stack([x[:, one].mean(axis=1) for one in rows], axis=1)
        hits[:, repeat, test] = nearest(known, x[:, test]) == y[test]
    taken = (trained if shots is None else shots * case.classes) / case.n
    draws = folds + FOLDS * np.arange(repeats)[:, None]
    return [Outcomes(one, draws, taken) for one in hits]


@functools.cache
def truth_of_heads(classes: int, rows: int) -> float:
    """The accuracy of nearest means of so many rows a class, the mean over 20,000 heads, of many
    classes 400."""
    rng, centres = np.random.default_rng(1), centres_of(classes)
    found = []
    for _ in range(200 if classes < 100 else 4):
        known = centres + rng.standard_normal((100, classes, WIDTH)) / rows**0.5
        asked = centres + rng.standard_normal((100, 20, classes, WIDTH))
        said = nearest(known[:, None], asked)
        found.append((said == np.arange(classes)).mean())
    return float(np.mean(found))


def few_shots(rng: np.random.Generator, case: Case, shots: int, repeats: int) -> bool:
    """The interval of few-shot heads holds what such a head gets on average."""
    low, high = tried_heads(rng, case, repeats, shots)[0].share_interval
    return low <= truth_of_heads(case.classes, shots) <= high


def all_rows(rng: np.random.Generator, case: Case) -> bool:
    """The interval of cross-validation holds what a head of four fifths of the rows gets."""
    low, high = tried_heads(rng, case, 1, None)[0].share_interval
    return low <= truth_of_heads(case.classes, case.n * 4 // 5 // case.classes) <= high


def all_rows_repeated(rng: np.random.Generator, case: Case) -> bool:
    low, high = tried_heads(rng, case, REPEATS, None)[0].share_interval
    return low <= truth_of_heads(case.classes, case.n * 4 // 5 // case.classes) <= high


def star_of_few_shots(rng: np.random.Generator, case: Case, repeats: int) -> bool:
    """Features that are equally good for one-shot heads: none is called worse."""
    return not worse_than_best(tried_heads(rng, case, repeats, 1)).any()


def winner_of_few_shots(rng: np.random.Generator, case: Case, repeats: int) -> bool:
    """The corrected interval of the best of features that are equally good holds what they are."""
    found = winner_of(tried_heads(rng, case, repeats, 1), "accuracy")
    assert found is not None
    low, high = found.corrected_interval
    return low <= truth_of_heads(case.classes, 1) <= high


def star_of_repeats(rng: np.random.Generator, case: Case) -> bool:
    return not worse_than_best(tried_heads(rng, case, REPEATS, None)).any()


def two_equal_heads(rng: np.random.Generator, case: Case) -> bool:
    """McNemar's mid-p test does not call two equally good heads different."""
    (one, other), _ = right(rng, case, np.full(2, rng.uniform(0.4, 0.95)))
    return mcnemar(int((other & ~one).sum()), int((one & ~other).sum())) >= 0.05


def two_heads(rng: np.random.Generator, case: Case) -> bool | None:
    """The paired interval holds the true difference of two accuracies."""
    shares = rng.uniform(0.5, 0.9, 2)
    (one, other), groups = right(rng, case, shares)
    found = often_right(one, other, Clusters.of(groups)).interval
    return None if found is None else found[0] <= shares[1] - shares[0] <= found[1]


def grid(*classes: int) -> list[Case]:
    """All sizes, in groups or not, of 2, 10 and 200 candidates; last what was added last, as draws
    go by a case's place: 200 of more than two classes but where all else is in the middle."""
    cases = [
        Case(n, count, candidates, groups)
        for count in classes
        for n, some in SIZES.items()
        for groups in (0, some)
        for candidates in (2, 10, 200)
    ]
    return sorted(cases, key=_is_added)


def _is_added(case: Case) -> bool:
    return case.candidates == 200 and case.classes > 2 and (case.n, case.groups) != (350, 0)


REAL = [
    *(Case(n, classes) for n in SIZES for classes in (2, 10) if n > 50 or classes == 2),
    Case(2000, 100),
]
COMPARED = [Case(n, 2, count) for n in (50, 350) for count in (2, 10)]
SIMULATIONS = [
    Simulation(
        "star: no equally good candidate is called worse",
        0.95,
        star_of_equals,
        grid(2, 10, 100),
        cost=2,
    ),
    Simulation(
        "star: none of the best is called worse where others are",
        0.95,
        star_of_the_best,
        grid(2),
        cost=2,
    ),
    Simulation(
        "winner: the corrected interval holds chance, where all guess",
        0.95,
        winner_of_equals,
        grid(2, 10, 100),
        cost=2,
    ),
    Simulation(
        "winner: the corrected interval holds the winner's accuracy",
        0.95,
        winner_of_unequal,
        grid(2),
        cost=2,
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
    *(
        Simulation(
            f"repeats in groups: accuracy {share}, {words}",
            0.95,
            functools.partial(repeats_in_groups, share=share, between=between),
            [Case(n, groups=count) for n, count in ((350, 10), (350, 30), (2000, 100))],
        )
        for share in (0.7, 0.97)
        for between, words in ((0.5, "draws differ"), (0.0, "draws do not differ"))
    ),
    *(
        Simulation(
            f"few shots in groups, tried once: accuracy {share}, {words}",
            0.95,
            functools.partial(
                repeats_in_groups, share=share, between=between, repeats=1, taken=0.02
            ),
            [Case(n, groups=count) for n, count in ((350, 10), (350, 30), (2000, 100))],
        )
        for share in (0.7, 0.97)
        for between, words in ((0.5, "draws differ"), (0.0, "draws do not differ"))
    ),
    *(
        Simulation(
            f"few shots: {words} a class, {times}real heads",
            0.95,
            functools.partial(few_shots, shots=shots, repeats=repeats),
            REAL,
        )
        for repeats, times in ((REPEATS, ""), (1, "tried once, "))
        for shots, words in ((1, "one sample"), (5, "five samples"))
    ),
    Simulation("cross-validation: once, real heads", 0.95, all_rows, REAL),
    Simulation("cross-validation: five repeats, real heads", 0.95, all_rows_repeated, REAL),
    *(
        Simulation(
            f"{name}: few shots, {times}real heads",
            0.95,
            functools.partial(covered, repeats=repeats),
            COMPARED,
            cost=2,
        )
        for name, covered, repeats, times in (
            ("star", star_of_few_shots, REPEATS, ""),
            ("winner", winner_of_few_shots, REPEATS, ""),
            ("winner", winner_of_few_shots, 1, "tried once, "),
        )
    ),
    Simulation("star: five repeats, real heads", 0.95, star_of_repeats, COMPARED),
    Simulation("compare: McNemar's mid-p", 0.95, two_equal_heads, [Case(n, 2, 2) for n in SIZES]),
    Simulation(
        "compare: paired interval of accuracies", 0.95, two_heads, [Case(n, 2, 2) for n in SIZES]
    ),
    Simulation(
        "compare: paired interval of accuracies, in groups",
        0.95,
        two_heads,
        [Case(n, 2, 2, count) for n, count in ((50, 10), (350, 30), (350, 100), (2000, 100))],
    ),
]
