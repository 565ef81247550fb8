"""What `auto` does where there is no time for the features of all samples."""

from types import SimpleNamespace

import numpy as np
import pytest

import headstart as hs
from headstart.errors import FeaturesMissing, HeadError
from headstart.extractors.run.extraction import Extraction
from headstart.heads.trials.subsample import nested
from headstart.jobs.auto import largest_part
from headstart.jobs.auto.budget import Budget
from headstart.jobs.auto.costs import Stopwatch
from headstart.jobs.auto.largest_part import compute_what_fits
from headstart.part_of_head import PART
from headstart.storage.manifest import SPLITS

pytestmark = pytest.mark.filterwarnings("ignore::headstart.notices.HeadstartWarning")
EACH = 0.0025
"""Seconds that the backbone takes for a sample, by a clock that nothing else moves."""
GIVEN = 3.0
TASK = 32
"""Samples that a worker takes at once."""


class Clock:
    """Tells how long the samples took that were computed, however busy the machine is."""

    samples = 0

    def __call__(self):
        return EACH * self.samples


@pytest.fixture
def slow(rows, tmp_path, monkeypatch):
    """4,500 rows, class by class, and a backbone that takes 11 s for them."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], 1500)
    x = rng.normal(size=(4500, 6)).astype(np.float32)
    x[:, 0] += 8 * (y == "b")
    x[:, 1] += 8 * (y == "c")
    np.savez(tmp_path / "long.npz", x=x, y=y)
    finish, clock = Extraction._finish, Clock()

    def counted(self, task, *given):
        clock.samples += len(task.samples)
        return finish(self, task, *given)

    monkeypatch.setattr(Extraction, "_finish", counted)
    monkeypatch.setattr("headstart.extractors.run.worker.cores", lambda: 2)
    monkeypatch.setattr("headstart.extractors.run.worker.LARGEST_TASK", TASK)
    monkeypatch.setattr("headstart.jobs.auto.costs.time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr("headstart.jobs.auto.pool.Stopwatch", lambda: Stopwatch(clock()))
    monkeypatch.setattr("headstart.jobs.auto.auto.Budget", lambda given: Budget(given, clock))
    rows.datasets.add("long", tmp_path / "long.npz")
    return rows


def search(ws, seconds=GIVEN, **more):
    return ws.auto("long", minutes=seconds / 60, kinds="prototype", **more)


def test_the_largest_part_that_fits_is_taken_and_it_is_said(slow):
    with pytest.warns(hs.notices.HeadstartNote, match="as many samples are taken as there is time"):
        found = search(slow)
    assert found.seconds < 1.5 * GIVEN
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
    found = search(slow)
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
    first, second = (search(slow, backbones=["flat@as_it_is"]) for _ in range(2))
    assert second.taken is None or second.taken.samples > first.taken.samples
    assert second.costs[0].computed < 4500 - first.costs[0].computed + TASK


def test_where_there_is_time_all_are_taken(slow):
    found = search(slow, 120)
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
    found = search(slow)
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


def test_where_the_time_ends_with_the_last_sample_none_is_left_out(monkeypatch):
    """There is no next sample then whose place would be the size of the part."""
    now, taken = [0.0], []

    def compute(_entrant, rows, see):
        now[0] = 9.0
        see(None, len(rows), len(rows))

    pool = SimpleNamespace(compute=compute, take=lambda *given: taken.append(given))
    order = SimpleNamespace(rows=np.arange(5), fewest=2)
    monkeypatch.setattr(largest_part, "_first_lacking", lambda *_: np.arange(5))
    whole = SimpleNamespace(each=1.0, minutes=lambda _seconds: 1.0)
    largest_part._compute_part(pool, None, Budget(1.0, lambda: now[0]), order, whole)
    assert taken == []
