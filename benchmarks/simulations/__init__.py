"""What numbers say of how sure they are, tried on data whose truth is known.

A module of this folder has `SIMULATIONS`, a list; `benchmarks/coverage.py` runs them all.
"""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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


Covered = Callable[[np.random.Generator, Case], bool]


@dataclass(frozen=True)
class Simulation:
    """A claim that is true so often.

    Attributes:
        name: of the claim, as the table has it.
        nominal: how often it is said to hold.
        covered: whether it held once, on data drawn for a case.
        cases: on which data.
        may_exceed: whether it may hold more often than it says: it is conservative.
    """

    name: str
    nominal: float
    covered: Covered
    cases: Sequence[Case]
    may_exceed: bool = True


@dataclass(frozen=True)
class Simulated:
    """How often a claim held.

    Attributes:
        of: the claim.
        case: on which data.
        share: of the repeats in which it held.
        repeats: how many.
    """

    of: Simulation
    case: Case
    share: float
    repeats: int

    @property
    def noise(self) -> float:
        """Twice the standard error of the share, were the claim just true."""
        return 2 * (self.of.nominal * (1 - self.of.nominal) / self.repeats) ** 0.5

    @property
    def holds(self) -> bool:
        """Whether the share is within two points of what is said, or above it where it may be."""
        off = self.share - self.of.nominal
        most = 0.02 + self.noise
        return off >= -most and (self.of.may_exceed or off <= most)


def every_simulation() -> list[Simulation]:
    """Those of all modules here."""
    modules = sorted(found.name for found in pkgutil.iter_modules(__path__))
    made = [importlib.import_module(f"{__name__}.{name}") for name in modules]
    return [one for module in made for one in module.SIMULATIONS]


def simulate(simulations: Sequence[Simulation], repeats: int, seed: int = 0) -> Iterator[Simulated]:
    """Each claim on each of its data, so many times; every case has draws of its own."""
    for one in simulations:
        for number, case in enumerate(one.cases):
            rng = np.random.default_rng([seed, zlib.crc32(one.name.encode()), number])
            held = [one.covered(rng, case) for _ in range(repeats)]
            yield Simulated(one, case, float(np.mean(held)), repeats)
