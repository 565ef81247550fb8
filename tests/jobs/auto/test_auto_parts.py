"""The parts of an automatic search: its time, its samples, its costs, its decision."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import headstart as hs
from headstart.heads.trials.subsample import in_nested_order, sizes_of
from headstart.jobs.auto.attempts import Attempts
from headstart.jobs.auto.budget import FIT, MODEL, Budget, OutOfTime
from headstart.jobs.auto.costs import Cost, Stopwatch
from headstart.jobs.auto.entrants import Entrant, in_order, of_the_zoo, what_it_is
from headstart.jobs.auto.pace import Clock, Pace


def test_what_is_kept_back_for_the_end_is_not_spent_on_trials():
    now = [100.0]
    budget = Budget(60, clock=lambda: now[0])
    budget.keep_back(FIT, 8)
    budget.keep_back(FIT, 5)
    budget.keep_back(MODEL, 2)
    assert budget.left == 50 and budget.left_for(FIT) == 58
    check = budget.until(20)
    now[0] += 19
    check()
    now[0] += 2
    with pytest.raises(OutOfTime):
        check()
    assert budget.spent == 21 and budget.left == 29
    check = budget.until(1000)
    now[0] += 30
    with pytest.raises(OutOfTime):
        check()


def test_parts_grow_by_three_and_end_with_all():
    assert sizes_of(600) == [200, 600] and sizes_of(299) == [299]
    assert sizes_of(10_000) == [123, 370, 1111, 3333, 10_000]


@pytest.mark.parametrize("grouped", [False, True])
def test_a_larger_part_holds_the_smaller_ones_and_each_fold_has_every_class(grouped):
    rng = np.random.default_rng(0)
    targets = rng.choice(4, 2000, p=[0.6, 0.3, 0.09, 0.01])
    groups = [f"g{n}" for n in rng.integers(0, 900, 2000)] if grouped else None
    order = in_nested_order(targets, groups, 6, seed=1)
    assert sorted(order) == list(range(2000))
    first = order[:300]
    counts = np.bincount(targets[first], minlength=4)
    assert counts.min() >= 6
    np.testing.assert_allclose(counts[:3] / 300, [0.6, 0.3, 0.09], atol=0.08)
    if grouped:
        named = np.array(groups)[order]
        starts = np.flatnonzero(np.r_[True, named[1:] != named[:-1]])
        assert len(starts) == len(set(groups))  # rows of a group follow each other
    assert (in_nested_order(targets, groups, 6, seed=1) == order).all()


def test_a_forecast_is_the_start_and_the_samples_by_the_measured_rate():
    cost, watch = Cost("net"), Stopwatch(began=0.0)
    watch.marks = [(2.0, 64), (12.0, 564)]
    watch.charge(cost, 564)
    assert cost.rate == 50 and cost.starting == 2 and cost.computed == 564
    assert cost.forecast(1000) == 22 and cost.forecast(0) == 0


def test_of_features_that_are_open_no_time_is_forecast_before_they_were_tried():
    pool = SimpleNamespace(trying=hs.CrossValidation(2), task=hs.Classification())
    attempts = Attempts(pool, Budget(60), lambda _now: None)
    attempts._paces["ridge"] = Pace(100, 0.5)

    def features(*sizes):
        return Features([SimpleNamespace(cut=SimpleNamespace(shape=sizes))])

    assert attempts.forecast("ridge", features(8), 50) == pytest.approx(2)
    assert attempts.forecast("ridge", features(None), 50) is None
    assert attempts.forecast("svm", features(8), 50) is None


def test_how_a_kind_grows_is_told_by_parts_of_two_sizes():
    first = Pace(100, 1.0)
    assert first.seconds_of(50) == 0.5 and first.seconds_of(1600) == pytest.approx(16**1.2)
    slowly = first.then(400, 2.0)  # calibrated on more folds where rows are few
    assert slowly.seconds_of(1600) == pytest.approx(4.0)
    assert slowly.then(400, 3.0).seconds_of(1600) == pytest.approx(6.0)  # other features
    held_up = first.then(400, 40.0)  # by others on the machine: not by the rows
    assert held_up.seconds_of(1600) == pytest.approx(40 * 4**1.2)
    assert first.then(400, 0.1).seconds_of(1600) == pytest.approx(0.1 * 4**0.5)


def test_a_fit_that_was_held_up_by_others_is_not_taken_to_be_a_slow_one():
    clock = Clock()
    assert clock.usual(3.0, 1.0) == 3.0
    assert clock.usual(1.0, 1.0) == 1.0  # as fast as it was
    assert clock.usual(20.0, 2.0) == pytest.approx(2.0 * 24 / 4)
    assert clock.usual(5.0, None) == 5.0  # of other processes


class Features(list):
    name = "net@words|masked"


def test_the_cheapest_backbone_comes_first_measured_or_not():
    known = Entrant("known", work=100, seconds=0.02)
    small, large = Entrant("small", work=10), Entrant("large", work=1000)
    slow = Entrant("slow", work=50, seconds=0.9)
    names = [one.name for one in in_order([large, slow, known, small])]
    assert names.index("small") < names.index("large") and names.index("known") < names.index(
        "slow"
    )
    assert [one.name for one in in_order([large, small])] == ["small", "large"]


def test_what_has_to_be_fetched_is_tried_only_where_that_is_allowed(ws):
    here = of_the_zoo(ws.context, "pictures", downloads=False)
    fetched = of_the_zoo(ws.context, "pictures", downloads=True)
    assert "efficientnet-lite0" in [one.name for one in here]
    assert "vgg16" not in [one.name for one in here] and "vgg16" in [one.name for one in fetched]
    assert [one.name for one in here] == sorted(one.name for one in here)  # the smallest first
    assert of_the_zoo(ws.context, "texts", downloads=True) == []


def test_a_sample_tells_what_it_is():
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    assert what_it_is(file.getvalue()) == "pictures" and what_it_is("words") == "texts"
    assert what_it_is("wörter".encode()) == "texts" and what_it_is(b"\xff\xfe\x00\xd8") is None
    assert what_it_is(np.zeros(7)) == "numbers" and what_it_is(np.zeros((8, 8))) == "pictures"
