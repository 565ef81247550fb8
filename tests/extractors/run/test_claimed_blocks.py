"""How many samples are claimed at a time."""

from types import SimpleNamespace

import numpy as np
import pytest

from headstart.extractors.run import writer
from headstart.extractors.run.finished import TIMES, Finished
from headstart.extractors.run.writer import FIRST_BLOCK, claimed_samples
from headstart.registry.leases import Claimed


class Claims:
    """A lease that nobody else has claims beside."""

    def __init__(self):
        self.sizes = []

    def claim(self, keys, wanted, limit):
        took = [wanted.popleft() for _ in range(min(limit, len(wanted)))]
        self.sizes.append(len(took))
        return Claimed("token", tuple(keys), tuple(took))


class Clock:
    """Time that goes on where something works."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def claimed(monkeypatch):
    """Sizes of the claims, where a worker takes some samples at once and then works on them."""

    def run(count, at_once, each):
        clock, lease, done = Clock(), Claims(), Finished()
        monkeypatch.setattr(writer, "time", clock)
        samples = [SimpleNamespace(digest=f"{n:064x}") for n in range(count)]
        taken = 0
        coming = claimed_samples(
            lease, ["key"], samples, lambda some: np.zeros(len(some), bool), done
        )
        for taken, _ in enumerate(coming, 1):
            if taken % at_once == 0:
                clock.now += at_once * each
                done.saw(at_once, at_once * each)
        assert taken == count
        return lease.sizes

    return run


def test_what_takes_a_moment_by_what_is_finished_is_claimed_at_once(claimed):
    sizes = claimed(3000, 32, 1e-5)
    assert sizes[0] == FIRST_BLOCK and len(sizes) <= 4


def test_of_what_takes_longer_others_that_begin_later_get_some(claimed):
    first, second, *_ = claimed(300, 1, 0.02)
    assert first == second == FIRST_BLOCK


@pytest.mark.parametrize("at_once", [32, 256, 2048])
def test_who_takes_many_at_once_and_works_long_claims_no_more_than_an_eighth(claimed, at_once):
    left = 5000
    for size in claimed(5000, at_once, 0.02):
        assert size <= max(left / 8, FIRST_BLOCK)
        left -= size


def test_few_samples_tell_of_few_others():
    done = Finished()
    assert done.in_a_moment() == 0
    done.saw(0, 0.001)  # read, and not computed yet
    assert done.in_a_moment() == 0
    done.saw(4, 0.0)
    assert done.in_a_moment() == 4 * TIMES
    done.saw(96, 0.999)
    assert done.in_a_moment() == 50
