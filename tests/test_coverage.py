"""Intervals hold the truth and stars are deserved as often as they say; few repeats, fixed seeds.

Many repeats: `python benchmarks/coverage.py`; the table is in docs/coverage.md.
"""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

REPEATS = 100


@pytest.fixture
def simulations(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    return importlib.import_module("simulations")


def test_the_harness_tells_what_holds_from_what_does_not(simulations):
    def covered(rng, case):
        return rng.random() < (0.95 if case.n == 1 else 0.8)

    cases = [simulations.Case(1), simulations.Case(2)]
    made = simulations.Simulation("a claim", 0.95, covered, cases)
    true, wrong = simulations.simulate([made], 1000)
    assert true.holds and not true.is_refuted
    assert wrong.is_refuted and not wrong.holds
    assert wrong.share == pytest.approx(0.8, abs=0.04)
    known = {cases[1]: simulations.Known(0.78, "it is made so")}
    listed = replace(made, known=known)
    assert [one.is_refuted for one in simulations.simulate([listed], 1000)] == [False, False]


def test_what_chance_may_explain_is_tried_ten_times_as_often(simulations):
    asked = []

    def covered(rng, case):
        asked.append(case.n)
        return rng.random() < (0.95 if case.n == 1 else 0.925)

    made = simulations.Simulation(
        "a claim", 0.95, covered, [simulations.Case(1), simulations.Case(2)]
    )
    assert simulations.settle(made, 0, 200).repeats == 200
    found = simulations.settle(made, 1, 200)
    assert found.repeats == 2000 and len(asked) == 200 + 200 + 2000
    assert simulations.settle(made, 1, 200, known=found) is found


def test_where_there_is_no_interval_none_held_the_truth(simulations):
    """It counted as held: .98 of what held in .95 of the intervals that there were."""

    def covered(rng, case):
        return None if rng.random() < 0.5 else rng.random() < 0.95

    made = simulations.Simulation("a claim", 0.95, covered, [simulations.Case()])
    (found,) = simulations.simulate([made], 2000)
    assert found.repeats + found.without == 2000 and 900 < found.without < 1100
    assert found.share == pytest.approx(0.95, abs=0.015)
    (none,) = simulations.simulate([replace(made, covered=lambda *_: None)], 5)
    assert (none.repeats, none.without, none.holds) == (0, 5, False)


def test_areas_in_no_order_have_no_share_of_intervals_that_hold(simulations, monkeypatch):
    """Two heads that put all in one order have no interval of the difference."""
    one = importlib.import_module("simulations.probabilities")
    monkeypatch.setattr(one, "difference_of", lambda *_: 0.0)  # the truth takes seconds
    case, rng = simulations.Case(50, 2, 2), np.random.default_rng(0)
    found = [one.of_two_heads(rng, case, one.calibrated, "auroc") for _ in range(60)]
    assert found.count(None) > 3


def test_what_chance_may_explain_is_no_part_of_the_claim(simulations):
    made = simulations.Simulation("a claim", 0.95, None, [])
    for share, repeats, holds, is_refuted in (
        (0.93, 100, True, False),
        (0.89, 100, False, False),
        (0.87, 100, False, True),
        (0.91, 2000, False, True),
        (0.99, 2000, True, False),
    ):
        found = simulations.Simulated(made, simulations.Case(), share, repeats)
        assert (found.holds, found.is_refuted) == (holds, is_refuted), share
    exact = replace(made, may_exceed=False)
    assert simulations.Simulated(exact, simulations.Case(), 0.99, 2000).is_refuted


def test_what_is_known_to_fail_is_tried_and_written_down(simulations):
    known = [
        (one, case, fails)
        for one in simulations.every_simulation()
        for case, fails in one.known.items()
    ]
    page = (Path(__file__).parents[1] / "docs/coverage.md").read_text(encoding="utf-8")
    for one, case, fails in known:
        assert case in one.cases and fails.share < one.nominal - simulations.CLAIMED
    told = page[page.index("## Where intervals are too narrow") :]
    assert known or told.split("\n\n")[1].startswith("None that was simulated")
    for one, case, fails in known:
        assert f"| {one.name} | {case.classes} | {case.n:,} | 0." in told
        assert f" | {fails.share:.2f} | {fails.reason} |" in told


def test_the_cases_are_those_that_were_asked_for(simulations):
    found = simulations.every_simulation()
    assert len({one.name for one in found}) == len(found)
    assert {50, 350, 2000} <= {case.n for one in found for case in one.cases}


MODULES = sorted(
    one.stem
    for one in (Path(__file__).parents[1] / "benchmarks/simulations").glob("*.py")
    if one.stem != "__init__"
)


@pytest.mark.slow  # of so few repeats only what chance does not explain counts: see `is_refuted`
@pytest.mark.parametrize("module", MODULES)
def test_every_claim_holds_as_often_as_it_says(simulations, module):
    wrong = [
        (one.of.name, one.case, one.share)
        for one in simulations.simulate(simulations.simulations_of(module), REPEATS)
        if one.is_refuted
    ]
    assert wrong == []
