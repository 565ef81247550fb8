"""The real ledger under many workers for hours, with a simulated clock: benchmarks/simulate.py."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def simulated(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("simulate")


FAULTS = {"mtbf": 60.0, "restart": 5.0, "freezes": 60.0, "frozen": 90.0, "poison": 1}


@pytest.mark.parametrize(
    ("samples", "workers", "seed"),
    [(1000, 4, 0), *(pytest.param(5000, 16, n, marks=pytest.mark.slow) for n in range(4))],
)
def test_while_workers_die_and_freeze_each_sample_is_committed_once(
    simulated, samples, workers, seed
):
    farm = simulated.Farm(samples=samples, workers=workers, on_one=2, seed=seed, **FAULTS)
    done = simulated.simulate(farm)
    assert (done.twice, done.missing) == (0, 0)
    assert done.given_up >= 1  # the poison
    assert done.deaths >= 3
    assert samples - done.given_up <= done.claimed


@pytest.mark.parametrize(
    ("samples", "workers", "rate"),
    [(3000, 4, 50.0), pytest.param(60_000, 32, 100.0, marks=pytest.mark.slow)],
)
def test_the_model_says_what_a_job_takes(simulated, samples, workers, rate):
    farm = simulated.Farm(samples=samples, workers=workers, rate=rate)
    done, model = simulated.simulate(farm), simulated.expected(farm)
    assert (done.twice, done.missing, done.given_up, done.lost) == (0, 0, 0, 0)
    for name in ("seconds", "claims", "commits", "claimed"):
        assert getattr(done, name) == pytest.approx(model[name], rel=0.35), name
