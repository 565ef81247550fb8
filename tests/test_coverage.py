"""Intervals hold the truth and stars are deserved as often as they say; few repeats, fixed seeds.

Many repeats: `python benchmarks/coverage.py`; the table is in docs/statistics.md.
"""

import importlib
from pathlib import Path

import pytest

REPEATS = 100


@pytest.fixture
def simulations(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    return importlib.import_module("simulations")


def test_the_harness_tells_what_holds_from_what_does_not(simulations):
    def covered(rng, case):
        return rng.random() < (0.95 if case.n == 1 else 0.8)

    made = simulations.Simulation(
        "a claim", 0.95, covered, [simulations.Case(1), simulations.Case(2)]
    )
    true, wrong = simulations.simulate([made], 1000)
    assert true.holds and not wrong.holds
    assert wrong.share == pytest.approx(0.8, abs=0.04)


def test_the_cases_are_those_that_were_asked_for(simulations):
    found = simulations.every_simulation()
    assert len({one.name for one in found}) == len(found)
    assert {50, 350, 2000} <= {case.n for one in found for case in one.cases}


@pytest.mark.slow
def test_every_claim_holds_as_often_as_it_says(simulations):
    wrong = [
        (one.of.name, one.case, one.share)
        for one in simulations.simulate(simulations.every_simulation(), REPEATS)
        if not one.holds
    ]
    assert wrong == []
