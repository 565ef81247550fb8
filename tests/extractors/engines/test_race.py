"""Which engine is faster, found out on a machine that is busy with other things."""

import numpy as np
import pytest

from headstart.extractors.engines.known import Known, fastest
from headstart.extractors.engines.openvino_engine import OpenVINOProvider
from headstart.extractors.engines.race import MARGIN, Clock, Lap, Pace, race

CORES, TRIES = 2, 20
LOSES = 4.0
FAST, SLOW = 5e-3, 16.5e-3
"""Seconds of the processor for a picture of MobileNetV2, by OpenVINO and by TensorFlow."""


class Machine:
    """A machine whose clocks go on with the work of two engines, and with a load that changes.

    Args:
        seed: of the load.
        load: threads of others that want to run, at most; each lap meets another number of them.
    """

    def __init__(self, seed: int, load: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._load = load
        self._wall = self._cpu = 0.0
        self.clock = Clock(lambda: self._wall, lambda: self._cpu)

    def engine(self, seconds: float, samples: int = 16, loses: float = 0.0):
        """A lap of an engine that takes so many seconds of the processor a sample.

        An engine whose threads have a core each `loses` more, for each thread of others, than one
        whose threads go where there is room: at a load of 7 OpenVINO was found 6.6 times as slow
        beside TensorFlow as on the same machine when it was quiet.
        """

        def lap() -> int:
            others = self._rng.uniform(0, self._load)
            share = min(1.0, CORES / (CORES + others))  # of the cores, for as many threads
            crowded = 1 + 0.3 * self._rng.uniform(0, min(1.0, others))  # caches, and siblings
            work = samples * seconds * crowded
            self._cpu += work
            self._wall += work / (CORES * share) * self._rng.lognormal(0, 0.3 if others else 0)
            self._wall += loses * others * work / CORES
            return samples

        return lap


class Preferred(OpenVINOProvider):
    preference = 10


class Deferred(OpenVINOProvider):
    preference = -1


def taken(provider, machine, own, reference, loses=0.0):
    """Whether an engine is taken that needs `own` seconds where the reference needs others."""
    lap = machine.engine(own, loses=loses)
    pace = race(lap, machine.engine(reference), machine.clock).pace
    facts = {"check": {"wall_ratio": pace.wall, "cpu_ratio": pace.cpu, "relative_error": 0.0}}
    return fastest([Known(provider, {"problem": None, **facts})]) is not None


@pytest.mark.parametrize("load", [0, 1, 8, 32])
@pytest.mark.parametrize("loses", [0.0, LOSES])
def test_under_any_load_the_same_engine_is_taken_as_when_quiet(load, loses):
    found = [taken(Preferred, Machine(seed, load), FAST, SLOW, loses) for seed in range(TRIES)]
    assert found == [True] * TRIES


@pytest.mark.parametrize("load", [0, 8, 32])
def test_noise_alone_overturns_no_preference(load):
    for provider, wanted in ((Preferred, True), (Deferred, False)):
        found = [taken(provider, Machine(seed, load), FAST, FAST) for seed in range(TRIES)]
        assert found == [wanted] * TRIES


@pytest.mark.parametrize("own", [0.25, 3.0])
def test_what_is_ahead_beyond_doubt_overturns_it(own):
    for seed in range(TRIES):
        assert taken(Preferred, Machine(seed, 0), own, 1.0) == (own < 1)
        assert taken(Deferred, Machine(seed, 0), own, 1.0) == (own < 1)


def test_the_clock_alone_would_have_been_wrong():
    """The rule that there was: the better of two laps each, by the clock, one after the other."""
    found = []
    for seed in range(TRIES):
        machine = Machine(seed, 8)
        laps = (machine.engine(FAST, loses=LOSES), machine.engine(SLOW))
        best = [min(Lap.of(lap, machine.clock).wall for _ in range(2)) for lap in laps]
        found.append(best[0] < best[1])
    assert sum(found) <= TRIES / 2


def test_laps_are_taken_in_turn_and_an_end_is_put_to_them():
    order = []
    machine = Machine(0, 0)
    one, other = machine.engine(1e-4), machine.engine(1e-4)
    race(lambda: order.append("a") or one(), lambda: order.append("b") or other(), machine.clock)
    assert order == ["a", "b"] * 3
    order.clear()
    one, other = machine.engine(1.0), machine.engine(1.0)
    race(lambda: order.append("a") or one(), lambda: order.append("b") or other(), machine.clock)
    assert order == ["a", "b"]


def test_one_is_ahead_only_by_both_clocks_and_by_more_than_noise():
    even = Pace(1.0, 1.0)
    assert Pace(2.0, 2.0).beats(even)
    assert not Pace(2.0, 1.0).beats(even) and not Pace(1.0, 2.0).beats(even)
    assert not Pace(MARGIN, MARGIN).beats(even)
    assert not Pace(9.0).beats(even) and not even.beats(Pace(0.1))
