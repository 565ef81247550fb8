"""What a sample takes is told apart from what it takes until the first is computed."""

import time

import pytest

import headstart as hs
from headstart.extractors.engines.selection import Chooser
from headstart.jobs.auto.entrants import registered
from headstart.notices import HeadstartWarning
from headstart.registry import listing
from headstart.registry.rates import LEAST_COMPUTED

START = 0.4
BATCH = 4


def test_the_search_for_an_engine_is_no_cost_of_a_sample(ready, monkeypatch):
    choose = Chooser.choose

    def slow(*args):
        time.sleep(START)
        return choose(*args)

    monkeypatch.setattr(Chooser, "choose", slow)
    report = ready.extract("net", "pics", settings=hs.Settings(batch_size=BATCH)).report
    assert report.steady_samples == report.computed - BATCH >= LEAST_COMPUTED
    assert report.start_seconds >= START
    assert report.start_seconds + report.steady_seconds <= report.seconds + 0.001
    each = report.steady_seconds / report.steady_samples
    (rank,) = ready.rank("pics", trying=hs.CrossValidation(folds=2))
    assert rank.seconds == each
    (entrant,) = registered(ready.context, None)
    assert (entrant.seconds, entrant.start) == (each, report.start_seconds)
    (speed,) = listing.speeds(ready.config).values()
    assert speed == 1 / each


def test_a_run_of_one_task_tells_the_most_that_a_sample_takes_and_no_rate(ready):
    report = ready.extract("net", "pics", settings=hs.Settings(batch_size=1000)).report
    assert report.steady_samples == 0 and 0 < report.start_seconds <= report.seconds + 0.001
    with pytest.warns(HeadstartWarning, match=r"the time per sample of net@\S+ includes the start"):
        (rank,) = ready.rank("pics", trying=hs.CrossValidation(folds=2))
    assert rank.seconds == pytest.approx(report.seconds / report.computed, abs=0.001)
    assert registered(ready.context, None)[0].seconds is None
    assert listing.speeds(ready.config) == {}
