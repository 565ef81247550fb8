"""What a sample takes, by what is recorded of an extraction."""

import pytest

from headstart.registry.rates import cost_of, seconds_per_sample


def test_the_start_of_a_run_is_no_cost_of_its_samples():
    steady = {"samples": 84, "seconds": 0.42}
    counts = {"computed": 100, "start_seconds": 9.5, "steady": steady}
    assert seconds_per_sample(counts, 10.0) == pytest.approx(0.005)


@pytest.mark.parametrize(
    "steady", [{"samples": 15, "seconds": 1.0}, {"samples": 0, "seconds": 0.0}]
)
def test_a_run_that_was_too_short_behind_its_start_says_nothing(steady):
    assert seconds_per_sample({"computed": 100, "steady": steady}, 10.0) is None


def test_runs_together_tell_their_start_apart_where_they_were_long_enough():
    long = {"computed": 100, "start_seconds": 4.0, "steady": {"samples": 90, "seconds": 0.9}}
    short = {"computed": 10, "start_seconds": 2.0, "steady": {"samples": 10, "seconds": 0.1}}
    found = cost_of([(long, 10.0), (short, 3.0), ({}, 1.0)])
    assert found is not None and not found.has_start
    assert (found.start, found.of(200)) == (3.0, pytest.approx(5.0))
    found = cost_of([(short, 3.0)])
    assert found is not None and found.has_start
    assert (found.start, found.each) == (0.0, pytest.approx(0.3))
    assert cost_of([({}, 1.0)]) is None


def test_runs_of_before_starts_were_told_apart_do_not_count_beside_others():
    before, since = {"computed": 100}, {"computed": 100, "start_seconds": 40.0}
    since["steady"] = {"samples": 90, "seconds": 9.0}
    found = cost_of([(before, 50.0), (since, 49.0)])
    assert found is not None
    assert (found.start, found.each, found.has_start) == (40.0, pytest.approx(0.1), False)
    found = cost_of([(before, 50.0)])
    assert found is not None and (found.each, found.has_start) == (0.5, True)


def test_of_a_run_that_does_not_tell_its_start_all_of_it_is_taken():
    assert seconds_per_sample({"computed": 100}, 10.0) == pytest.approx(0.1)
    assert seconds_per_sample({"computed": 15}, 10.0) is None
    assert seconds_per_sample({}, 10.0) is None
