"""Intervals of errors of numbers: R2, mean absolute and root mean squared error, and steps off."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from headstart.heads.evaluation.bootstrap import (
    Interval,
    mean_interval,
    r2_interval,
    roots_interval,
)
from headstart.heads.evaluation.clusters import Clusters
from headstart.heads.evaluation.scores import scores_of
from headstart.heads.tasks import Ordinal
from simulations import Case, Simulation
from simulations.probabilities import SIZES, softmax

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Of a shape, with a variance of 1."""


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with 6 degrees of freedom."""
    return rng.standard_t(6, shape) / 1.5**0.5


def drawn(
    rng: np.random.Generator, case: Case, noise: Noise, share: float
) -> tuple[np.ndarray, Clusters | None]:
    """Numbers, (2, n), of which the groups have such a share of the variance."""
    numbers = noise(rng, (2, case.n))
    if not case.groups:
        return numbers, None
    groups = rng.integers(0, case.groups, case.n)
    own = noise(rng, (2, case.groups))[:, groups]
    return share**0.5 * own + (1 - share) ** 0.5 * numbers, Clusters.of(groups)


def held(interval: Interval | None, truth: float) -> bool | None:
    """Whether it is in the interval; None where there is none."""
    return None if interval is None else interval[0] <= truth <= interval[1]


def of_r2(rng: np.random.Generator, case: Case, noise: Noise) -> bool | None:
    """.2 to .95 in truth."""
    truth = rng.uniform(0.2, 0.95)
    (targets, errors), clusters = drawn(rng, case, noise, 0.3)
    outputs = targets + (1 - truth) ** 0.5 * errors
    return held(r2_interval(outputs[:, None], targets[:, None], clusters), truth)


@cache
def mean_size(noise: Noise, share: float) -> float:
    """The mean absolute value of what `drawn` draws."""
    case = Case(1_000_000, groups=1_000_000 if share else 0)
    return float(np.abs(drawn(np.random.default_rng(0), case, noise, share)[0]).mean())


def of_absolute(rng: np.random.Generator, case: Case, noise: Noise) -> bool | None:
    (errors, _), clusters = drawn(rng, case, noise, 0.3)
    found = mean_interval(np.abs(errors), clusters=clusters)
    return held(found, mean_size(noise, 0.3 if case.groups else 0.0))


def of_squared(rng: np.random.Generator, case: Case, noise: Noise) -> bool | None:
    (errors, _), clusters = drawn(rng, case, noise, 0.3)
    return held(roots_interval(errors[:, None] ** 2, clusters), 1.0)


def of_steps(rng: np.random.Generator, case: Case, noise: Noise) -> bool:
    """Steps off of a head that reads a number with noise, and says its class."""
    ease = float(rng.choice((0.3, 1.0, 2.0)))
    found, truth, clusters = steps(rng, case, noise, ease)
    outputs = softmax(50.0 * (np.arange(case.classes) == found[:, None]))
    order = tuple(map(str, range(case.classes)))
    task = Ordinal(order=order)
    low, high = scores_of(task, outputs, truth, list(order), clusters)["intervals"]["steps_off"]
    return low <= steps_in_truth(case.classes, noise, ease, bool(case.groups)) <= high


def steps(
    rng: np.random.Generator, case: Case, noise: Noise, ease: float
) -> tuple[np.ndarray, np.ndarray, Clusters | None]:
    truth = rng.integers(0, case.classes, case.n)
    (errors, _), clusters = drawn(rng, case, noise, 0.3)
    said = np.rint(truth + ease * errors).clip(0, case.classes - 1)
    return said.astype(int), truth, clusters


@cache
def steps_in_truth(classes: int, noise: Noise, ease: float, is_grouped: bool) -> float:
    case = Case(1_000_000, classes, groups=1_000_000 if is_grouped else 0)
    said, truth, _ = steps(np.random.default_rng(0), case, noise, ease)
    return float(np.abs(said - truth).mean())


CASES = [Case(n, groups=groups) for n, some in SIZES.items() for groups in (0, some)]
ORDERED = [
    Case(n, classes, groups=groups)
    for classes in (3, 10)
    for n, some in SIZES.items()
    for groups in (0, some)
]
NOISES: dict[str, Noise] = {"normal": normal, "heavy": heavy}
SIMULATIONS = [
    Simulation(f"{name}; {words} errors", 0.95, partial(covered, noise=NOISES[words]), cases)
    for name, covered, words, cases in (
        ("R2: percentile and studentised bootstrap", of_r2, "normal", CASES),
        ("R2: percentile and studentised bootstrap", of_r2, "heavy", CASES),
        ("mean absolute error: percentile and studentised bootstrap", of_absolute, "heavy", CASES),
        ("root mean squared error: the same of its square", of_squared, "heavy", CASES),
        ("steps off: Bayesian bootstrap, one step more added", of_steps, "normal", ORDERED),
    )
]
