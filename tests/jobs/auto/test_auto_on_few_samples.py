"""What `auto` does where there is no time for the features of all samples."""

import time

import numpy as np
import pytest

import headstart as hs
from headstart.errors import FeaturesMissing, HeadError
from headstart.extractors.run.worker import Worker
from headstart.heads.trials.subsample import nested
from headstart.jobs.auto.largest_part import compute_what_fits
from headstart.part_of_head import PART
from headstart.storage.manifest import SPLITS

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
EACH = 0.0025
"""Seconds that the backbone takes for a sample."""
GIVEN = 3.0


@pytest.fixture
def slow(rows, tmp_path, monkeypatch):
    """4,500 rows, class by class, and a backbone that takes 11 s for them."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 1500)
    x = rng.normal(size=(4500, 6)).astype(np.float32)
    x[:, 0] += 8 * (y == "b")
    x[:, 1] += 8 * (y == "c")
    np.savez(tmp_path / "long.npz", x=x, y=y)
    run = Worker._run

    def slowly(self, inputs):
        for _ in range(len(inputs)):
            time.sleep(2 * EACH)  # two workers do so at once
        return run(self, inputs)

    monkeypatch.setattr(Worker, "_run", slowly)
    monkeypatch.setattr("headstart.extractors.run.worker.cores", lambda: 2)
    rows.datasets.add("long", tmp_path / "long.npz")
    return rows


def search(ws, seconds=GIVEN, **more):
    began = time.monotonic()
    found = ws.auto("long", minutes=seconds / 60, kinds="prototype", **more)
    return found, time.monotonic() - began


def test_the_largest_part_that_fits_is_taken_and_it_is_said(slow):
    with pytest.warns(hs.notices.HeadstartNote, match="as many samples are taken as there is time"):
        found, took = search(slow, 5)
    assert took < 2 * 5
    taken, metrics = found.taken, found.head.metrics
    assert 100 <= taken.samples < taken.of == 4500 and taken.seconds > 1 and taken.minutes >= 1
    assert sum(metrics[f"n_{split}"] for split in SPLITS) == taken.samples
    assert taken.text.startswith(f"{taken.samples:,} of 4,500 samples were taken")
    assert found.head.classes == ["a", "b", "c"] and metrics["accuracy"] > 0.85
    assert found.sweep is None and found.chosen != "ensemble"
    assert found.head.settings[PART] == {
        "samples": taken.samples,
        "of": 4500,
        "least": 6,
        "seed": 0,
    }
    assert found.to_json()["taken"]["samples"] == taken.samples
    assert sum(one.computed for one in found.costs) >= taken.samples


def test_a_head_of_a_part_is_reproduced_judged_and_trained_on_all_later(slow):
    found, _ = search(slow)
    head = slow.heads.get("long")
    assert head.reproduce().agrees
    assert len(head.held_out().samples) == found.head.metrics["n_test"]
    with pytest.raises(FeaturesMissing):
        head.retrain()
    slow.extract("numbers-6", "long")
    whole = head.retrain()
    assert PART not in whole.record.settings
    assert whole.metrics["n_train"] > head.metrics["n_train"]


def test_a_next_run_goes_on_from_what_is_cached(slow):
    first, _ = search(slow)
    second, _ = search(slow)
    assert second.taken is None or second.taken.samples > first.taken.samples


def test_where_there_is_time_all_are_taken(slow):
    found, _ = search(slow, 120)
    assert found.taken is None and found.sweep is not None
    assert PART not in found.head.settings


def test_the_part_is_the_same_for_the_same_seed_and_has_every_class_in_every_split(slow):
    columns = slow.context.manifest("long").columns
    order = nested(columns, hs.Classification(), 6, 3)
    again = nested(columns, hs.Classification(), 6, 3)
    np.testing.assert_array_equal(order.rows, again.rows)
    assert sorted(order.rows) == list(range(4500)) and order.fewest >= 100
    for count in (order.fewest, 400):
        part = columns.take(order.rows[:count])
        pairs = set(zip(part.labels, part.splits, strict=True))
        assert pairs == set(zip(columns.labels, columns.splits, strict=True))
        share = np.mean(part.split_codes == SPLITS.index("test"))
        whole = np.mean(columns.split_codes == SPLITS.index("test"))
        assert share == pytest.approx(whole, abs=0.1)


def test_a_head_of_a_part_says_so_where_it_is_shown(slow, run):
    found, _ = search(slow)
    told = " ".join(run("head", "show", "long").out.split())
    assert f"{found.taken.samples:,} of 4,500 samples, of each class and split a share" in told


def test_samples_of_a_dataset_that_has_changed_are_not_guessed(slow, tmp_path):
    search(slow)
    head = slow.heads.get("long")
    data = dict(np.load(tmp_path / "long.npz"))
    np.savez(tmp_path / "long.npz", x=data["x"][1:], y=data["y"][1:])
    slow.datasets.refresh("long")
    with pytest.raises(HeadError, match="changed"):
        head.features()


def test_samples_with_windows_are_taken_as_a_whole():
    class Windows:
        nested = None
        computed = False

        def compute(self, _entrant, rows):
            self.computed = rows is None

    pool = Windows()
    compute_what_fits(pool, None, None)
    assert pool.computed
