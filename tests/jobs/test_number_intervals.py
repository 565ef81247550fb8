"""Intervals of heads of numbers hold the right one as often as was asked."""

import csv
import json

import numpy as np
import pytest
from pyarrow import parquet

import headstart as hs
from headstart.errors import HeadError
from headstart.heads.calibration.conformal import score_at
from headstart.heads.evaluation.clusters import groups_of

CUT = "flat@as_it_is"
COUNT = 900


@pytest.mark.parametrize("level", [0.7, 0.9])
def test_coverage_is_what_was_asked_on_ten_seeds(level):
    """Each within 99.9 % of the beta-binomial of so many samples."""
    from scipy.stats import betabinom

    for seed in range(10):
        rng = np.random.default_rng(seed)
        half = score_at(np.abs(rng.standard_t(3, size=200)), level)
        held = (np.abs(rng.standard_t(3, size=1000)) <= half).sum()
        rank = int(np.ceil(201 * level))
        low, high = betabinom(1000, rank, 201 - rank).interval(0.999)
        assert low <= held <= high


def test_the_half_width_is_the_error_of_the_rank_that_was_asked():
    assert score_at(np.arange(1.0, 10.0)[::-1], 0.9) == 9  # of ten, the new one among them
    assert score_at(np.arange(1.0, 20.0), 0.9) == 18
    assert np.isinf(score_at(np.arange(8.0), 0.9))  # too few to tell


def test_samples_of_one_group_count_as_one():
    errors = np.arange(1.0, 10.0)[::-1]
    each = np.arange(9)
    assert score_at(errors, 0.9, each) == score_at(errors, 0.9) == 9
    assert score_at(np.repeat(errors, 3), 0.8, np.repeat(np.arange(9), 3)) == 8
    assert np.isinf(score_at(np.arange(80.0), 0.9, np.arange(80) // 10))


def test_intervals_hold_the_right_number_of_new_groups():
    """Ten samples a group, whose errors are nearly one: of 400 draws, within 99.9 %."""
    from scipy.stats import binom

    rng, held = np.random.default_rng(0), 0
    numbers = np.repeat(np.arange(20), 10)
    for _ in range(400):
        errors = np.abs(rng.normal(size=21)[np.append(numbers, 20)] + 0.1 * rng.normal(size=201))
        held += errors[-1] <= score_at(errors[:-1], 0.9, numbers)
    assert held >= binom(400, 0.9).ppf(0.0005)


def test_a_head_of_patients_has_intervals_for_new_patients(rows):
    rng = np.random.default_rng(2)
    x, patient = rng.normal(size=(300, 6)).astype(np.float32), np.arange(300) % 100
    y = x[:, 0] + rng.normal(size=100)[patient]
    rows.datasets.add("p", x, y, split="60/20/20", group_pattern=r"(\d?\d)$")
    features = rows.extract(CUT, "p", settings=hs.Settings(engine="tensorflow"))
    head = rows.heads.train("p", features, hs.Ridge((1.0,)), task="regression")
    judging = head.features().split("validation")
    errors = np.abs(
        head.stack.predict_proba(judging.to_numpy())[:, 0] - np.array(judging.labels, float)
    )
    groups = groups_of(judging.samples)
    (found,) = head.conformal(0.8).numbers
    assert len(np.unique(groups)) < len(errors)
    assert found.half_width == pytest.approx(score_at(errors, 0.8, groups), rel=1e-5)
    assert found.half_width != pytest.approx(score_at(errors, 0.8), rel=1e-5)


@pytest.fixture
def numbers(rows):
    """Heads of one number, `one`, and of two, `two`."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(COUNT, 6)).astype(np.float32)
    y = x[:, :2] * [3, 1] + rng.normal(size=(COUNT, 2)) * [1, 5]
    for name, labels in (("one", y[:, 0]), ("two", y)):
        rows.datasets.add(name, x, labels, split="60/20/20")
        rows.extract(CUT, name, settings=hs.Settings(engine="tensorflow"))
        rows.heads.train(name, rows.features(CUT, name), task="regression")
    return rows


def test_the_errors_on_the_validation_split_tell_how_wide_intervals_are(numbers):
    head = numbers.heads.get("two")
    found = head.conformal(0.8)
    view = head.features()
    errors, missed = (
        np.abs(
            head.stack.predict_proba(view.split(split).to_numpy())
            - [[float(one) for one in str(label).split("|")] for label in view.split(split).labels]
        )
        for split in ("validation", "test")
    )
    widths = [one.half_width for one in found.numbers]
    np.testing.assert_allclose(widths, [score_at(each, 0.8) for each in errors.T], rtol=1e-5)
    coverages = [one.coverage for one in found.numbers]
    np.testing.assert_allclose(coverages, (missed <= widths).mean(axis=0))
    for one in found.numbers:
        low, high = one.interval
        assert low <= one.coverage <= high and abs(one.coverage - 0.8) < 0.1
    assert (found.calibrated_on, found.tested_on) == (len(errors), len(missed))
    assert "number 2: ± " in found.to_text()


@pytest.mark.parametrize("name", ["one", "two"])
def test_predictions_have_their_intervals_in_every_form(numbers, run, tmp_path, name):
    head = numbers.heads.get(name)
    widths = [one.half_width for one in head.conformal(0.9).numbers]
    found = head.predict(name, unsure="set")
    for one in found[:20]:
        ends = np.array(one.intervals)
        np.testing.assert_allclose(ends.mean(axis=1), one.values, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(ends[:, 1] - ends[:, 0], 2 * np.array(widths))
    table, first = found.to_arrow(), found[0]
    low = table["low" if name == "one" else "low_1"][0].as_py()
    assert low == first.intervals[0][0]
    for suffix in ("csv", "jsonl", "parquet"):
        run("head", "predict", name, name, "--unsure", "set", "--output", tmp_path / f"p.{suffix}")
    with (tmp_path / "p.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["low" if name == "one" else "low_1"]) == pytest.approx(low)
    told = json.loads((tmp_path / "p.jsonl").read_text().splitlines()[0])
    key = "interval" if name == "one" else "intervals"
    expected = first.intervals[0] if name == "one" else first.intervals
    np.testing.assert_allclose(told[key], expected)
    np.testing.assert_allclose(parquet.read_table(tmp_path / "p.parquet")[key][0].as_py(), expected)
    ran = run("head", "predict", name, name, "--unsure", "set")
    assert "interval" in ran.out and "holds the right one of" in ran.err


def test_what_cannot_be_told_of_numbers_is_said(numbers, rows):
    head = numbers.heads.get("one")
    with pytest.raises(HeadError, match="gives numbers, of which none is rejected"):
        head.predict("one", unsure="reject")
    wide = head.conformal(0.999)
    assert wide.numbers[0].half_width is None and wide.numbers[0].coverage == 1
    assert head.predict("one", unsure="set", level=0.999)[0].intervals == ((None, None),)
    assert "any number holds the right one of" in wide.to_text()
