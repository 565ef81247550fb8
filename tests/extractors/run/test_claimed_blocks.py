"""How many samples are claimed at a time."""

from types import SimpleNamespace

import numpy as np
import pytest

from headstart.extractors.run import writer
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


@pytest.fixture
def now(monkeypatch):
    """A clock that goes on as it is told."""
    clock = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(writer, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    return clock


def claimed(count, now, seconds):
    lease = Claims()
    samples = [SimpleNamespace(digest=f"{n:064x}") for n in range(count)]
    for _ in claimed_samples(lease, ["key"], samples, lambda some: np.zeros(len(some), bool)):
        now.seconds += seconds
    return lease.sizes


def test_what_takes_a_moment_is_claimed_at_once_behind_the_first_block(now):
    assert claimed(3000, now, 1e-5) == [FIRST_BLOCK, 3000 - FIRST_BLOCK, 0]


def test_of_what_takes_longer_others_that_begin_later_get_some(now):
    first, second, *_ = claimed(300, now, 0.002)
    assert first == second == FIRST_BLOCK
