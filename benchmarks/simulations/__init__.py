"""What numbers say of how sure they are, tried on data whose truth is known.

A module of this folder has `SIMULATIONS`, a list; `benchmarks/coverage.py` runs them all.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Case:
    """The data of a simulation.

    Attributes:
        n: samples.
        classes: how many.
        candidates: heads that are compared, or among which the best is chosen.
        groups: how many the samples stand in; 0 where each is on its own.
    """

    n: int = 350
    classes: int = 2
    candidates: int = 1
    groups: int = 0


Covered = Callable[[np.random.Generator, Case], bool | None]
"""Whether a claim held once; None where nothing was claimed, as there is no interval."""


FEWEST = 100
"""Repeats of a case, however long they take."""
AGAIN = 10
"""How many times as many repeats a case has whose share may lie below the claim by chance."""
MANY = 100
"""Candidates, of which one time takes twice as long."""
CLAIMED = 0.02
"""So far below what is said a share may lie; docs/coverage.md lists what lies lower."""


@dataclass(frozen=True)
class Known:
    """Data on which a claim is known to hold less often than it says.

    Attributes:
        share: how often at least, as docs/coverage.md says.
        reason: why.
    """

    share: float
    reason: str


@dataclass(frozen=True)
class Simulation:
    """A claim that is true so often.

    Attributes:
        name: of the claim, as the table has it.
        nominal: how often it is said to hold.
        covered: whether it held once, on data drawn for a case.
        cases: on which data.
        may_exceed: whether it may hold more often than it says: it is conservative.
        known: on which of them it is known to fail, and how far.
        cost: what one time takes, where it is much, in those of others.
    """

    name: str
    nominal: float
    covered: Covered
    cases: Sequence[Case]
    may_exceed: bool = True
    known: Mapping[Case, Known] = field(default_factory=dict)
    cost: int = 1

    def repeats(self, case: Case, asked: int) -> int:
        """Fewer than are asked for of what takes long, `FEWEST` at least."""
        cost = self.cost * (2 if case.candidates >= MANY else 1)
        return max(asked // cost, min(asked, FEWEST))


@dataclass(frozen=True)
class Simulated:
    """How often a claim held.

    Attributes:
        of: the claim.
        case: on which data.
        share: of the repeats with a claim in which it held; NaN of none.
        repeats: how many of those.
        without: how many more there were in which nothing was claimed.
    """

    of: Simulation
    case: Case
    share: float
    repeats: int
    without: int = 0

    @property
    def known(self) -> Known | None:
        """What is known of the case, where the claim fails on it."""
        return self.of.known.get(self.case)

    @property
    def least(self) -> float:
        """How often the claim is to hold: two points less than it says, or what is known."""
        return self.of.nominal - CLAIMED if self.known is None else self.known.share

    @property
    def holds(self) -> bool:
        """Whether the share itself is within the claim, whatever chance there was in it."""
        is_more = self.share > self.of.nominal + CLAIMED and not self.of.may_exceed
        return self.share >= self.least and not is_more

    @property
    def is_refuted(self) -> bool:
        """Whether the share is further off than the claim by two standard errors, so that chance
        does not explain it: of few repeats that is all which can be tested."""
        at_least = self.least - self._noise(self.least)
        most = self.of.nominal + CLAIMED
        is_more = self.share > most + self._noise(most) and not self.of.may_exceed
        return self.share < at_least or is_more

    @property
    def is_open(self) -> bool:
        """Whether it lies further off than claimed by so little that chance may be all of it."""
        return not self.holds and not self.is_refuted

    @property
    def error(self) -> float:
        """The standard error of a share that is as large as it is said to be."""
        return (self.of.nominal * (1 - self.of.nominal) / max(self.repeats, 1)) ** 0.5

    def _noise(self, share: float) -> float:
        return 2 * (share * (1 - share) / max(self.repeats, 1)) ** 0.5


def dealt(rng: np.random.Generator, y: np.ndarray, parts: int) -> np.ndarray:
    """The fold of each sample, (n,), each class with its share in each, as folds are made."""
    mixed, found = rng.permutation(len(y)), np.empty(len(y), np.int64)
    found[mixed[np.argsort(y[mixed], kind="stable")]] = np.arange(len(y)) % parts
    return found


def modules() -> list[str]:
    """What is simulated, by the names of the files here."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__))


def simulations_of(module: str) -> list[Simulation]:
    return importlib.import_module(f"{__name__}.{module}").SIMULATIONS


def every_simulation() -> list[Simulation]:
    """Those of all modules here."""
    return [one for module in modules() for one in simulations_of(module)]


def cells_of(simulations: Sequence[Simulation]) -> Iterator[tuple[Simulation, int]]:
    """Each claim with the number of each of its cases: what a table has a cell for."""
    for one in simulations:
        for number in range(len(one.cases)):
            yield one, number


def simulate(
    simulations: Sequence[Simulation], repeats: int, seed: int = 0, seconds: float = math.inf
) -> Iterator[Simulated]:
    """Each claim on each of its data, so many times; see `simulate_one`."""
    for one, number in cells_of(simulations):
        yield simulate_one(one, number, repeats, seed, seconds)


def simulate_one(
    one: Simulation, number: int, repeats: int, seed: int = 0, seconds: float = math.inf
) -> Simulated:
    """A claim on one of its data, so many times; every case has draws of its own.

    Args:
        one: the claim.
        number: of the case.
        repeats: how many, those without a claim counted.
        seed: of the draws; those of fewer repeats are the first of more.
        seconds: of a processor, after which it ends with fewer repeats, `FEWEST` at least.
    """
    case = one.cases[number]
    rng = np.random.default_rng([seed, zlib.crc32(one.name.encode()), number])
    found, end = [one.covered(rng, case)], time.process_time() + seconds
    while len(found) < repeats and (len(found) < FEWEST or time.process_time() < end):
        found.append(one.covered(rng, case))
    held = [claim for claim in found if claim is not None]
    share = float(np.mean(held)) if held else math.nan
    return Simulated(one, case, share, len(held), len(found) - len(held))


def settle(
    one: Simulation,
    number: int,
    repeats: int,
    seed: int = 0,
    seconds: float = math.inf,
    known: Simulated | None = None,
) -> Simulated:
    """As `simulate_one`, with `AGAIN` times the repeats where chance might explain what came of
    fewer, which are the first of them; `known` is what came of it before, if anything."""
    found = known or simulate_one(one, number, repeats, seed, seconds)
    if found.is_open and found.repeats + found.without < AGAIN * repeats:
        found = simulate_one(one, number, AGAIN * repeats, seed, seconds)
    return found
